"""Fleet scenarios: bundled presets and files that nobody vouches for, read within bounds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twentywatts.errors import InputError, clean, nearest
from twentywatts.figures import GRADES, Source, parse_source
from twentywatts.machines.catalog import read_tables
from twentywatts.plan.result import Input
from twentywatts.uncertain import Interval
from twentywatts.units import convert, unit_of_key

__all__ = ["KEYS", "Growth", "Published", "Scenario", "presets", "read_scenario"]

_SCHEMA = "twentywatts.fleet/1"
_MAX_FILE_BYTES = 100_000
_MAX_TEXT = 400
_LARGEST = 1e30
_MOST = {"years_count": 100.0, "yearly_ratio": 100.0, "pue": 10.0, "server_ratio": 100.0}
_MOST_GROWTH = 1000.0
_DISTRIBUTIONS = ("point", "uniform", "triangular", "lognormal")
_LABELS = {
    "unit_count": "number of machines",
    "unit_power_w": "power of one machine",
    "stock_power_w": "power of all machines",
    "server_ratio": "server over chip power",
    "load_frac": "average over rated power",
    "available_frac": "share of the time installed and running",
    "pue": "power usage effectiveness",
    "running_time_s": "time that they run",
    "base_energy_j": "electricity to begin with",
    "increase_energy_j": "electricity that is added",
    "yearly_ratio": "growth a year",
    "years_count": "years of growth",
}
KEYS = tuple(_LABELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How the work grows: factor a year with its interval, for how many years, and how much better chips get a year."""

    factor: Interval
    years: int
    efficiency: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the scenario's own authors published [J a year]; what is not published is None."""

    low_j: float | None
    mid_j: float | None
    high_j: float | None
    what: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A fleet: inputs by key, and what others published of it. sources: those that a user's file brings."""

    name: str
    title: str
    year: str
    note: str
    inputs: tuple[Input, ...]
    growth: Growth | None = None
    published: Published | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)


@cache
def presets() -> Mapping[str, Path]:
    """Return the bundled scenarios: name → file."""
    folder = files("twentywatts") / "data" / "plan" / "fleets"
    found = {entry.name.removesuffix(".toml"): Path(str(entry)) for entry in folder.iterdir()}
    return MappingProxyType(dict(sorted(found.items())))


def read_scenario(name: str) -> Scenario:
    """Return a preset by name, or a scenario from a file that ends in .toml; raises InputError."""
    if name.endswith(".toml"):
        tables = read_tables(Path(name), what="scenario", most_bytes=_MAX_FILE_BYTES)
        return parse_scenario(tables, name=Path(name).stem)
    if name not in presets():
        hint = nearest(name, presets())
        raise InputError(
            f"unknown preset '{clean(name)}'{hint}; there are {', '.join(presets())}, or give a .toml file"
        )
    return parse_scenario(tomllib.loads(presets()[name].read_text(encoding="utf-8")), name=name)


def parse_scenario(tables: Mapping[str, Any], *, name: str) -> Scenario:
    """Return the scenario of a parsed file; raises InputError that names the key and what is wrong."""
    if tables.get("schema") != _SCHEMA:
        raise InputError(f"scenario '{name}' needs schema = \"{_SCHEMA}\"")
    unknown = tables.keys() - {"schema", "title", "year", "note", "inputs", "growth", "published", "sources"}
    if unknown:
        raise InputError(f"scenario '{name}' has unknown keys {', '.join(sorted(map(clean, unknown)))}")
    inputs = _table(tables, "inputs", name)
    return Scenario(
        name=name,
        title=_text(tables, "title", name),
        year=_text(tables, "year", name, default=""),
        note=_text(tables, "note", name, default=""),
        inputs=tuple(_input(key, entry, name) for key, entry in inputs.items()),
        growth=_growth(tables, name),
        published=_published(tables, name),
        sources={key: parse_source(key, entry) for key, entry in _table(tables, "sources", name).items()},
    )


