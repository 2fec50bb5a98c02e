"""The parent's end of the marks: a pipe whose writing end the measured command inherits."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from twentywatts.errors import clean
from twentywatts.meter.marks import VARIABLE, address, parse

__all__ = ["MarkPipe"]

_LONGEST_BYTES = 1024  # of a line; what is longer is no mark
_CHUNK_BYTES = 65536
_LONGEST_NAME = 200


class MarkPipe:
    """``on_mark`` gets (name, time_s) of every mark, in a thread of its own. ignored: lines that were no marks."""

    def __init__(self, on_mark: Callable[[str, float], None]) -> None:
        self.ignored = 0
        self._on_mark = on_mark
        self._reading, self._writing = os.pipe()
        os.set_inheritable(self._writing, True)
        self.environment = {VARIABLE: address(self._writing)}
        self._thread = threading.Thread(target=self._run, name="twentywatts-marks", daemon=True)
        self._thread.start()

    def started(self) -> None:
        """Give back our copy of the writing end once the command has its own: the pipe then ends with it."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def finish(self, timeout_s: float) -> None:
        """Take what is still in the pipe; whoever outlives the command may hold it open, so not for ever."""
        self.started()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(self._reading, _CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line)
                rest = rest[: _LONGEST_BYTES + 1]  # already too long: the line will be ignored when it ends
        with contextlib.suppress(OSError):
            os.close(self._reading)

    def _take(self, line: bytes) -> None:
        found = parse(line.decode("utf-8", "replace")) if len(line) <= _LONGEST_BYTES else None
        if found is None:
            self.ignored += 1
        else:
            self._on_mark(clean(found[2])[:_LONGEST_NAME], found[0])
