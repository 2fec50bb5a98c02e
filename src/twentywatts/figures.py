"""Figures: a number from the world with interval, unit, condition and source."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twentywatts.errors import InputError
from twentywatts.uncertain import Interval, lognormal
from twentywatts.units import convert, unit_of_key

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = [
    "GRADES",
    "Boundary",
    "Evidence",
    "Figure",
    "Source",
    "load_figures",
    "load_sources",
    "parse_figure",
    "parse_source",
    "sample",
]

_LARGEST = 1e60  # no figure is larger; keeps every conversion and sum finite
_SOURCE_TEXTS = ("kind", "title", "authors", "venue", "doi", "url", "read")
GRADES = ("measured", "datasheet", "paper", "derived", "guess")


class Evidence(IntEnum):
    """How a joule came about; a total is as good as its weakest part."""

    GUESSED = 0
    MODELLED = 1
    CHIP_COUNTER = 2
    NODE_COUNTER = 3
    WALL_METER = 4

    @property
    def label(self) -> str:
        """``L0`` to ``L4``."""
        return f"L{int(self)}"


class Boundary(StrEnum):
    """What is counted: the chip; the device (chip, its memory, its board); the system with host; the facility."""

    CHIP = "chip"
    DEVICE = "device"
    SYSTEM = "system"
    FACILITY = "facility"

    @property
    def rank(self) -> int:
        """0 for the chip to 3 for the facility; a wider boundary contains the narrower ones."""
        return list(Boundary).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A published number in SI units: value and 90 % interval, and where it comes from.

    ``unit`` is the SI unit, ``condition`` says what the number holds for, ``where`` the place in the source.
    ``shared`` names the stream of draws when several machines use one physical figure (an HBM2 access, say).
    """

    key: str
    value: float
    low: float
    high: float
    unit: str
    grade: str
    source: str
    where: str
    condition: str
    shared: str = ""

    @property
    def interval(self) -> Interval:
        """Value and bounds as an Interval."""
        return Interval(low=self.low, mid=self.value, high=self.high)

    @property
    def evidence(self) -> Evidence:
        """A guess makes L0, anything cited makes L1."""
        return Evidence.GUESSED if self.grade == "guess" else Evidence.MODELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A paper, datasheet or page that figures are taken from."""

    key: str
    kind: str
    title: str
    authors: str
    year: int
    venue: str = ""
    doi: str = ""
    url: str = ""
    read: str = "full"


def _number(key: str, table: Mapping[str, Any], name: str) -> float:
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        raise InputError(f"figure '{key}' needs a finite number '{name}', got {value!r}")
    return float(value)


def _text(key: str, table: Mapping[str, Any], name: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"figure '{key}' needs a text '{name}'")
    return value


def parse_figure(key: str, table: Mapping[str, Any]) -> Figure:
    """Return the Figure of one TOML table, converted to SI; raises InputError with the key and what is wrong."""
    if not isinstance(table, Mapping):
        raise InputError(f"figure '{key}' must be a table with value, low, high, unit, grade, source, where, condition")
    unit = _text(key, table, "unit")
    target = unit_of_key(key)
    numbers = [_number(key, table, name) for name in ("low", "value", "high")]
    try:
        low, value, high = (convert(number, unit, target) for number in numbers)
    except InputError as error:
        raise InputError(f"figure '{key}': {error}") from error
    if not (low <= value <= high and (low > 0 or low == value == high == 0)):
        raise InputError(f"figure '{key}' needs 0 < low ≤ value ≤ high (or all 0), got {low:g}, {value:g}, {high:g}")
    grade = _text(key, table, "grade")
    if grade not in GRADES:
        raise InputError(f"figure '{key}' has grade '{grade}', wanted one of {', '.join(GRADES)}")
    texts = {name: _text(key, table, name) for name in ("source", "where", "condition")}
    shared = table.get("shared", "")
    return Figure(key=key, value=value, low=low, high=high, unit=target, grade=grade, shared=str(shared), **texts)


def parse_source(key: str, table: Mapping[str, Any]) -> Source:
    """Return the Source of one TOML table; raises InputError with the key and what is wrong."""
    if not isinstance(table, Mapping):
        raise InputError(f"source '{key}' must be a table with kind, title, authors, year and doi or url")
    unknown = table.keys() - {*_SOURCE_TEXTS, "year"}
    if unknown:
        raise InputError(f"source '{key}' has unknown keys {', '.join(sorted(unknown))}")
    year = table.get("year")
    if isinstance(year, bool) or not isinstance(year, int):
        raise InputError(f"source '{key}' needs a whole number 'year', got {year!r}")
    texts = {name: table[name] for name in _SOURCE_TEXTS if name in table}
    for name in ("kind", "title", "authors", *texts):
        if not isinstance(texts.get(name), str) or not texts[name].strip():
            raise InputError(f"source '{key}' needs a text '{name}'")
    return Source(key=key, year=year, **texts)


def load_figures(name: str) -> dict[str, Figure]:
    """Return the figures of a bundled table, ``load_figures("boundaries")`` for data/boundaries.toml."""
    path = files("twentywatts") / "data" / f"{name}.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["figures"]
    return {key: parse_figure(key, table) for key, table in tables.items()}


@functools.cache
def load_sources() -> Mapping[str, Source]:
    """Return every bundled source by its key."""
    path = files("twentywatts") / "data" / "sources.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return MappingProxyType({key: parse_source(key, table) for key, table in tables.items()})


def sample(figures: Mapping[str, Figure], *, namespace: str, draws: int, seed: int) -> dict[str, Array]:
    """Return each figure as an array of shape (1 + draws,), mid first; figures of one key share their draws."""
    return {
        key: lognormal(figure.shared or f"{namespace}.{key}", figure.interval, draws=draws, seed=seed)
        for key, figure in figures.items()
    }
