"""The door of the public functions: an argument that is none of what the signature says is told in one sentence.

What a parameter takes stands once, in its annotation; ``checked`` reads it there (as text: nothing is imported for it)
and looks at every call before anything is computed.
"""

from __future__ import annotations

import functools

from twentywatts.errors import InputError, clean, counted, is_impossible_name, nearest
from twentywatts.kinds import NO, PLAIN, kinds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["checked"]

_SHOWN = 60  # characters of a wrong value
_SHORT = (str, bytes, int, float, complex, type(None))


def checked(name: str, function: Callable[P, R]) -> Callable[P, R]:
    """Return a public function that looks at its arguments first. name: what its caller calls it, ``plan.training``.

    It raises InputError for a value that its annotation does not allow, and TypeError for a call that Python itself
    would refuse, with the nearest right keyword. Raises LookupError for an annotation that cannot be checked.
    """
    takes = {key: _Takes(f"{name}()", key, text) for key, text in _annotations(function)}
    places, needed = _places(function), _needed(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if len(args) > len(places):
            raise TypeError(f"{name}() takes {counted(len(places), 'argument')} by position, got {len(args)}")
        given = [takes[key](value) for key, value in zip(places, args, strict=False)] if args else args
        for key, value in kwargs.items():
            if key not in takes:
                raise TypeError(f"{name}() has no argument '{key}'{nearest(key, takes) or _listed(takes)}")
            kwargs[key] = takes[key](value)
        if needed and (missing := needed.difference(kwargs, places[: len(args)])):
            raise TypeError(f"{name}() needs the argument '{min(missing)}'")
        try:
            return function(*given, **kwargs)
        except OSError as error:
            if not is_impossible_name(error):
                raise
            told = f"{name}(): '{clean(error.filename)[:_SHOWN]}…' cannot be the name of a file: {error.strerror}"
            raise InputError(told) from error

    call.__module__, _, call.__qualname__ = f"twentywatts.{name}".rpartition(".")  # where pickle finds it again
    call.__name__ = call.__qualname__
    return call


def _listed(names: Iterator[str] | dict[str, Any]) -> str:
    return f"; it takes {', '.join(names)}"


def _annotations(function: Any) -> Iterator[tuple[str, str]]:
    """Yield (parameter, annotation), those of a table of options among them."""
    for key, text in function.__annotations__.items():
        if text.startswith("Unpack["):
            table = function.__globals__[text[len("Unpack[") : -1]]
            for option, kind in table.__annotations__.items():
                yield option, getattr(kind, "__forward_arg__", kind)
        elif key != "return":
            yield key, text


def _places(function: Any) -> tuple[str, ...]:
    """Return the parameters that may be given by position."""
    names: tuple[str, ...] = function.__code__.co_varnames
    return names[: function.__code__.co_argcount]


def _needed(function: Any) -> frozenset[str]:
    """Return the parameters without a default."""
    code, places = function.__code__, _places(function)
    by_name = code.co_varnames[len(places) : len(places) + code.co_kwonlyargcount]
    first = places[: len(places) - len(function.__defaults__ or ())]
    return frozenset((*first, *(key for key in by_name if key not in (function.__kwdefaults__ or {}))))


class _Takes:
    """What one parameter takes: called with a value it gives that value back, or raises InputError."""

    __slots__ = ("_kinds", "_plain", "_where")

    def __init__(self, function: str, parameter: str, annotation: str) -> None:
        self._kinds = kinds_of(annotation)
        self._plain = frozenset(kind for part, _, _ in self._kinds for kind in PLAIN.get(part, ()))
        self._where = (function, parameter)

    def __call__(self, value: Any) -> Any:
        if type(value) in self._plain:
            return value
        for _, check, _ in self._kinds:
            found = check(value)
            if found is not NO:
                return found
        function, parameter = self._where
        *most, last = dict.fromkeys(words for _, _, words in self._kinds)
        wanted = f"{', '.join(most)} or {last}" if most else last
        raise InputError(f"{function}: {parameter} must be {wanted}, got {_told(value)}")


def _told(value: Any) -> str:
    """Return a value for a sentence: itself where it is short, else its type and that of the first thing inside."""
    if isinstance(value, _SHORT):
        shown = clean(repr(value))
        return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    told = f"an object of type {clean(type(value).__name__)}"
    if not isinstance(value, list | tuple) or not value:
        return told
    odd = next((item for item in value if not isinstance(item, str)), value[0])
    return f"{told} that holds {_told(odd)}" if not isinstance(odd, list | tuple) else told
