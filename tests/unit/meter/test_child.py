"""A measured command: its end as a shell tells it, signals passed on once, orphans seen, marks received."""

from __future__ import annotations

import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.measured import adopts_orphans

from twentywatts.meter import marks
from twentywatts.meter.child import Child, CommandError
from twentywatts.meter.inbox import FROM_TERMINAL, Inbox
from twentywatts.meter.mark_pipe import MarkPipe
from twentywatts.meter.processes import descendants, tree_cpu_time_s

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawnp"), reason="commands are measured on POSIX systems")


@pytest.fixture(params=["exact", "heard"])
def inbox(request: pytest.FixtureRequest) -> Iterator[Inbox]:
    """Both ways of hearing signals: with their sender (Linux), and by handlers (elsewhere)."""
    found = Inbox()
    if request.param == "exact" and not found._is_exact:
        pytest.skip("other threads of this process would take the signals, or no sigtimedwait here")
    found._is_exact = request.param == "exact"
    with found:
        yield found


def ended(child: Child, timeout_s: float = 120.0) -> int:
    end_s = time.monotonic() + timeout_s
    while not child.wait(1.0):
        assert time.monotonic() < end_s, "the command does not end"
    assert child.code is not None
    return child.code


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_code_is_what_a_shell_tells(script: str, code: int, inbox: Inbox) -> None:
    child = Child(["sh", "-c", script], inbox)
    assert ended(child) == code
    assert child.signal == (code - 128 if code > 128 else None)
    assert child.wait_for_rest(0.0) == ()


@pytest.mark.parametrize("command", ["no-such-\x1b[31m\u202ecommand", "/\x1b[31m/.."])
def test_the_name_of_a_command_does_not_steer_the_terminal(command: str, inbox: Inbox) -> None:
    with pytest.raises(CommandError) as caught:
        Child([command], inbox)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("/", 126), ("", 127)])
def test_what_cannot_be_started_has_its_code(command: str, code: int, inbox: Inbox) -> None:
    with pytest.raises(CommandError) as caught:
        Child([command], inbox)
    assert caught.value.code == code


def test_a_file_that_may_not_be_executed_is_126(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(CommandError) as caught:
        Child([str(tmp_path / "data")], inbox)
    assert caught.value.code == 126


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_meter_reaches_the_command(number: int, inbox: Inbox) -> None:
    child = Child(["sleep", "600"], inbox)
    if not inbox._is_exact and number == signal.SIGINT and sys.__stdin__ and sys.__stdin__.isatty():
        pytest.skip("with a terminal, Ctrl-C reaches the command by itself")
    os.kill(os.getpid(), number)
    assert ended(child) == 128 + number


def test_what_the_command_sends_to_its_group_does_not_come_back(inbox: Inbox, tmp_path: Path) -> None:
    if not inbox._is_exact:
        pytest.skip("the sender is not known here")
    heard = tmp_path / "heard"
    os.mkfifo(heard)
    writing = os.open(heard, os.O_RDWR)
    child = Child(["sh", "-c", f"kill -TERM {os.getpid()}; read word < {shlex.quote(str(heard))}; exit 5"], inbox)
    assert not child.wait(30.0)
    os.write(writing, b"heard\n")  # the sender lives until then
    assert ended(child) == 5
    os.close(writing)


def test_keys_of_the_terminal_are_not_doubled(inbox: Inbox) -> None:
    child = Child(["sleep", "0.3"], inbox)
    child._pass_on(signal.SIGINT, FROM_TERMINAL)
    assert ended(child) == 0


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Inbox() as inbox:
            child = Child(["sh", "-c", "sleep 0.3; exit 7"], inbox)
            os.kill(os.getpid(), signal.SIGHUP)
            assert ended(child) == 7
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_given_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Inbox() as inbox:
        ended(Child(["true"], inbox))
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans are seen on Linux")
def test_orphans_are_seen_and_waited_for(inbox: Inbox) -> None:
    if not adopts_orphans():
        pytest.skip("this kernel gives orphans to init")
    child = Child(["sh", "-c", "exec sleep 600 & exit 4"], inbox)
    assert ended(child) == 4
    (left,) = child.wait_for_rest(0.05)
    assert "sleep" in left.name or "sh" in left.name
    os.kill(left.pid, signal.SIGTERM)
    assert child.wait_for_rest(math.inf) == ()
    assert child.code == 4


def test_a_child_inherits_neither_the_mask_nor_ignored_pipes(inbox: Inbox) -> None:
    code = "import signal,sys; sys.exit(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    assert ended(Child([sys.executable, "-c", code], inbox)) == 0
    assert ended(Child(["sh", "-c", "kill -PIPE $$"], inbox)) == 128 + signal.SIGPIPE


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_processor_time_grows_with_living_and_ended_children(inbox: Inbox) -> None:
    before_s = tree_cpu_time_s()
    spin = "import time\nwhile time.process_time() < 0.3: pass\nimport os; os.write(1, b'done'); time.sleep(600)"
    reading, writing = os.pipe()
    saved = os.dup(1)
    os.dup2(writing, 1)
    child = Child([sys.executable, "-c", spin], inbox)
    os.dup2(saved, 1)
    os.close(writing)
    os.close(saved)
    assert os.read(reading, 10) == b"done"
    os.close(reading)
    living_s = tree_cpu_time_s() - before_s
    assert child.pid in [process.pid for process in descendants(os.getpid())]
    os.kill(child.pid, signal.SIGKILL)
    ended(child)
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    assert living_s >= 0.3 - 5 * tick_s
    assert tree_cpu_time_s() - before_s >= living_s - 5 * tick_s


def test_marks_arrive_in_order_and_nonsense_is_counted(inbox: Inbox) -> None:
    seen: list[str] = []
    pipe = MarkPipe(lambda name, time_s: seen.append(name))
    number = pipe._writing
    script = "import os; from twentywatts.meter.marks import tell_parent as t\n"
    script += f"t('one'); os.write({number}, b'nonsense\\n' + b'x'*5000 + b'\\n')\n"
    script += f"t('two \\x1b[31m'); os.write({number}, b'torn')"
    child = Child([sys.executable, "-c", script], inbox, environment={**os.environ, **pipe.environment})
    pipe.started()
    assert ended(child) == 0
    pipe.finish(60.0)
    assert seen == ["one", "two  [31m"]
    assert pipe.ignored == 2
    assert marks.VARIABLE in pipe.environment


@pytest.mark.skipif("TWENTYWATTS_TEST_ALONE" in os.environ, reason="this is the process of its own")
def test_the_same_in_a_process_of_its_own() -> None:
    """Other tests leave threads behind; here signals are waited for exactly, as in the command."""
    line = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TWENTYWATTS_TEST_ALONE": "1", "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert result.returncode == 0, result.stdout
    if Path("/proc/self/task").is_dir():
        assert "other threads" not in result.stdout, result.stdout
