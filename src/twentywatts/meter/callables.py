"""Functions that are handed to the meter: what they are called, and whether their work is done when they return."""

from __future__ import annotations

from twentywatts.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["check_done", "check_works_now", "name_of"]

_DOES_IT_LATER = "a coroutine or generator does its work later: put `with measure()` inside it"
_LATER = 0x20 | 0x80 | 0x200  # flags of code that makes a generator, a coroutine, an asynchronous generator


def check_works_now(function: Any) -> None:
    """Raise InputError for what is no function, and for one whose work is done later, outside of any window."""
    if not callable(function):
        raise InputError(f"a function is wanted to be measured, got an object of type {type(function).__name__}")
    if _code_flags(function) & _LATER:
        raise InputError(_DOES_IT_LATER)


def check_done(value: Any) -> None:
    """Raise InputError for what a function gave back where that is work still to be done: a coroutine."""
    if hasattr(value, "__await__") and hasattr(value, "close"):
        value.close()  # else Python warns that it was never awaited
        raise InputError(_DOES_IT_LATER)


def name_of(function: Any) -> str:
    """Return what a function is called; the function inside a partial one, else the class of the object."""
    inner = _inside(function)
    return str(getattr(inner, "__qualname__", "") or type(inner).__qualname__)


def _inside(function: Any) -> Any:
    """Return the function that functools.partial holds, through any number of them."""
    while hasattr(function, "func") and hasattr(function, "keywords"):
        function = function.func
    return function


def _code_flags(function: Any) -> int:
    """Return the flags of the code that a call of this callable runs; 0 where it is not Python's."""
    inner = _inside(function)
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    return int(getattr(code, "co_flags", 0))