def _table(tables: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    found = tables.get(key, {})
    if not isinstance(found, Mapping):
        raise InputError(f"scenario '{name}': [{key}] must be a table")
    return found


def _text(tables: Mapping[str, Any], key: str, name: str, *, default: str | None = None) -> str:
    value = tables.get(key, default)
    if not isinstance(value, str) or len(value) > _MAX_TEXT or (default is None and not value.strip()):
        raise InputError(f"scenario '{name}' needs a text '{key}' of at most {_MAX_TEXT} letters")
    return value


def _number(tables: Mapping[str, Any], key: str, name: str) -> float:
    value = tables.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        raise InputError(f"scenario '{name}': '{key}' must be a number below {_LARGEST:g}")
    if not value > 0:
        raise InputError(f"scenario '{name}': '{key}' must be positive, got {value:g}")
    return float(value)


def _input(key: str, entry: Any, name: str) -> Input:
    place = f"{name}: inputs.{clean(key)}"
    if key not in KEYS:
        raise InputError(f"scenario '{name}' has an unknown input '{clean(key)}'{nearest(key, KEYS)}")
    if not isinstance(entry, Mapping):
        raise InputError(f"scenario '{place}' must be a table with value, unit and where")
    distribution = _text(entry, "distribution", place, default="lognormal" if "low" in entry else "point")
    if distribution not in _DISTRIBUTIONS:
        raise InputError(f"scenario '{place}': distribution must be one of {', '.join(_DISTRIBUTIONS)}")
    grade = _text(entry, "grade", place, default="paper")
    if grade not in GRADES:
        raise InputError(f"scenario '{place}': grade must be one of {', '.join(GRADES)}")
    return Input(
        key=key,
        label=_text(entry, "label", place, default=_LABELS[key]),
        interval=_interval(key, entry, distribution, place),
        origin="assumed" if entry.get("source") == "twentywatts" else "figure",
        distribution=distribution,
        grade=grade,
        source=_text(entry, "source", place, default=""),
        where=_text(entry, "where", place),
        shared=f"fleet.{name}.{key}",
    )


def _interval(key: str, entry: Mapping[str, Any], distribution: str, place: str) -> Interval:
    unit = _text(entry, "unit", place)
    keys = ("value",) * 3 if distribution == "point" else ("low", "value", "high")
    low, mid, high = (convert(_number(entry, part, place), unit, unit_of_key(key)) for part in keys)
    if not low <= mid <= high:
        raise InputError(f"scenario '{place}' needs low ≤ value ≤ high")
    if key.endswith("_frac") and high > 1:
        raise InputError(f"scenario '{place}' is a share: at most 1")
    if high > _MOST.get(key, _LARGEST):
        raise InputError(f"scenario '{place}' must be at most {_MOST[key]:g}")
    if key == "pue" and low < 1:
        raise InputError(f"scenario '{place}': a data centre cannot use less than its computers")
    return Interval(low=low, mid=mid, high=high)


def _growth(tables: Mapping[str, Any], name: str) -> Growth | None:
    entry = _table(tables, "growth", name)
    if not entry:
        return None
    factor = Interval(**{part: _number(entry, key, name) for part, key in _PARTS.items()})
    if not factor.low <= factor.mid <= factor.high <= _MOST_GROWTH:
        raise InputError(f"scenario '{name}': growth needs low ≤ factor ≤ high ≤ {_MOST_GROWTH:g}")
    years = entry.get("years")
    if isinstance(years, bool) or not isinstance(years, int) or not 1 <= years <= 30:
        raise InputError(f"scenario '{name}': growth.years must be a whole number from 1 to 30, got {years!r}")
    efficiency = _number(entry, "efficiency", name) if "efficiency" in entry else 1.0
    if not 1e-3 <= efficiency <= _MOST_GROWTH:
        raise InputError(f"scenario '{name}': growth.efficiency must lie between 0.001 and {_MOST_GROWTH:g}")
    return Growth(factor=factor, years=years, efficiency=efficiency, source=_text(entry, "source", name, default=""))


_PARTS = {"low": "low", "mid": "factor", "high": "high"}


def _published(tables: Mapping[str, Any], name: str) -> Published | None:
    entry = _table(tables, "published", name)
    if not entry:
        return None
    unit = _text(entry, "unit", name)
    numbers = {
        part: convert(_number(entry, part, name), unit, "J") if part in entry else None
        for part in ("low", "mid", "high")
    }
    what, source = _text(entry, "what", name), _text(entry, "source", name, default="")
    return Published(low_j=numbers["low"], mid_j=numbers["mid"], high_j=numbers["high"], what=what, source=source)
