"""Traces from CSV files: units stand in the header, time is whole and regular, or an error names line and column."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from twentywatts.errors import InputError, clean, nearest
from twentywatts.plan.grid.trace import Trace
from twentywatts.units import HOUR_S, convert

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["parse_trace", "read_trace"]

_MOST_STEPS = 40_000  # a year of quarter hours
_LONGEST_FIELD = 200
_STEPS_S = (900.0, 1800.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A column: the field of Trace that it fills, factor to its unit, lowest and highest value in the file's unit."""

    field: str
    factor: float
    low: float = 0.0
    high: float = math.inf


def _carbon(field: str) -> dict[str, _Kind]:
    name = {"carbon_kg_per_j": "ci", "marginal_kg_per_j": "marginal"}[field]
    units = {"g_per_kwh": "g/kWh", "kg_per_mwh": "kg/MWh"}
    return {
        f"{name}_{unit}": _Kind(field=field, factor=convert(1.0, text, "kg/J"), high=1e4)
        for unit, text in units.items()
    }


_COLUMNS: Mapping[str, _Kind] = {
    **{
        f"load_{unit.lower()}": _Kind(field="load_w", factor=convert(1.0, unit, "W"))
        for unit in ("W", "kW", "MW", "GW")
    },
    **_carbon("carbon_kg_per_j"),
    **_carbon("marginal_kg_per_j"),
    "pv_pu": _Kind(field="pv_frac", factor=1.0, high=1.2),  # cold, clear days give a little more than rated
    "wind_pu": _Kind(field="wind_frac", factor=1.0, high=1.2),
    "temp_c": _Kind(field="temperature_c", factor=1.0, low=-90.0, high=70.0),
}
_NEED_UNIT = {"load": "load_mw", "power": "load_mw", "ci": "ci_g_per_kwh", "carbon": "ci_g_per_kwh"}
_NEED_UNIT |= {"marginal": "marginal_g_per_kwh", "pv": "pv_pu", "wind": "wind_pu", "temp": "temp_c"}


def read_trace(path: str | Path) -> Trace:
    """Return the trace in a CSV file; raises InputError with line and column.

    Columns: time, and any of load_w|kw|mw|gw, ci_g_per_kwh, marginal_g_per_kwh (…_kg_per_mwh),
    pv_pu, wind_pu, temp_c.
    Times are ISO 8601, in UTC or with an offset; without either they are taken as UTC, and an hour that daylight-saving
    time leaves out or gives twice is told. Steps of 15, 30 or 60 minutes.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            return parse_trace(file, str(path))
    except (OSError, ValueError, csv.Error) as error:  # no text in UTF-8, a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the trace '{clean(path)}': {reason}") from error


def parse_trace(lines: Iterable[str], name: str) -> Trace:
    """Return the trace of CSV lines; ``name`` stands in the errors. Raises InputError."""
    import numpy as np

    rows = csv.reader(lines)
    header = [text.strip().lower() for text in next(rows, [])]
    columns, ignored = _columns(header, name)
    times: list[datetime] = []
    values: list[list[float]] = []
    clock = _Clock(name)
    place = header.index("time")
    for row in _filled(rows):
        line = rows.line_num
        if len(row) != len(header):
            raise InputError(f"{clean(name)}, line {line}: {len(row)} fields, and the header has {len(header)}")
        times.append(clock.read(row[place], line))
        values.append([_value(row[at], kind, f"{name}, line {line}, column '{header[at]}'") for at, kind in columns])
        if len(times) > _MOST_STEPS:
            raise InputError(f"{clean(name)}: more than {_MOST_STEPS:,} steps; give one year, hourly")
    if len(times) < 2:
        raise InputError(f"{clean(name)}: {len(times)} lines of values, wanted are at least two hours")
    arrays: dict[str, Array] = {
        kind.field: np.array([line[index] for line in values]) for index, (_, kind) in enumerate(columns)
    }
    return Trace(
        name=clean(Path(name).name),
        start=times[0],
        step_s=clock.step_s,
        load_w=arrays.pop("load_w", None),
        steps=len(times),
        ignored=ignored,
        **arrays,
    )


def _filled(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Return the lines that are not empty."""
    return (row for row in rows if any(field.strip() for field in row))


