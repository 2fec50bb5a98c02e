"""Progress on standard error: nothing for the first two seconds, then what is done and what happens now."""

from __future__ import annotations

import sys
import threading
import time

from twentywatts.errors import clean

__all__ = ["Progress"]

_QUIET_S = 2.0
_PLAIN_EVERY_S = 5.0
_TERMINAL_EVERY_S = 1.0


class Progress:
    """A callable (text, share) that shows one line, rewritten in place on a terminal; ``close`` it at the end.

    A thread of its own shows the line again while one step takes long: whoever waits sees that something happens.
    """

    def __init__(self, text: str = "starting") -> None:
        self._start = time.monotonic()
        self._shown = self._start
        self._terminal = sys.stderr.isatty()
        self._width = 0
        self._now: tuple[str, float | None] = (text, None)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def __call__(self, text: str, share: float) -> None:
        """Show what happens now, and the share that is done (0 to 1)."""
        self._now = (text, share)
        self._show()

    def close(self) -> None:
        """Clear the line on a terminal."""
        self._closed.set()
        with self._lock:
            if self._width:
                print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)

    def _watch(self) -> None:
        pause_s = _QUIET_S
        while not self._closed.wait(pause_s):
            self._show()
            pause_s = _TERMINAL_EVERY_S if self._terminal else _PLAIN_EVERY_S

    def _show(self) -> None:
        now = time.monotonic()
        with self._lock:
            soon = self._shown > self._start and not self._terminal and now - self._shown < _PLAIN_EVERY_S
            if soon or now - self._start < _QUIET_S or self._closed.is_set():
                return
            self._shown = now
            self._print(self._line(now))

    def _line(self, now: float) -> str:
        text, share = self._now
        done = "" if share is None else f"{100 * share:3.0f} %  "
        return f"{done}{clean(text)} ({now - self._start:.0f} s)"

    def _print(self, line: str) -> None:
        try:
            if self._terminal:
                print(f"\r{line:<{self._width}}", end="", file=sys.stderr, flush=True)
                self._width = len(line)
            else:
                print(line, file=sys.stderr, flush=True)
        except (OSError, ValueError):  # nobody looks
            self._closed.set()
