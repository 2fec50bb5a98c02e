"""`twentywatts measure -- command` as a person and a batch system meet it: real processes, real signals."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.living import living
from tests.support.machines import MACHINES
from tests.support.measured import MEASURE, adopts_orphans, document, environment, measure, started

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawnp"), reason="commands are measured on POSIX systems")


def test_a_live_counter_is_measured(machine: dict[str, str], tmp_path: Path) -> None:
    began_s = time.monotonic()
    done = measure("--json", tmp_path / "run.json", "--", "sleep", "0.4", env=machine)
    took_s = time.monotonic() - began_s
    assert done.returncode == 0, done.stderr
    found = document(tmp_path / "run.json")
    assert found["measured"] is True
    assert found["how"] == "counter"
    assert found["evidence"] == "L2"
    energy = found["energy_j"]
    assert energy["high"] >= 45.0 * 0.4
    assert energy["low"] <= 45.0 * took_s
    by_key = {row["key"]: row for row in found["components"]}
    assert by_key["powercap:intel-rapl:0"]["in_total"]
    assert not by_key["powercap:intel-rapl:1"]["in_total"], "the platform holds the package"
    assert by_key["powercap:intel-rapl:0"]["raw"]["first"] is not None
    assert "measured by powercap" in done.stderr
    assert "ESTIMATED" not in done.stderr


def test_without_counters_it_says_that_it_estimates(bare: dict[str, str], tmp_path: Path) -> None:
    done = measure("--json", tmp_path / "run.json", "--", "true", env=bare)
    assert done.returncode == 0, done.stderr
    found = document(tmp_path / "run.json")
    assert found["measured"] is False
    assert found["how"] in ("modelled", "unavailable")
    assert found["why_not_measured"]
    assert "measured by" not in done.stderr
    assert "ESTIMATED, not measured" in done.stderr or "unavailable" in done.stderr
    assert "twentywatts doctor" in done.stderr


def test_a_frozen_counter_is_never_a_zero(tmp_path: Path) -> None:
    MACHINES["client"].at(tmp_path / "machine")  # nothing moves
    done = measure("--json", tmp_path / "run.json", "--", "true", env=environment(tmp_path / "machine"))
    found = document(tmp_path / "run.json")
    assert found["measured"] is False
    assert any("frozen" in row["reason"] for row in found["not_read"]), found["not_read"]
    assert "frozen" in done.stderr


def test_a_socket_that_is_dead_is_named(tmp_path: Path) -> None:
    with living("frozen-counter", tmp_path / "machine"):
        done = measure("--json", tmp_path / "run.json", "--", "sleep", "0.5", env=environment(tmp_path / "machine"))
    found = document(tmp_path / "run.json")
    assert found["measured"] is True, "the other socket lives"
    assert any("cpu 0" in text and "frozen" in text for text in found["not_covered"])
    assert "cpu 0: frozen" in done.stderr


def test_required_measurement_fails_before_anything_runs(bare: dict[str, str], tmp_path: Path) -> None:
    done = measure("--require-measured", "--", "touch", tmp_path / "ran", env=bare)
    assert done.returncode == 2
    assert "no live energy counter" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_required_measurement_holds_where_counters_live(machine: dict[str, str]) -> None:
    assert measure("--require-measured", "--", "sleep", "0.2", env=machine).returncode == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["/no/such/command"], 127),
        (["no-such-command-at-all"], 127),
        (["/"], 126),
    ],
)
def test_the_exit_code_is_the_command_s(command: list[str], code: int, bare: dict[str, str], tmp_path: Path) -> None:
    done = measure("--json", tmp_path / "run.json", "--", *command, env=bare)
    assert done.returncode == code, done.stderr
    if code not in (126, 127):
        assert document(tmp_path / "run.json")["command"]["exit_code"] == code


def test_standard_streams_belong_to_the_command(bare: dict[str, str]) -> None:
    done = measure("--", "cat", env=bare, input="through\n")
    assert done.stdout == "through\n"
    assert done.stderr.count("twentywatts:") == 1


def test_options_of_the_command_are_its_own(bare: dict[str, str]) -> None:
    done = measure("--", "echo", "--json", "--", "-q", env=bare)
    assert done.stdout == "--json -- -q\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_reaches_the_command_and_the_file_is_written(
    number: int, code: int, machine: dict[str, str], tmp_path: Path
) -> None:
    process, _ = started("--json", tmp_path / "run.json", env=machine)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode in (code, 1 if number == signal.SIGINT else code), stderr  # Python may turn SIGINT into 1
    found = document(tmp_path / "run.json")
    assert found["measured"] is True
    assert found["command"]["exit_code"] == process.returncode


def test_keys_of_a_terminal_reach_the_command_once(bare: dict[str, str]) -> None:
    from tests.support.terminal import Terminal, hears_keys

    if not hears_keys():
        pytest.skip("terminals here do not send Ctrl-C on")
    script = "import signal,time\nn=[]\nsignal.signal(2,lambda *a:n.append(1))\nprint('up',flush=True)\nt=time.time()\n"
    script += "while not n and time.time()-t<60: time.sleep(0.05)\ntime.sleep(0.5)\nprint('times',len(n),flush=True)"
    terminal = Terminal([*MEASURE, "-q", "--", sys.executable, "-c", script], bare)
    terminal.until(lambda seen: b"up" in seen)
    terminal.press(b"\x03")
    code = terminal.end()
    assert b"times 1" in terminal.seen, terminal.seen
    assert code == 0


def test_a_command_that_forks_and_exits_is_named(bare: dict[str, str], tmp_path: Path) -> None:
    script = f"sleep 600 >/dev/null 2>&1 & echo $! > {shlex.quote(str(tmp_path / 'pid'))}; exit 4"
    done = measure("--json", tmp_path / "run.json", "--", "sh", "-c", script, env=bare)
    orphan = int((tmp_path / "pid").read_text())
    os.kill(orphan, signal.SIGKILL)  # it lives: nobody waited for it
    assert done.returncode == 4
    if not adopts_orphans():
        pytest.skip("this kernel gives orphans to init")
    assert document(tmp_path / "run.json")["command"]["left_running"] == [{"pid": orphan, "name": "sleep"}]
    assert f"sleep (process {orphan}) still runs" in done.stderr


def test_orphans_are_waited_for_when_asked(bare: dict[str, str], tmp_path: Path) -> None:
    if not adopts_orphans():
        pytest.skip("this kernel gives orphans to init")
    script = f"(sleep 0.7; echo late > {shlex.quote(str(tmp_path / 'late'))}) >/dev/null 2>&1 & exit 0"
    done = measure("--wait", "--json", tmp_path / "run.json", "--", "sh", "-c", script, env=bare)
    assert done.returncode == 0
    assert (tmp_path / "late").exists()
    assert document(tmp_path / "run.json")["duration_s"] >= 0.6


def test_processor_time_of_grandchildren_counts(bare: dict[str, str], tmp_path: Path) -> None:
    spin = "import time\nwhile time.process_time() < 0.4: pass"
    script = f"import subprocess,sys; subprocess.run([sys.executable,'-c',{spin!r}])"
    measure("--json", tmp_path / "run.json", "--", sys.executable, "-c", script, env=bare)
    assert document(tmp_path / "run.json")["cpu_time_s"] >= 0.4 - 4 / os.sysconf("SC_CLK_TCK")


def test_marks_of_the_command_become_stretches(machine: dict[str, str], tmp_path: Path) -> None:
    script = (
        "import time, twentywatts as tw\nfor n in ('load','=step'):\n  time.sleep(0.2); tw.mark(n)\ntime.sleep(0.1)"
    )
    files = ["--marks", tmp_path / "steps.csv", "--json", tmp_path / "run.json"]
    done = measure(*files, "--", sys.executable, "-c", script, env=machine)
    assert done.returncode == 0, done.stderr
    marks = document(tmp_path / "run.json")["marks"]
    assert [mark["name"] for mark in marks] == ["load", "=step"]
    assert all(mark["how"] == "counter" and mark["duration_s"] > 0.15 for mark in marks)
    rows = (tmp_path / "steps.csv").read_text().splitlines()
    assert rows[0].startswith("name,time_s,duration_s,energy_j")
    assert len(rows) == 3
    assert rows[2].startswith("'=step,"), "a name must not become a formula"


def test_what_was_seen_survives_a_kill(machine: dict[str, str], tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    process, sleeper = started("--journal", journal, "--interval", "0.1", env=machine)
    up_s = time.monotonic()
    while _latest_s(journal) < up_s + 0.5:
        assert time.monotonic() < up_s + 60, "nothing is written"
        time.sleep(0.05)
    process.kill()
    process.wait(timeout=60)
    os.kill(sleeper, signal.SIGKILL)  # it outlives its meter unharmed
    process.communicate(timeout=60)
    done = measure("--resume", journal, "--json", tmp_path / "run.json", env=machine)
    assert done.returncode == 0, done.stderr
    found = document(tmp_path / "run.json")
    assert found["measured"] is True
    assert found["complete"] is False
    assert found["duration_s"] > 0.3
    assert found["energy_j"]["high"] >= 45.0 * 0.5
    assert "killed" in found["gaps"][-1]["reason"]
    assert found["command"]["exit_code"] is None
    assert "gap from" in done.stderr


def test_a_killed_meter_loses_nothing_though_no_journal_was_named(machine: dict[str, str], tmp_path: Path) -> None:
    kept = Path(machine["XDG_STATE_HOME"]) / "twentywatts"
    process, sleeper = started("--interval", "0.1", env=machine)
    up_s = time.monotonic()
    (journal,) = kept.iterdir()
    assert "no measurement was cut off" in measure("--resume", env=machine).stderr, "its meter lives"
    while _latest_s(journal) < up_s + 0.5:
        assert time.monotonic() < up_s + 60, "nothing is written"
        time.sleep(0.05)
    process.kill()
    process.wait(timeout=60)
    os.kill(sleeper, signal.SIGKILL)
    process.communicate(timeout=60)
    assert measure("--", "true", env=machine).returncode == 0
    done = measure("--resume", "--json", tmp_path / "run.json", env=machine)
    assert done.returncode == 0, done.stderr
    assert str(journal) in done.stderr
    found = document(tmp_path / "run.json")
    assert (found["measured"], found["complete"], found["command"]["exit_code"]) == (True, False, None)
    assert found["energy_j"]["high"] >= 45.0 * 0.5
    assert list(kept.iterdir()) == [journal], "what ended by itself leaves nothing behind"


@pytest.mark.parametrize("words", [["--", "true"], ["--", "no-such-command"], ["--no-journal", "--", "true"]])
def test_what_was_told_leaves_no_journal(words: list[str], bare: dict[str, str]) -> None:
    measure(*words, env=bare)
    kept = Path(bare["XDG_STATE_HOME"]) / "twentywatts"
    assert kept.is_dir() is ("--no-journal" not in words)
    assert not kept.is_dir() or list(kept.iterdir()) == []


def test_where_no_state_can_be_kept_the_command_is_measured(bare: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (str(tmp_path / "file"), "relative", "/dev/null"):
        done = measure("--", "sh", "-c", "exit 3", env={**bare, "XDG_STATE_HOME": folder})
        assert done.returncode == 3
        assert "ESTIMATED" in done.stderr or "unavailable" in done.stderr


def _latest_s(journal: Path) -> float:
    """Return when the last counter was read that stands in a journal."""
    lines = [json.loads(line) for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return max((time_s for line in lines for _, time_s, *_ in line.get("s", [])), default=0.0)


def test_a_journal_gives_the_same_joules_as_the_live_run(machine: dict[str, str], tmp_path: Path) -> None:
    journal, live, again = tmp_path / "run.journal", tmp_path / "live.json", tmp_path / "again.json"
    done = measure("--journal", journal, "--interval", "0.05", "--json", live, "--", "sleep", "0.5", env=machine)
    assert done.returncode == 0, done.stderr
    measure("--resume", journal, "--json", again, env=machine)
    one, other = document(live), document(again)
    assert one["energy_j"] == other["energy_j"]
    assert one["components"] == other["components"]
    assert other["complete"] is True
    assert other["gaps"] == []
    assert other["command"] == one["command"]


def test_an_earlier_journal_is_never_overwritten(bare: dict[str, str], tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    journal.write_text("precious\n")
    done = measure("--journal", journal, "--", "true", env=bare)
    assert done.returncode == 2
    assert "earlier run" in done.stderr
    assert journal.read_text() == "precious\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_costs_the_file_not_the_run(machine: dict[str, str], tmp_path: Path) -> None:
    done = measure("--journal", "/dev/full", "--json", tmp_path / "run.json", "--", "sh", "-c", "exit 5", env=machine)
    assert done.returncode == 5, done.stderr
    found = document(tmp_path / "run.json")
    assert any("No space left" in note for note in found["notes"]), found["notes"]


def test_a_json_that_cannot_be_written_is_told_and_the_code_kept(bare: dict[str, str], tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    done = measure("--json", "/dev/full", "--", "sh", "-c", "exit 6", env={**bare, "TMPDIR": str(tmp_path)})
    assert done.returncode == 6, done.stderr
    assert "written to" in done.stderr
    written = next(tmp_path.glob("twentywatts-*/full"))
    assert document(written)["command"]["exit_code"] == 6
    assert written.parent.stat().st_mode & 0o077 == 0  # where others may write, they may lay a link in its way


def test_a_closed_standard_error_costs_nothing(bare: dict[str, str], tmp_path: Path) -> None:
    line = shlex.join([*MEASURE, "--json", str(tmp_path / "run.json"), "--", "sh", "-c", "exit 7"])
    done = subprocess.run(["sh", "-c", f"{line} 2>&-"], env=bare, timeout=60, check=False)
    assert done.returncode == 7
    assert document(tmp_path / "run.json")["command"]["exit_code"] == 7


def test_a_folder_that_goes_while_the_command_runs_costs_no_code(bare: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    line = ["--json", "run.json", "--", "sh", "-c", f"rm -rf {shlex.quote(str(place))}; exit 6"]
    done = measure(*line, env={**bare, "TMPDIR": str(tmp_path)}, cwd=place)
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr
    assert document(next(tmp_path.glob("twentywatts-*/run.json")))["command"]["exit_code"] == 6


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("TWENTYWATTS_ROOT", "/no/such", "must name a folder"), ("TWENTYWATTS_THIS_CPU", "nonsense", "unknown machine")],
)
def test_a_wrong_variable_is_told_before_the_command_runs(
    name: str, value: str, said: str, bare: dict[str, str], tmp_path: Path
) -> None:
    done = measure("--", "touch", tmp_path / "ran", env={**bare, name: value})
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "ran").exists()


def test_no_report_is_written_over_the_journal(bare: dict[str, str], tmp_path: Path) -> None:
    journal, report = tmp_path / "j", tmp_path / "r"
    assert measure("--journal", journal, "--", "true", env=bare).returncode == 0
    held = journal.read_bytes()
    for words in (["--resume", journal, "--json", journal], ["--json", report, "--marks", report, "--", "true"]):
        done = measure(*words, env=bare)
        assert (done.returncode, "name another one" in done.stderr) == (2, True), done.stderr
    assert journal.read_bytes() == held
    assert not report.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give the command after --"),
        (["--json", "", "--", "true"], "--json is empty"),
        (["--json", "-", "--marks", "-", "--", "true"], "cannot both go"),
        (["--json", "x" * 300, "--", "true"], "File name too long"),
        (["--resume", "/dev/zero"], "is no journal"),
        (["--resume", "x", "--interval", "1"], "goes with --json and --marks alone"),
        (["--interval", "nan", "--", "true"], "--interval takes seconds"),
        (["--interval", "0", "--", "true"], "--interval takes seconds"),
        (["--resume", "x", "--", "true"], "leave the command out"),
        (["--resume", "no-such-file"], "cannot read the journal"),
        (["--json", "no/such/folder/x.json", "--", "true"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_runs_nothing(words: list[str], said: str, bare: dict[str, str]) -> None:
    done = measure(*words, env=bare)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
