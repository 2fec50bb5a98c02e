"""Progress on standard error: nothing for the first two seconds, then what is done and what happens now."""

from __future__ import annotations

import sys
import time

from twentywatts.errors import clean

__all__ = ["Progress"]

_QUIET_S = 2.0
_PLAIN_EVERY_S = 5.0


class Progress:
    """A callable (text, share) that shows one line, rewritten in place on a terminal."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = self._start
        self._terminal = sys.stderr.isatty()
        self._width = 0

    def __call__(self, text: str, share: float) -> None:
        """Show what happens now, and the share that is done (0 to 1)."""
        now = time.monotonic()
        if now - self._start < _QUIET_S or (not self._terminal and now - self._shown < _PLAIN_EVERY_S):
            return
        self._shown = now
        line = f"{share:4.0%}  {clean(text)}"
        if self._terminal:
            print(f"\r{line:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Clear the line on a terminal."""
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)
