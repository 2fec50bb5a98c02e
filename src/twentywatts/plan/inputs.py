"""Inputs of a plan: bundled figures with label, year and region, and what the user gives."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from twentywatts.errors import InputError
from twentywatts.figures import parse_figure
from twentywatts.plan.result import Input, cited
from twentywatts.uncertain import Interval

__all__ = ["bundled", "given", "number", "point"]


_LARGEST = 1e300
_SMALLEST = 1e-12  # below it ratios of given numbers leave what a double can hold


@cache
def bundled(table: str) -> Mapping[str, Input]:
    """Return the inputs of data/plan/<table>.toml by their key."""
    path = files("twentywatts") / "data" / "plan" / f"{table}.toml"
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["figures"]
    return MappingProxyType(
        {
            key: cited(
                parse_figure(key, entry),
                str(entry.get("label", key)),
                year=str(entry.get("year", "")),
                region=str(entry.get("region", "")),
            )
            for key, entry in entries.items()
        }
    )


def number(name: str, value: float, *, low: float = 0.0, high: float = 1e30) -> float:
    """Return ``value``; raises InputError unless it is a positive number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number, got {value!r}")
    if not (value >= _SMALLEST and low <= value <= high):
        least = "positive" if low == 0 and not value > 0 else f"at least {max(low, _SMALLEST):g}"
        given = f"{value:g}" if abs(value) < _LARGEST else "a far larger number"
        raise InputError(f"{name} must be {least} and at most {high:g}, got {given}")
    return float(value)


def point(value: float) -> Interval:
    """Return a number that is known."""
    return Interval(low=value, mid=value, high=value)


def given(key: str, label: str, value: float) -> Input:
    """Return what the user gave, as a number that is known."""
    return Input(key=key, label=label, interval=point(value), distribution="point")
