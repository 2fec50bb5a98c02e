"""Marks of a measured child: one line per mark, written to a descriptor that the measuring parent passes on.

The parent sets ``TWENTYWATTS_MARKS_FD`` to "NUMBER:INODE" of the writing end of a pipe (or "NUMBER" alone). A line is
``monotonic seconds TAB pid TAB name NEWLINE``; it is shorter than what a pipe takes in one piece, so lines of several
processes do not mix. A program that closes the descriptor and opens a file in its place must not find marks in that
file: only a pipe or socket is written to, and where an inode is given it must be the same.
"""

from __future__ import annotations

import os
import stat
import time

__all__ = ["VARIABLE", "address", "parse", "tell_parent"]

VARIABLE = "TWENTYWATTS_MARKS_FD"
_LONGEST_BYTES = 400  # of a name; POSIX pipes take 512 bytes in one piece


def address(descriptor: int) -> str:
    """Return the value of TWENTYWATTS_MARKS_FD for the writing end of a pipe."""
    return f"{descriptor}:{os.fstat(descriptor).st_ino}"


def tell_parent(name: str) -> bool:
    """Write a mark to the measuring parent; return whether there was one that took it. Never raises."""
    text = os.environ.get(VARIABLE, "")
    number, _, inode = text.partition(":")
    if not number.isdigit() or len(number) > 9:
        return False
    try:
        found = os.fstat(int(number))
        if not (stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode)) or inode not in ("", str(found.st_ino)):
            return False
        os.write(int(number), _line(name))
    except (OSError, ValueError):
        return False
    return True


def _line(name: str) -> bytes:
    words = " ".join(str(name).split()).encode("utf-8", "replace")[:_LONGEST_BYTES]
    return b"%.6f\t%d\t%b\n" % (time.monotonic(), os.getpid(), words)


def parse(line: str) -> tuple[float, int, str] | None:
    """Return (monotonic seconds, pid, name) of one line, None where it is damaged."""
    parts = line.rstrip("\n").split("\t")
    try:
        time_s, pid = float(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return None
    return (time_s, pid, parts[2]) if len(parts) == 3 and time_s >= 0 and time_s < float("inf") else None
