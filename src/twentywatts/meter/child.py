"""A command that is measured: started, its signals passed on, its end told as a shell tells it, its orphans named.

The command runs in the meter's own process group, as if it had been started in its place: the terminal's Ctrl-C and
Ctrl-Z reach both. A signal that a process sends to the meter alone is passed on to the command. No helper processes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from twentywatts.errors import InputError, clean
from twentywatts.meter.inbox import FROM_TERMINAL, Inbox
from twentywatts.meter.processes import Process, descendants

__all__ = ["CANNOT_RUN", "NOT_FOUND", "Child", "CommandError"]

CANNOT_RUN, NOT_FOUND, _SIGNALLED = 126, 127, 128  # as POSIX shells tell
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


class CommandError(InputError):
    """The command cannot be started; ``code`` is what a shell would return (126, 127)."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Child:
    """One running command.

    code: None while it runs, then its exit code (128 + n where signal n ended it). left: processes that outlive it.
    """

    def __init__(self, command: Sequence[str], inbox: Inbox, *, environment: Mapping[str, str] | None = None) -> None:
        """Start ``command``; raises CommandError. Descriptors that are inheritable are inherited."""
        self.code: int | None = None
        self.signal: int | None = None
        self._inbox = inbox
        self._has_children = True
        _adopt_orphans()
        self.pid = _spawn(command, dict(os.environ if environment is None else environment))

    def wait(self, timeout_s: float) -> bool:
        """Pass on what comes for at most ``timeout_s`` seconds; return whether the command has ended."""
        for number, sender in self._inbox.wait(timeout_s):
            if number != signal.SIGCHLD:
                self._pass_on(number, sender)
        self._reap()
        return self.code is not None

    def wait_for_rest(self, grace_s: float) -> tuple[Process, ...]:
        """Return what the command has left running after ``grace_s`` seconds (infinite: until all has ended)."""
        end_s = time.monotonic() + grace_s
        while self._has_children and (left_s := end_s - time.monotonic()) > 0:
            self.wait(min(left_s, 0.5))
        return tuple(descendants(os.getpid())) if self._has_children else ()

    def _reap(self) -> None:
        while self._has_children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._has_children = False
                if self.code is None:  # somebody else took its end away
                    self.code = CANNOT_RUN
                return
            if pid == 0:
                return
            if pid == self.pid:
                code = os.waitstatus_to_exitcode(status)
                self.signal = -code if code < 0 else None
                self.code = code if code >= 0 else _SIGNALLED - code

    def _pass_on(self, number: int, sender: int) -> None:
        targets = [self.pid] if self.code is None else [process.pid for process in descendants(os.getpid())]
        has_got_it = sender == FROM_TERMINAL or self._is_ours(sender)
        if not has_got_it:
            _send(targets, number)
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)  # here the meter stands until it is told to go on
            _send(targets, signal.SIGCONT)

    def _is_ours(self, sender: int) -> bool:
        """Return whether the command itself sent this: `kill 0` in a script reaches its whole group, the meter too."""
        return sender > 0 and any(process.pid == sender for process in descendants(os.getpid()))


def _send(targets: Sequence[int], number: int) -> None:
    for pid in targets:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _spawn(command: Sequence[str], environment: dict[str, str]) -> int:
    if not command or not command[0]:
        raise CommandError("no command to measure: twentywatts measure -- python train.py", NOT_FOUND)
    if not hasattr(os, "posix_spawnp"):
        raise InputError("commands can be measured on Linux and macOS; here, use twentywatts.measure() in the program")
    defaults = [getattr(signal, name) for name in _IGNORED_BY_PYTHON if hasattr(signal, name)]
    try:
        return os.posix_spawnp(command[0], list(command), environment, setsigmask=[], setsigdef=defaults)
    except FileNotFoundError:
        raise CommandError(f"{clean(command[0])}: command not found", NOT_FOUND) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CommandError(f"{clean(command[0])}: cannot be run: {reason}", CANNOT_RUN) from None


def _adopt_orphans() -> None:
    """Make this process the parent of whatever loses its own below it (Linux; elsewhere nothing happens)."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(Exception):  # without it orphans go to init, and their end is not seen
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
