"""A recording of a wall meter beside a journal: its clock is fitted, its joules are those of the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.measured import document
from tests.unit.meter.fakes import Clock, assembly, channel

from twentywatts.cli import main
from twentywatts.errors import InputError
from twentywatts.meter.contract import How, Scope
from twentywatts.meter.journal import Journal
from twentywatts.meter.recorder import Recorder, journal_header
from twentywatts.meter.recording import recorded_readings
from twentywatts.meter.replay import read_journal

EPOCH_S = 1.7e9  # when our clock showed 0
LENGTH_S = 120.0
STEP_S = 0.5


def power_w(time_s: float) -> float:
    """Loads of unequal length: no two shifts look alike."""
    return 50.0 + 100.0 * (120 <= time_s < 133) + 60.0 * (160 <= time_s < 190)


class Chip:
    """A counter that draws ``power_w`` of the clock's time."""

    def __init__(self, *, is_flat: bool = False) -> None:
        self.clock, self.energy_j, self.is_flat = Clock(), 0.0, is_flat

    def wait(self, seconds: float) -> None:
        self.energy_j += seconds * (0.0 if self.is_flat else power_w(self.clock.now_s + seconds / 2))
        self.clock.wait(seconds)


def journal(path: Path, chip: Chip) -> Path:
    machine = assembly(channel(lambda: chip.energy_j, range_j=None))
    told = {**journal_header(machine, {"argv": ["x"]}, interval_s=STEP_S), "monotonic_s": chip.clock.now_s}
    told["time"] = "2023-11-14T22:15:00+00:00"  # EPOCH_S + 100
    book = Journal(path, told)
    recorder = Recorder(machine, interval_s=None, journal=book, clock=chip.clock)
    recorder.start()
    for _ in range(round(LENGTH_S / STEP_S)):
        chip.wait(STEP_S)
        recorder.now()
    recorder.stop()
    book.close()
    return path


def recording(folder: Path, *, zero_s: float, until_s: float = 240.0) -> str:
    """Write a meter that shows 20 W more, 1.3 times, each second; its clock shows 0 at ``zero_s`` of ours."""
    rows = [f"{second - zero_s},{20 + 1.3 * power_w(second - 0.5)}" for second in range(90, int(until_s))]
    (folder / "plug.csv").write_text("seconds,watts\n" + "\n".join(rows))
    keys = 'kind = "csv"\nname = "plug"\npath = "plug.csv"\ntime = "seconds"\npower = "watts"\nerror_frac = 0.01'
    (folder / "wall.toml").write_text(f"[[meter]]\n{keys}\n")
    return str(folder / "wall.toml")


@pytest.mark.parametrize(
    ("zero_s", "note"),
    [
        (83.4, r"it began (10|9\.\d+) s \(±\S+\) before the run"),
        (90.0, r"it began (10|9\.\d+) s"),
        (-EPOCH_S + 4.0, r"its clock is (4|4\.0\d*|3\.9\d*) s \(±\S+\) behind this machine's"),
        (-EPOCH_S - 37.0, r"its clock is (37|36\.9|37\.[01]) s \(±\S+\) ahead of this machine's"),
    ],
)
def test_a_recording_tells_the_joules_of_the_run_whatever_its_clock(tmp_path: Path, zero_s: float, note: str) -> None:
    chip = Chip()
    story = read_journal(journal(tmp_path / "j", chip))
    (found,) = recorded_readings(story, recording(tmp_path, zero_s=zero_s))
    truth_j = 20.0 * LENGTH_S + 1.3 * chip.energy_j
    assert (found.key, found.scope, found.how, found.evidence) == ("wall:csv:plug", Scope.WALL, How.INTEGRATED, 4)
    assert found.energy_j == pytest.approx(truth_j, rel=0.01)
    assert found.low_j is not None
    assert found.high_j is not None
    assert found.low_j < truth_j < found.high_j < 1.1 * truth_j
    assert re.match(note, found.notes[0]), found.notes


def test_what_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    story = read_journal(journal(tmp_path / "j", Chip()))
    with pytest.raises(InputError, match="does not cover"):
        recorded_readings(story, recording(tmp_path, zero_s=90.0, until_s=200.0))
    (tmp_path / "other.toml").write_text('[[meter]]\nkind = "shelly"\nhost = "plug"\n')
    with pytest.raises(InputError, match="names no recording"):
        recorded_readings(story, str(tmp_path / "other.toml"))
    for broken in ({"time": "yesterday"}, {"monotonic_s": "x"}, {"monotonic_s": 1e400}):
        story.header.update(broken)
        with pytest.raises(InputError, match="when it was begun"):
            recorded_readings(story, recording(tmp_path, zero_s=-EPOCH_S))
    still = read_journal(journal(tmp_path / "still", Chip(is_flat=True)))
    with pytest.raises(InputError, match="too few samples of a live counter"):
        recorded_readings(still, recording(tmp_path, zero_s=90.0))


def test_the_command_shows_a_recording_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, wall, out = journal(tmp_path / "j", Chip()), recording(tmp_path, zero_s=88.0), tmp_path / "out.json"
    assert main(["measure", "--resume", str(path), "--wall", wall, "--json", str(out)]) == 0
    found = document(out)
    row = found["components"][-1]
    assert (row["component"], row["in_total"], row["how"]) == ("plug", False, "integrated")
    assert "never added" in row["apart"]
    assert found["energy_j"] == found["components"][0]["energy_j"]
    assert "plug" in capsys.readouterr().err
