"""Rules that rebuild a JSON value part by part: what no rule names is left out or refused, so nothing slips through."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

from twentywatts.errors import ModelError, clean
from twentywatts.readers.exported.archive import WAY_OUT

__all__ = [
    "Rule",
    "argument_name",
    "dotted",
    "flag",
    "identifier",
    "list_of",
    "maybe",
    "number",
    "one_of",
    "record",
    "short_text",
    "table",
    "whole",
]

Rule = Callable[[Any], Any]

_IDENTIFIER = re.compile(r"_?[A-Za-z0-9][A-Za-z0-9_]{0,300}|_")
_DOTTED = re.compile(r"_?[A-Za-z0-9][A-Za-z0-9_]*(\._?[A-Za-z0-9][A-Za-z0-9_]*)*")
_TEXT = re.compile(r"[A-Za-z0-9_ .,:>-]{0,200}")  # no quote, backslash or line end: torch writes texts into code
_INFINITE = frozenset(("Infinity", "-Infinity", "NaN"))
_MAX_NAME = 1000
_WORDS = {
    "as_custom_obj": "a custom object",
    "custom_obj": "a custom object",
    "as_graph": "a graph inside a graph (torch.cond and its kin)",
    "as_operator": "a function as a value",
}


def whole(value: Any) -> int:
    """Return a whole number of 64 bits."""
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise _wrong(value, "a whole number of 64 bits")
    return value


def number(value: Any) -> float | str:
    """Return a number, or the words that the format has for what JSON cannot say."""
    if isinstance(value, str) and value in _INFINITE:
        return value
    if type(value) not in (int, float):
        raise _wrong(value, "a number")
    return float(value)


def flag(value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise _wrong(value, "true or false")
    return value


def identifier(value: Any) -> str:
    """Return a name that may stand in the Python text which torch makes of a graph."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value) or not value.isidentifier():
        raise _wrong(value, "a plain name")
    if keyword.iskeyword(value):
        raise _wrong(value, "a name that is no word of Python")
    return value


def argument_name(value: Any) -> str:
    """Return the name of an operator's argument, which may be empty or a word of Python such as ``from``."""
    return value if isinstance(value, str) and (not value or keyword.iskeyword(value)) else identifier(value)


def dotted(value: Any) -> str:
    """Return the path of a weight in its module: names and numbers with dots between."""
    if not isinstance(value, str) or len(value) > _MAX_NAME or not _DOTTED.fullmatch(value):
        raise _wrong(value, "a module's path such as layer1.0.weight")
    return value


def short_text(value: Any) -> str:
    """Return the value of an option such as 'bilinear', or an einsum's equation."""
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise _wrong(value, "a short plain text")
    return value


def list_of(rule: Rule) -> Rule:
    """Return the rule of a list."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong(value, "a list")
        return [rule(part) for part in value]

    return check


def table(key: Rule, rule: Rule) -> Rule:
    """Return the rule of values by name."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "values by name")
        return {key(name): rule(part) for name, part in value.items()}

    return check


def maybe(rule: Rule) -> Rule:
    """Return the rule of a value that may be missing."""
    return lambda value: None if value is None else rule(value)


def record(**rules: Rule) -> Rule:
    """Return the rule of a record; fields that are not named here are left out."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "a record")
        return {name: rule(value.get(name)) for name, rule in rules.items()}

    return check


def one_of(**rules: Rule) -> Rule:
    """Return the rule of a value that says its kind."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) != 1:
            raise _wrong(value, "one value with its kind")
        ((kind, part),) = value.items()
        if kind not in rules:
            raise ModelError(f"the graph of the .pt2 holds {_WORDS.get(kind, clean(repr(kind)[:80]))}: {WAY_OUT}")
        return {kind: rules[kind](part)}

    return check


def _wrong(value: Any, wanted: str) -> ModelError:
    return ModelError(f"the .pt2 archive holds {clean(repr(value)[:80])} where {wanted} belongs")
