"""The signals that reach the meter while a command runs: held back, told one by one, and who sent them.

Linux tells whether a signal came from the terminal (then the command, in the same group, has got it already) or from a
process (then the meter must pass it on). Elsewhere the sender is not known.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from types import FrameType, TracebackType

__all__ = ["FROM_TERMINAL", "PASSED_ON", "UNKNOWN", "Inbox"]

FROM_TERMINAL, UNKNOWN = 0, -1  # senders that are no process
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTSTP")
PASSED_ON = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_KEYBOARD = ("SIGINT", "SIGQUIT", "SIGTSTP")
_SI_KERNEL = 0x80

Letter = tuple[int, int]  # signal, pid of the sender


class Inbox:
    """Holds the signals back while it is entered; ``wait`` returns those that came.

    Enter it before any thread is started: threads inherit what is held back. Signals that were ignored (nohup) stay so.
    """

    def __init__(self) -> None:
        self._watched: tuple[signal.Signals, ...] = ()
        self._before: dict[signal.Signals, object] = {}
        self._pipe = (-1, -1)
        self._is_exact = hasattr(signal, "sigtimedwait") and _is_alone()

    def __enter__(self) -> Inbox:
        self._before = {signal.SIGCHLD: signal.signal(signal.SIGCHLD, signal.SIG_DFL)}
        heard = [number for number in PASSED_ON if signal.getsignal(number) != signal.SIG_IGN]
        self._watched = (*heard, signal.SIGCHLD)
        if self._is_exact:
            signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        else:
            self._listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._is_exact:
            while signal.sigtimedwait(self._watched, 0):  # what came last must not end the meter while it writes
                pass
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._watched)
        else:
            signal.set_wakeup_fd(-1)
            for descriptor in self._pipe:
                os.close(descriptor)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def wait(self, timeout_s: float) -> list[Letter]:
        """Return the signals that came (with their sender's process number), after at most ``timeout_s`` seconds."""
        return self._exact(timeout_s) if self._is_exact else self._heard(timeout_s)

    def _exact(self, timeout_s: float) -> list[Letter]:
        found: list[Letter] = []
        info = signal.sigtimedwait(self._watched, max(timeout_s, 0.0))
        while info is not None:
            is_kernels = info.si_code == _SI_KERNEL
            found.append((info.si_signo, FROM_TERMINAL if is_kernels else info.si_pid))
            info = signal.sigtimedwait(self._watched, 0)
        return found

    def _listen(self) -> None:
        def nothing(number: int, frame: FrameType | None) -> None:
            """Do nothing: the descriptor tells."""

        self._pipe = os.pipe()
        for descriptor in self._pipe:
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in self._watched:
            before = signal.signal(number, nothing)
            self._before.setdefault(number, before)

    def _heard(self, timeout_s: float) -> list[Letter]:
        ready, _, _ = select.select([self._pipe[0]], [], [], max(timeout_s, 0.0))
        numbers = os.read(self._pipe[0], 512) if ready else b""
        return [(number, _guessed_sender(number)) for number in numbers]


def _is_alone() -> bool:
    """Tell whether this process has one thread: another one would not hold a signal back, and die of it."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _guessed_sender(number: int) -> int:
    """Return the terminal for its own keys, where there is one; else nobody knows."""
    has_terminal = sys.__stdin__ is not None and not sys.__stdin__.closed and sys.__stdin__.isatty()
    return FROM_TERMINAL if has_terminal and signal.Signals(number).name in _KEYBOARD else UNKNOWN
