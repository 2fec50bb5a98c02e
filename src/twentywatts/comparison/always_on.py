"""Always on: average power and battery life of every row, over the rate, and where another machine draws least.

Event-driven is what runs as spikes. Each machine keeps the form and setting that were chosen at the asked rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twentywatts.comparison.result import Comparison, Role, Row
from twentywatts.price.always_on import power_w
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array, Interval, interval_of
from twentywatts.units import DAY_S

__all__ = ["AlwaysOn", "Change", "Line", "always_on"]

_BELOW, _ABOVE = 3, 4  # decades of the curve on either side of the asked rate
_PER_DECADE = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One row: average power [W] and days of battery at the asked rate, and the power at every rate of the curve.

    inferences_per_s: that really take place, averaged over all time. competes: a whole chip that is not shown to lose
    accuracy.
    """

    machine: str
    title: str
    form: str
    family: str
    competes: bool
    inferences_per_s: float
    power_w: Interval
    battery_days: Interval | None
    curve_w: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rate above which the best of the other kind draws less [1/s]; below, above: places of the lines.

    event_driven_stops: the event-driven one is below. An end of the interval at an end of the curve means at least, or
    at most, that far.
    """

    rate_per_s: Interval
    below: int
    above: int
    event_driven_stops: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlwaysOn:
    """Lines in the order of the rows; rates of their curves [1/s]; changes by rate."""

    rates_per_s: tuple[float, ...]
    lines: tuple[Line, ...]
    changes: tuple[Change, ...]


def always_on(comparison: Comparison) -> AlwaysOn | None:
    """Return power, battery and curve of a comparison that was made for a rate, None for one that was not."""
    scenario = comparison.scenario
    rows = [row for row in comparison.rows if row.standby is not None]
    if scenario.rate_per_s is None or not rows:
        return None
    rates = _rates(scenario.rate_per_s)
    powers = [_power(row, scenario, rates) for row in rows]
    return AlwaysOn(
        rates_per_s=tuple(float(rate) for rate in rates),
        lines=tuple(_line(row, scenario, power) for row, power in zip(rows, powers, strict=True)),
        changes=tuple(_changes(rows, powers, rates)),
    )


def _rates(asked: float) -> Array:
    """Return rates from three decades below the asked one to four above it."""
    steps = np.arange(-_BELOW * _PER_DECADE, _ABOVE * _PER_DECADE + 1)
    found: Array = asked * 10.0 ** (steps / _PER_DECADE)
    return found


def _power(row: Row, scenario: Scenario, rates: Array) -> Array:
    """Return watts of shape (rates, 1 + draws)."""
    assert row.standby is not None
    return power_w(row.standby, rates, duty_frac=scenario.duty_frac, events_per_s=scenario.event_rate_per_s)


def _line(row: Row, scenario: Scenario, power: Array) -> Line:
    assert row.standby is not None
    assert scenario.mean_rate_per_s is not None
    here = power[_BELOW * _PER_DECADE]
    days = None if scenario.battery_j is None else interval_of(scenario.battery_j / here / DAY_S)
    mean = scenario.mean_rate_per_s
    if row.standby.waits_for_events and scenario.event_rate_per_s is not None:
        mean = min(mean, scenario.event_rate_per_s * scenario.duty_frac)
    return Line(
        machine=row.machine,
        title=row.title,
        form=row.form,
        family=row.family,
        competes=_competes(row),
        inferences_per_s=mean,
        power_w=interval_of(here),
        battery_days=days,
        curve_w=tuple(float(value) for value in power[:, 0]),
    )


def _competes(row: Row) -> bool:
    return row.role is not Role.YARDSTICK and row.standing == "chip" and row.keeps_accuracy is not False


def _changes(rows: Sequence[Row], powers: Sequence[Array], rates: Array) -> list[Change]:
    """Return where the best event-driven row and the best other one change places, rates rising."""
    spikes = [i for i, row in enumerate(rows) if _competes(row) and row.family == "neuromorphic"]
    others = [i for i, row in enumerate(rows) if _competes(row) and row.family != "neuromorphic"]
    if not spikes or not others:
        return []
    gap = _lead(powers, spikes, others)
    found = []
    for index in np.flatnonzero(np.sign(gap[:-1, 0]) * np.sign(gap[1:, 0]) < 0):
        stops = bool(gap[index, 0] < 0)
        before, after = (spikes, others) if stops else (others, spikes)
        change = Change(
            rate_per_s=_crossing(gap, rates, int(index)),
            below=_least(powers, before, int(index)),
            above=_least(powers, after, int(index) + 1),
            event_driven_stops=stops,
        )
        found.append(change)
    return found


def _least(powers: Sequence[Array], places: Sequence[int], index: int) -> int:
    return min(places, key=lambda place: float(powers[place][index, 0]))


def _lead(powers: Sequence[Array], spikes: Sequence[int], others: Sequence[int]) -> Array:
    """Return ln of the least power with events over the least without, shape (rates, 1 + draws); below 0 events win."""
    best = [np.min([powers[index] for index in group], axis=0) for group in (spikes, others)]
    found: Array = np.log(best[0] / best[1])
    return found


def _crossing(gap: Array, rates: Array, index: int) -> Interval:
    """Return the rate of a change at mid values, and over the draws: in each, its change nearest to that rate."""
    steps = np.log(rates)
    before, after = gap[index, 0], gap[index + 1, 0]
    mid = steps[index] + (steps[index + 1] - steps[index]) * before / (before - after)
    falls = before > after
    found = [_nearest(draw, steps, mid, falls=bool(falls)) for draw in gap[:, 1:].T]
    low, high = np.quantile(found, [0.05, 0.95]) if found else (mid, mid)
    return Interval(low=float(np.exp(min(low, mid))), mid=float(np.exp(mid)), high=float(np.exp(max(high, mid))))


def _nearest(gap: Array, steps: Array, mid: float, *, falls: bool) -> float:
    """Return the change of one draw nearest to ``mid`` in the same direction; without one, the end it lies beyond."""
    signed = gap if falls else -gap
    places = np.flatnonzero((signed[:-1] > 0) & (signed[1:] <= 0))
    if not len(places):
        middle = signed[int(np.argmin(np.abs(steps - mid)))]
        return float(steps[-1] if middle > 0 else steps[0])
    shares = signed[places] / (signed[places] - signed[places + 1])
    found = steps[places] + shares * (steps[places + 1] - steps[places])
    return float(found[np.argmin(np.abs(found - mid))])