def _columns(header: list[str], name: str) -> tuple[list[tuple[int, _Kind]], tuple[str, ...]]:
    """Return (place, kind) of each column that is known, and the names of the others; raises InputError."""
    if "time" not in header:
        hint = " (the first line must be the header)" if header else ""
        raise InputError(f"{clean(name)}, line 1: no column 'time'{hint}; wanted such as time,load_mw,ci_g_per_kwh")
    found: list[tuple[int, _Kind]] = []
    ignored = []
    for place, text in enumerate(header):
        if text in _COLUMNS:
            if any(kind.field == _COLUMNS[text].field for _, kind in found):
                raise InputError(f"{clean(name)}, line 1, column {place + 1}: '{text}' gives again what stands before")
            found.append((place, _COLUMNS[text]))
        elif text != "time":
            _check_unit(text, f"{name}, line 1, column {place + 1}")
            ignored.append(clean(text[:_LONGEST_FIELD]))
    if not found:
        raise InputError(f"{clean(name)}, line 1: nothing but times; wanted is one of {', '.join(_COLUMNS)}")
    return found, tuple(ignored)


def _check_unit(text: str, place: str) -> None:
    """Raise InputError for a name that says what it is but not in which unit, or nearly is a known one."""
    first = re.split(r"[_ (\[]", text, maxsplit=1)[0]
    if first in _NEED_UNIT:
        shown = clean(text[:_LONGEST_FIELD])
        hint = nearest(text, _COLUMNS) if "_" in text else ""
        raise InputError(
            f"{clean(place)}: '{shown}' has no unit that is known, write such as {_NEED_UNIT[first]}{hint}; "
            f"known are {', '.join(_COLUMNS)}"
        )


def _value(text: str, kind: _Kind, place: str) -> float:
    """Return a number in the unit of Trace; raises InputError."""
    try:
        value = float(text)
    except ValueError:
        wanted = (
            "is empty: a gap cannot be filled honestly" if not text.strip() else f"'{clean(text[:40])}' is no number"
        )
        raise InputError(f"{clean(place)}: {wanted}") from None
    if not math.isfinite(value):
        raise InputError(f"{clean(place)}: '{clean(text)}' is no finite number")
    if not kind.low <= value <= kind.high:
        what = "negative power" if kind.field == "load_w" else "out of range"
        limits = f"{kind.low:g} to {kind.high:g}" if kind.high < math.inf else f"at least {kind.low:g}"
        raise InputError(f"{clean(place)}: {what} ({value:g}), wanted is {limits}")
    return value * kind.factor


class _Clock:
    """Reads times one after the other and holds them to equal steps."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.step_s = HOUR_S
        self._last: datetime | None = None
        self._second = False
        self._aware: bool | None = None

    def read(self, text: str, line: int) -> datetime:
        """Return a time in UTC; raises InputError unless it follows the last one by one step."""
        place = f"{clean(self.name)}, line {line}, column 'time'"
        try:
            time = datetime.fromisoformat(text.strip())
        except ValueError:
            shown = clean(text[:40])
            raise InputError(f"{place}: '{shown}' is no time, write such as 2025-01-31T13:00Z") from None
        aware = time.tzinfo is not None
        if self._aware is not None and aware is not self._aware:
            raise InputError(f"{place}: some times have an offset from UTC and some have none")
        self._aware = aware
        try:
            now = time.astimezone(UTC) if aware else time.replace(tzinfo=UTC)
        except OverflowError:
            raise InputError(f"{place}: '{clean(text[:40])}' is out of range") from None
        if self._last is not None:
            self._check((now - self._last).total_seconds(), now, place)
        self._last = now
        return now

    def _check(self, passed_s: float, now: datetime, place: str) -> None:
        """Raise InputError for a gap, a duplicate or a step back."""
        if not self._second:
            if passed_s in _STEPS_S:
                self.step_s, self._second = passed_s, True
                return
            if passed_s > 0:
                raise InputError(
                    f"{place}: {passed_s / 60:g} minutes after the first, wanted are steps of 15, 30 or 60"
                )
        self._second = True
        if passed_s == self.step_s:
            return
        way_out = self._saving(passed_s, now)
        if passed_s == 0:
            raise InputError(f"{place}: {now:%Y-%m-%d %H:%M} stands twice{way_out}")
        if passed_s < 0:
            raise InputError(f"{place}: {now:%Y-%m-%d %H:%M} goes back by {-passed_s / 60:g} minutes{way_out}")
        missing = passed_s / self.step_s - 1
        raise InputError(f"{place}: a gap of {missing:g} steps before {now:%Y-%m-%d %H:%M}{way_out}")

    def _saving(self, passed_s: float, now: datetime) -> str:
        """Return the way out where local clocks may have changed: a Sunday, or Friday, in the small hours."""
        is_hour = passed_s in (0.0, HOUR_S + self.step_s, self.step_s - HOUR_S)
        if self._aware or not is_hour or now.hour > 4:
            return ""
        return " (daylight-saving time? give times in UTC, ending in Z, or with their offset, such as +02:00)"
