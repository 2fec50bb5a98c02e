"""Reading records back: a log lies in a folder that anybody may have written into, so every field of it is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

__all__ = ["of_record"]

T = TypeVar("T")

_LARGEST_WHOLE = 2**63
_LONGEST = 2**20  # letters of a text, and entries of a list


def of_record(kind: type[T], found: Any) -> T:
    """Return the data class whose fields a table holds; raises ValueError for a field that is missing or does not fit.

    Numbers are finite, whole ones of 64 bits, and a truth is no number.
    """
    if not isinstance(found, Mapping):
        raise ValueError(f"a {kind.__name__} is a table of its fields")
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type]  # a class can be hashed
    unknown = [name for name in found if name not in hints]
    if unknown:
        raise ValueError(f"a {kind.__name__} has no field {unknown[0]!r}")
    return kind(**{name: _fitting(hint, found[name]) for name, hint in hints.items() if _is_there(kind, name, found)})


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def _is_there(kind: Any, name: str, found: Mapping[str, Any]) -> bool:
    if name in found:
        return True
    field = kind.__dataclass_fields__[name]
    if field.default is MISSING and field.default_factory is MISSING:
        raise ValueError(f"a {kind.__name__} needs '{name}'")
    return False


def _fitting(hint: Any, value: Any) -> Any:
    """Return a value of the type that an annotation says; raises ValueError for any other."""
    if isinstance(hint, UnionType):
        return _one_of(get_args(hint), value)
    if is_dataclass(hint):
        return of_record(hint, value)  # type: ignore[arg-type]  # a class, not an instance
    if get_origin(hint) in (tuple, Mapping):
        return _each(get_origin(hint), get_args(hint), value)
    if not _is_plain(hint, value):
        raise ValueError(f"a {type(value).__name__} is not {hint}")
    return value


def _is_plain(hint: Any, value: Any) -> bool:
    if type(value) is int and hint in (int, float):
        return abs(value) < _LARGEST_WHOLE
    if type(value) is float:
        return hint is float and math.isfinite(value)
    return hint in (str, bool, NoneType) and type(value) is hint and not (hint is str and len(value) > _LONGEST)


def _each(kind: Any, inner: tuple[Any, ...], value: Any) -> Any:
    """Return a list or a table whose entries fit."""
    if not isinstance(value, list | Mapping) or len(value) > _LONGEST or isinstance(value, list) != (kind is tuple):
        raise ValueError(f"a {type(value).__name__} is no {kind.__name__} of a bounded length")
    if isinstance(value, list):
        return tuple(_fitting(inner[0], item) for item in value)
    return {_fitting(str, name): _fitting(inner[1], item) for name, item in value.items()}


def _one_of(hints: tuple[Any, ...], value: Any) -> Any:
    for hint in hints:
        try:
            return _fitting(hint, value)
        except ValueError:
            continue
    raise ValueError(f"a {type(value).__name__} is none of {hints}")
