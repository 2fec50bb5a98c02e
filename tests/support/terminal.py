"""A program on a terminal of its own: what it shows, keys that are pressed, its end; nothing is waited for for ever."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache

__all__ = ["Terminal", "hears_keys"]

_PATIENCE_S = 120.0
_TAKE_IT = "import fcntl,os,sys,termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


@cache
def hears_keys() -> bool:
    """Tell whether this kernel's terminals send Ctrl-C on; some sandboxes' do not."""
    waits = "import time\nprint('up', flush=True)\ntry: time.sleep(20)\nexcept KeyboardInterrupt: print('heard')"
    terminal = Terminal([sys.executable, "-c", waits], os.environ)
    terminal.until(lambda seen: b"up" in seen)
    terminal.press(b"\x03")
    return terminal.end() == 0 and b"heard" in terminal.seen


class Terminal:
    """A program in a session of its own, whose terminal this is: Ctrl-C reaches it. seen: all that it showed."""

    def __init__(
        self, line: Sequence[str], environment: Mapping[str, str], *, lines: int = 24, columns: int = 80
    ) -> None:
        self.seen = b""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_IT, *line],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, is_enough: Callable[[bytes], bool]) -> None:
        """Read until what it showed is enough."""
        end_s = time.monotonic() + _PATIENCE_S
        while not is_enough(self.seen):
            assert self._more(), f"it ended early: {self.seen!r}"
            assert time.monotonic() < end_s, f"it does not come: {self.seen!r}"

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def end(self) -> int:
        """Read what it still shows, and return its exit code; it is killed where it does not end."""
        end_s = time.monotonic() + _PATIENCE_S
        while self._more() and time.monotonic() < end_s:
            pass
        if time.monotonic() >= end_s:
            self._process.kill()
        os.close(self._ours)
        return self._process.wait(_PATIENCE_S)

    def _more(self) -> bool:
        """Read for a moment; return whether more may come. Not every kernel tells that nobody writes any more."""
        is_over = self._process.poll() is not None
        ready, _, _ = select.select([self._ours], [], [], 0.1)
        try:
            found = os.read(self._ours, 65536) if ready else b""
        except OSError:
            return False
        self.seen += found
        return bool(found) or not (is_over or ready)
