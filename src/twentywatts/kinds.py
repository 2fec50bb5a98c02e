"""What a parameter takes, by the text of its annotation: a check, and words for a person.

A check gives the value back (NumPy's numbers as Python's own, a list as a tuple), or ``NO``.
"""

from __future__ import annotations

import functools
import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Check = Callable[[Any], Any]

__all__ = ["NO", "PLAIN", "kinds_of"]

NO = object()  # what a check gives back for a value that is not taken
# classes that an alternative takes as they are: most calls need no more than this look
PLAIN: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
PLAIN["None"] = (type(None),)


def kinds_of(annotation: str) -> list[tuple[str, Check, str]]:
    """Return (alternative, check, words) of each alternative; raises LookupError for one that no check is known for."""
    return [(part, *_kind(part)) for part in _parts(annotation)]


def _parts(annotation: str) -> list[str]:
    """Return the alternatives of an annotation: ``str | Callable[[A | B], C]`` has two."""
    parts = [""]
    for piece in annotation.split(" | "):
        whole = f"{parts[-1]} | {piece}" if parts[-1] else piece
        parts[-1:] = [whole, ""] if whole.count("[") == whole.count("]") else [whole]
    return parts[:-1]


def _kind(part: str) -> tuple[Check, str]:
    if part in _KINDS:
        return _KINDS[part]
    if part.startswith("Callable["):
        return _callable, "a function"
    if not part.isidentifier():
        raise LookupError(f"no check is known for the annotation '{part}': add it to _KINDS")
    return functools.partial(_object, part), f"{'an' if part[0] in 'AEIO' else 'a'} {part}"


def _object(kind: str, value: Any) -> Any:
    """Take an object of a class of this name: its module need not be loaded to find out."""
    return value if any(base.__name__ == kind for base in type(value).__mro__) else NO


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else NO


def _path(value: Any) -> Any:
    return value if hasattr(type(value), "__fspath__") else NO


def _flag(value: Any) -> Any:
    return bool(value) if type(value).__name__ in ("bool", "bool_") else NO


def _whole(value: Any) -> Any:
    try:
        return NO if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return NO


def _number(value: Any) -> Any:
    import numbers

    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return NO
    return value if isinstance(value, int | float) else float(value)


def _callable(value: Any) -> Any:
    return value if callable(value) else NO


def _name(value: Any) -> Any:
    """Take a text, or a path as its text."""
    found = value.__fspath__() if hasattr(type(value), "__fspath__") else value
    return found if isinstance(found, str) else NO


def _is_table(value: Any) -> bool:
    return hasattr(type(value), "keys") and hasattr(type(value), "__getitem__")


def _each(check: Check, value: Any) -> Any:
    """Take what can be gone through, as a tuple; a text, bytes or a table is no list."""
    if isinstance(value, str | bytes) or _is_table(value) or not hasattr(type(value), "__iter__"):
        return NO
    try:
        found = tuple(map(check, value))
    except TypeError:  # an array of no dimension
        return NO
    return NO if any(item is NO for item in found) else found


def _table(check: Check, value: Any) -> Any:
    """Take a table by names."""
    if not _is_table(value):
        return NO
    found = {key: check(value[key]) if isinstance(key, str) else NO for key in value.keys()}  # noqa: SIM118
    return NO if any(item is NO for item in found.values()) else found


def _any(value: Any) -> Any:
    return value


def _samples(value: Any) -> Any:
    """Take what may hold samples; the reader of samples looks closer."""
    return value if isinstance(value, str | tuple | list) or _path(value) is not NO or _is_table(value) else NO


def _module(value: Any) -> Any:
    return value if hasattr(type(value), "named_parameters") else NO


def _array(value: Any) -> Any:
    return value if hasattr(type(value), "__array__") and getattr(value, "ndim", None) else NO


_WHOLE_BY_NAME = (functools.partial(_table, _whole), "a table of whole numbers by name")
_KINDS: dict[str, tuple[Check, str]] = {
    "None": (lambda value: NO if value is not None else None, "None"),
    "str": (_text, "a text"),
    "int": (_whole, "a whole number"),
    "float": (_number, "a number"),
    "bool": (_flag, "True or False"),
    "Path": (_path, "a path"),
    "object": (_any, "anything"),
    "Boundary": (_text, "chip, device, system or facility"),
    "Data": (_samples, "the path of an .npz file, a pair (x, y) or a table of arrays by name"),
    "TorchModel": (_module, "a live torch module"),
    "Sequence[str]": (functools.partial(_each, _name), "a list of texts"),
    "Sequence[int]": (functools.partial(_each, _whole), "a list of whole numbers"),
    "Sequence[Source]": (functools.partial(_each, _any), "a list of sources"),
    "tuple[tuple[float, float], ...]": (functools.partial(_each, functools.partial(_each, _number)), "number pairs"),
    "dict[str, int]": _WHOLE_BY_NAME,
    "Mapping[str, int]": _WHOLE_BY_NAME,
    "Mapping[str, Callable[[], Any]]": (functools.partial(_table, _callable), "a table of functions by name"),
    "NDArray[Any]": (_array, "an array"),
    "Mapping[str, NDArray[Any]]": (functools.partial(_table, _array), "a table of arrays by name"),
}
