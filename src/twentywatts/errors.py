"""The exceptions that twentywatts raises on purpose.

TwentyWattsError
├── InputError        a file, an argument or a value that cannot be used   (the command exits with 2)
│   ├── ModelError    the model file
│   ├── DataError     the .npz with samples and targets
│   └── MachineError  a machine's name or file
├── RefusedError      a form or a chip that cannot carry this model        (a row says why)
└── MissingExtraError a part of the laboratory that is not installed
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "DataError",
    "InputError",
    "MachineError",
    "MissingExtraError",
    "ModelError",
    "RefusedError",
    "TwentyWattsError",
    "clean",
    "counted",
    "is_impossible_name",
    "nearest",
]


class TwentyWattsError(Exception):
    """Base of every error that twentywatts raises on purpose; its text is one sentence for a person."""


class InputError(TwentyWattsError):
    """Something that was given cannot be used; the text says what is wanted and how to get it."""


class ModelError(InputError):
    """The model file cannot be read safely."""


class DataError(InputError):
    """The data file cannot be used."""


class MachineError(InputError):
    """A machine is unknown, or its file is not valid."""


class RefusedError(TwentyWattsError):
    """A form or chip cannot carry this model, or publishes too little to be priced; the text is the reason."""


class MissingExtraError(TwentyWattsError):
    """A library that this verb needs is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"this needs {library}: pip install 'twentywatts[{extra}]'")


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return a hint such as `` (did you mean 'loihi'?)`` or an empty string."""
    import difflib

    known = {choice.lower(): choice for choice in choices}
    word = word.lower()
    inside = sorted((choice for choice in known if len(word) > 2 and word in choice), key=len)
    found = inside or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean '{known[found[0]]}'?)" if found else ""


def is_impossible_name(error: OSError) -> bool:
    """Return whether no file can bear the name at all: too long, or links that go round in a circle."""
    import errno

    return error.filename is not None and error.errno in (errno.ENAMETOOLONG, errno.ELOOP)


def counted(count: float, noun: str, plural: str = "") -> str:
    """Return a number of things for a sentence: ``1 layer``, ``1,024 layers``; plural: where an s does not do."""
    return f"{count:,.0f} {noun if count == 1 else plural or f'{noun}s'}"


def clean(text: object) -> str:
    """Return a text without control characters: a name in a file must not steer the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))
