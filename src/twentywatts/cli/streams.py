"""The standard streams as a command finds them: of any encoding, closed, or on a full disk."""

from __future__ import annotations

import codecs
import os
import sys

from twentywatts.errors import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import Console

__all__ = ["console", "discard_output", "flush", "is_terminal", "prepare", "say", "tell", "width"]

_NARROWEST = 40  # columns: below that no table can be read
_USUAL, _WIDEST = 80, 1000
_LONGEST = 2000  # characters of an error: a name in a file can have a million
_PLAIN = {"µ": "u", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "·": "-", "•": "-", "≤": "<=", "≥": ">="}
_PLAIN |= {"✓": "yes", "✗": "no", "│": "|", "─": "-", "²": "2", "°": "deg", "→": "->", "σ": "sigma", "Ω": "ohm"}


def prepare() -> None:
    """Let every text be printed: a letter that the stream's encoding lacks is spelt otherwise, never an error."""
    codecs.register_error("twentywatts", _spelt)
    # a closed stream is None, and the next file that is opened would take its place: native libraries print into it
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # it stays open as long as the command runs
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a notebook's stream has no such method
        if reconfigure is not None:
            reconfigure(errors="twentywatts")


def _spelt(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def say(error: object) -> None:
    """Print one line about an error, without control characters and of a bounded length, on standard error."""
    line = clean(error)
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 4 :]}"
    try:
        print(f"twentywatts: {line}", file=sys.stderr, flush=True)
    except (OSError, ValueError):  # nobody listens: the exit code still tells
        _discard(sys.stderr)


def console() -> Console:
    """Return a console for tables as wide as the terminal says, and wide enough to be read whatever it says."""
    from rich.console import Console

    found = Console(highlight=False)
    if found.width < _NARROWEST:
        found.width = _NARROWEST if found.width else _USUAL  # no width at all: nobody knows it
    return found


def tell(lines: Iterable[str], *, end: str = "\n") -> None:
    """Print lines on standard error, or nowhere: whoever closed it must not lose what the command does.

    A line that begins with spaces belongs to the one before; what begins with a carriage return is written as it is.
    """
    try:
        for line in lines:
            print(line if line.startswith(("  ", "\r")) else f"twentywatts: {line}", end=end, file=sys.stderr)
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; a closed one is none."""
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):
        return False


def width(stream: TextIO | None = None) -> int:
    """Return the columns of a stream's terminal (standard output's), as COLUMNS or the terminal says, else 80."""
    said = os.environ.get("COLUMNS", "")
    columns = int(said) if said.isdecimal() and len(said) < 6 else 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size((stream or sys.__stdout__ or sys.stdout).fileno()).columns
        except (OSError, ValueError, AttributeError):
            columns = 0
    return min(max(columns, _NARROWEST), _WIDEST) if columns > 0 else _USUAL


def flush() -> None:
    """Write what standard output still holds; raises OSError where that fails."""
    sys.stdout.flush()


def discard_output() -> None:
    """Keep the interpreter from complaining at its exit about an output that cannot be written."""
    _discard(sys.stdout)


def _discard(stream: object) -> None:
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError):
        return  # no stream of the system: nothing to keep quiet
