"""The journal: what is written is read as the same joules; what is damaged, hostile or cut short is named."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twentywatts.errors import InputError
from twentywatts.meter.assemble import Assembly
from twentywatts.meter.contract import Channel, Quantity, ReadError, Scope
from twentywatts.meter.journal import Journal, describe
from twentywatts.meter.recorder import Recorder, journal_header
from twentywatts.meter.replay import Story, read_journal
from twentywatts.meter.window import Span

RANGE_J = 1000.0


class Bench:
    """A counter that wraps and a sensor, on a clock of its own."""

    def __init__(self) -> None:
        self.now_s, self.energy_j, self.is_away = 50.0, 900.0, False
        self.channels = (
            Channel(
                key="counter",
                component="cpu 0",
                scope=Scope.PACKAGE,
                quantity=Quantity.ENERGY,
                read=self.read,
                source="fake",
                step_j=0.001,
                range_j=RANGE_J,
                limit_w=100.0,
                notes=("a note",),
            ),
            Channel(
                key="sensor",
                component="gpu 0",
                scope=Scope.GPU,
                quantity=Quantity.POWER,
                read=lambda: 25.0,
                source="fake",
                error_frac=0.05,
            ),
        )
        self.assembly = Assembly(channels=self.channels, summed=("counter", "sensor"))

    def read(self) -> float:
        if self.is_away:
            raise ReadError("gone for a moment")
        return self.energy_j % RANGE_J

    def clock(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        self.energy_j += 30.0 * seconds

    def recorder(self, path: Path) -> tuple[Recorder, Journal]:
        journal = Journal(path, journal_header(self.assembly, {"argv": ["x"]}, interval_s=None))
        return Recorder(self.assembly, interval_s=None, journal=journal, clock=self.clock), journal


def recorded(path: Path, steps: int = 5) -> Span:
    """Record a run of ``steps`` looks, one second each, and return what the live meter says."""
    bench = Bench()
    recorder, journal = bench.recorder(path)
    first = recorder.start()
    for step in range(steps):
        bench.advance(1.0)
        bench.is_away = step == 1
        recorder.now()
        bench.is_away = False
        if step == 2:
            recorder.mark("half")
    last = recorder.stop()
    journal.write({"end": 0, "signal": None, "left": []})
    journal.close()
    return Span("", bench.assembly, first, last)


def span_of(story: Story) -> Span:
    return Span("", story.assembly, story.edges[0][1], story.edges[-1][1])


def test_a_journal_gives_the_same_readings_as_the_live_run(tmp_path: Path) -> None:
    live = recorded(tmp_path / "j")
    story = read_journal(tmp_path / "j")
    again = span_of(story)
    assert again.readings == live.readings
    assert again.energy_j == live.energy_j == pytest.approx((30.0 + 25.0) * 5.0, rel=1e-6)
    assert next(reading for reading in again.readings if reading.key == "counter").wraps == 1
    assert [name for name, _ in story.edges] == ["start", "half", "stop"]
    assert story.end is not None
    assert not story.gaps
    assert not story.damaged


@pytest.mark.parametrize("cut", range(1, 400, 37))
def test_a_journal_that_was_cut_anywhere_tells_what_was_seen(cut: int, tmp_path: Path) -> None:
    live = recorded(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    head = content.index(b'"edge":"start"') + 80
    (tmp_path / "cut").write_bytes(content[: max(head, len(content) - cut * 3)])
    story = read_journal(tmp_path / "cut")
    found = span_of(story).energy_j
    if story.end is None and story.edges[-1][1].time_s < live.last.time_s:
        assert "killed" in story.gaps[-1].reason
    assert found is None or 0 <= found <= (live.energy_j or 0.0) + 1e-9


def test_a_damaged_line_is_left_out_and_counted(tmp_path: Path) -> None:
    live = recorded(tmp_path / "j")
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    bad = [
        b"\x00\xff\n",
        b'{"s": [["counter", NaN, 1]]}\n',
        b'{"s": 3}\n',
        b'{"tick": "x"}\n',
        b"[1]\n",
        b"[" * 9999 + b"\n",
    ]
    bad += [b'{"s": [["counter", 52.0, 1e400]]}\n', b'{"edge": "x", "n": 77, "t": 1}\n', b"x" * (1 << 21) + b"\n"]
    (tmp_path / "j").write_bytes(b"".join([*lines[:3], *bad, *lines[3:]]))
    story = read_journal(tmp_path / "j")
    assert story.damaged == len(bad)
    assert span_of(story).energy_j == live.energy_j


def test_sleep_is_named_and_its_energy_left_out(tmp_path: Path) -> None:
    bench = Bench()
    header = {**journal_header(bench.assembly, {}, interval_s=1.0)}
    rows = [
        {"s": [["counter", 0.0, 10.0]], "edge": 0},
        {"edge": "start", "n": 0, "t": 0.0, "cpu": 0.0},
        {"s": [["counter", 1.0, 40.0]]},
        {"s": [["counter", 2.0, 45.0]], "z": 3600.0},
        {"s": [["counter", 3.0, 75.0]], "edge": 1},
        {"edge": "stop", "n": 1, "t": 3.0, "cpu": 1.0},
    ]
    journal = Journal(tmp_path / "j", header)
    for row in rows:
        journal.write(row)
    journal.close()
    story = read_journal(tmp_path / "j")
    assert "slept 3.6e+03 s" in story.gaps[0].reason
    reading = span_of(story).readings[0]
    assert reading.energy_j == pytest.approx(60.0)
    assert any("slept" in note for note in reading.notes)


def test_a_long_silence_is_a_gap(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", journal_header(Bench().assembly, {}, interval_s=1.0))
    journal.write({"s": [], "edge": 0})
    journal.write({"edge": "start", "n": 0, "t": 100.0, "cpu": 0.0})
    journal.write({"tick": 101.0, "cpu": 0.0})
    journal.write({"tick": 161.0, "cpu": 2.0})
    journal.close()
    gaps = read_journal(tmp_path / "j").gaps
    assert (gaps[0].from_s, gaps[0].to_s) == (1.0, 61.0)


def test_a_full_disk_costs_lines_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    recorder, journal = bench.recorder(tmp_path / "j")
    recorder.start()
    write, is_full = os.write, [False]

    def full(descriptor: int, data: bytes) -> int:
        if is_full[0]:
            if len(data) > 10:
                return write(descriptor, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    for step in range(6):
        is_full[0] = step in (2, 3)
        bench.advance(1.0)
        recorder.now()
    recorder.stop()
    journal.close()
    assert journal.lost == 2
    assert "No space left" in journal.problem
    assert not recorder._sampler.consumer_error
    story = read_journal(tmp_path / "j")
    assert story.damaged >= 1
    assert story.edges[-1][0] == "stop"
    counter = next(reading for reading in span_of(story).readings if reading.key == "counter")
    assert counter.energy_j == pytest.approx(180.0), "a counter bridges what the disk did not take"


def test_a_folder_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write the journal"):
        Journal(tmp_path / "no" / "j", {})


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "twentywatts.journal/2"},
        {"channels": 3},
        {"channels": [{}]},
        {"channels": [{"key": "x"}] * 5000},
        {"summed": None},
        {"rejected": [1]},
    ],
)
def test_a_header_that_is_wrong_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    header = {"schema": "twentywatts.journal/1", **describe(Bench().assembly), **change}
    (tmp_path / "j").write_text(json.dumps(header) + "\n")
    with pytest.raises(InputError, match="journal"):
        read_journal(tmp_path / "j")


@pytest.mark.parametrize("field", ["step_j", "range_j", "period_s", "limit_w", "error_frac", "scope", "notes"])
@pytest.mark.parametrize("value", [-1.0, 1e300, "x", [], None, True])
def test_a_channel_that_is_wrong_is_refused_or_harmless(field: str, value: Any, tmp_path: Path) -> None:
    header: dict[str, Any] = {"schema": "twentywatts.journal/1", **describe(Bench().assembly)}
    header["channels"][0][field] = value
    (tmp_path / "j").write_text(json.dumps(header) + '\n{"s":[],"edge":0}\n{"edge":"start","n":0,"t":0}\n')
    try:
        story = read_journal(tmp_path / "j")
    except InputError:
        return
    assert (field, value) in [("range_j", None), ("notes", []), ("notes", "x")]
    assert story.assembly.channels


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("s edge n t z tick end cpu".split()), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(_JSON, max_size=8))
def test_no_content_breaks_the_reading(records: list[Any], tmp_path: Path) -> None:
    header = {"schema": "twentywatts.journal/1", **describe(Bench().assembly), "interval_s": 1.0}
    start = '{"s":[["counter",0,1]],"edge":0}\n{"edge":"start","n":0,"t":0,"cpu":0}\n'
    text = json.dumps(header) + "\n" + start + "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "j").write_text(text)
    story = read_journal(tmp_path / "j")
    energy_j = span_of(story).energy_j
    assert energy_j is None or 0 <= energy_j < 1e30
