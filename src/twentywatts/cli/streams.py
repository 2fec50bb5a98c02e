"""The standard streams as a command finds them: of any encoding, closed, or on a full disk."""

from __future__ import annotations

import codecs
import os
import sys

from twentywatts.errors import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "discard_output", "flush", "prepare", "say"]

_NARROWEST = 40  # columns: below that no table can be read
_USUAL = 80
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
