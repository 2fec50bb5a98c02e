"""What stands at a site: options of the user, checked, with what they leave open taken from figures."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypedDict

from twentywatts.errors import InputError
from twentywatts.plan.carbon import Grid, grid
from twentywatts.plan.grid.trace import Trace, flat_year, with_pue
from twentywatts.plan.grid.trace_file import read_trace
from twentywatts.plan.inputs import bundled, number
from twentywatts.units import DAY_S

__all__ = ["AIMS", "GridOptions", "Place", "Site", "load_trace", "site_of"]

AIMS = ("carbon", "share")
_WAIT_S = DAY_S
_LONGEST_WAIT_S = 14 * DAY_S
_FLAT_YEAR = 2025


class GridOptions(TypedDict, total=False):
    """What is known of a site.

    grid: country. pv_w, wind_w: rated power of its own plants. battery_j: usable capacity; battery_w: its power.
    flexible_frac: of the load, may wait up to wait_s; most_w: largest power that the site may use. aim: carbon (least
    carbon from the grid) or share (least joules from it). latitude, longitude: degrees. pv_yield, wind_yield: mean
    output over rated power, where the trace tells none. pue: points (°C, PUE), one for a constant. seed: of draws and
    of synthetic hours. carbon: a Trace whose carbon intensities replace those of the load's.
    """

    grid: str
    pv_w: float | None
    wind_w: float | None
    battery_j: float | None
    battery_w: float | None
    flexible_frac: float | None
    wait_s: float | None
    most_w: float | None
    aim: str
    latitude: float | None
    longitude: float | None
    pv_yield: float | None
    wind_yield: float | None
    pue: tuple[tuple[float, float], ...] | None
    seed: int
    carbon: Trace | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the sun shines: degrees north and east, and the name of the place."""

    latitude: float
    longitude: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A checked site; what is absent is 0.

    place: None where the country has none and none was given. assumed: keys of the figures that stand in for options.
    """

    grid: Grid
    place: Place | None
    pv_w: float
    wind_w: float
    battery_j: float
    battery_w: float
    flexible_frac: float
    wait_s: float
    most_w: float
    aim: str
    assumed: tuple[str, ...]


def load_trace(load: str | Path | float | Trace, options: GridOptions) -> Trace:
    """Return the trace of a file, or a flat year of a power [W], with PUE where asked; raises InputError."""
    if isinstance(load, Trace):
        trace = load
    elif isinstance(load, str | Path):
        trace = read_trace(load)
    else:
        trace = flat_year(number("the load", load, high=1e13), _FLAT_YEAR)
    if not float(trace.load_j.sum()) > 0:
        raise InputError(f"{trace.name}: the load is 0 throughout")
    points = options.get("pue")
    return trace if points is None else with_pue(trace, points)


def site_of(trace: Trace, options: GridOptions) -> Site:
    """Return the site of the options; raises InputError."""
    found = grid(options.get("grid", "world"))
    battery_j, battery_w = _size("the battery", options.get("battery_j")), options.get("battery_w")
    if battery_w is not None and not battery_j:
        raise InputError("a battery's power needs its capacity too, such as --battery 200MWh")
    flexible = options.get("flexible_frac")
    aim = options.get("aim", "carbon")
    if aim not in AIMS:
        raise InputError(f"unknown aim '{aim}', wanted is {' or '.join(AIMS)}")
    peak_w = float(trace.load_j.max()) / trace.step_s
    most_w = options.get("most_w")
    return Site(
        grid=found,
        place=_place(found, options),
        pv_w=_size("photovoltaics", options.get("pv_w")),
        wind_w=_size("wind", options.get("wind_w")),
        battery_j=battery_j,
        battery_w=_battery_power(battery_j, battery_w),
        flexible_frac=0.0 if flexible is None else _share(flexible),
        wait_s=_wait(options.get("wait_s"), trace.step_s),
        most_w=peak_w * (1 + _figure("headroom_frac")) if most_w is None else _most(most_w, peak_w),
        aim=aim,
        assumed=(
            *(("battery_hours_time_s",) if battery_j and battery_w is None else ()),
            *(("headroom_frac",) if flexible and most_w is None else ()),
        ),
    )


def _figure(key: str) -> float:
    return bundled("grid_site")[key].interval.mid


def _size(name: str, value: float | None) -> float:
    return 0.0 if value is None else number(name, value, high=1e18)


def _battery_power(capacity_j: float, power_w: float | None) -> float:
    if power_w is not None:
        return number("the battery's power", power_w, high=1e18)
    return capacity_j / _figure("battery_hours_time_s")


def _share(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"the share of the load that may wait must be 0 to 1, got {value!r}")
    return float(value)


def _wait(value: float | None, step_s: float) -> float:
    if value is None:
        return _WAIT_S
    return number("the longest wait", value, low=step_s, high=_LONGEST_WAIT_S)


def _most(value: float, peak_w: float) -> float:
    value = number("the largest power of the site", value, high=1e18)
    if value < peak_w:
        raise InputError(f"the largest power of the site, {value / 1e6:g} MW, is below its load, {peak_w / 1e6:g} MW")
    return value


def _place(found: Grid, options: GridOptions) -> Place | None:
    latitude, longitude = options.get("latitude"), options.get("longitude")
    if latitude is None and longitude is None:
        return _capitals().get(found.code)
    if latitude is None or longitude is None:
        raise InputError("a place needs both latitude and longitude")
    for name, value, most in (("latitude", latitude, 90.0), ("longitude", longitude, 180.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
            raise InputError(f"{name} must be -{most:g} to {most:g} degrees, got {value!r}")
    return Place(latitude=float(latitude), longitude=float(longitude), name=f"{latitude:g}° N, {longitude:g}° E")


@cache
def _capitals() -> dict[str, Place]:
    """Return the capital of each country of data/plan/grid.csv that is one."""
    text = (files("twentywatts") / "data" / "plan" / "grid_sites.csv").read_text(encoding="utf-8")
    return {
        row["code"]: Place(
            latitude=float(row["latitude_degrees"]), longitude=float(row["longitude_degrees"]), name=row["place"]
        )
        for row in csv.DictReader(text.splitlines())
    }
