"""From two states of an accumulator to a Reading: joules with their interval, or the reason why there are none.

    low, high = (E ∓ (step + P·period)) · (1 ∓ sensor error)  (+ what may be missing, above)

At the first edge up to one period of energy from before may be counted in, at the last edge up to one may be missing;
P is the larger of the mean power and the power at the edges. A measured zero does not exist: a powered chip draws
something, so a counter that did not move is frozen or was not given the time, and the reading is unavailable.
"""

from __future__ import annotations

from twentywatts.meter.accumulate import State
from twentywatts.meter.contract import Channel, How, Quantity, Reading, Scope

__all__ = ["LEAST_W", "evidence_of", "reading_of", "slowest_tick_s", "unavailable"]

LEAST_W = 0.05  # less is not plausible for a powered part
_EVIDENCE = {Scope.WALL: 4, Scope.HOST: 3, Scope.BATTERY: 3}
_MODELLING_SOURCES = ("apple",)  # their counters are themselves models of the maker


def evidence_of(channel: Channel) -> int:
    """Return 2 for a chip's counter, 3 for a node's, 4 for a wall meter, 1 for a maker's own model."""
    if channel.source.startswith(_MODELLING_SOURCES):
        return 1
    return _EVIDENCE.get(channel.scope, 2)


def slowest_tick_s(channel: Channel) -> float:
    """Return how long a live counter may stand still [s]: three periods, and one step at the least power."""
    return 3 * channel.period_s + channel.step_j / LEAST_W


def reading_of(channel: Channel, first: State, last: State, duration_s: float) -> Reading:
    """Return what the channel gave between two states over a window of ``duration_s`` [s]."""
    energy_j, covered_s = last.energy_j - first.energy_j, last.covered_s - first.covered_s
    reason = _reason(channel, first, last, duration_s)
    if reason:
        return unavailable(channel, reason, first=first, last=last, duration_s=duration_s)
    low_j, high_j = _interval(channel, first, last, duration_s)
    return Reading(
        key=channel.key,
        component=channel.component,
        scope=channel.scope,
        how=How.COUNTER if channel.quantity is Quantity.ENERGY else How.INTEGRATED,
        source=channel.source,
        evidence=evidence_of(channel),
        energy_j=energy_j,
        low_j=low_j,
        high_j=high_j,
        duration_s=duration_s,
        covered_s=min(covered_s, duration_s),
        first=first.raw,
        last=last.raw,
        samples=_samples(first, last),
        wraps=last.wraps - first.wraps,
        errors=last.errors - first.errors,
        period_s=channel.period_s,
        notes=(*channel.notes, *_notes(channel, first, last, duration_s)),
    )


def unavailable(
    channel: Channel, reason: str, *, first: State | None = None, last: State | None = None, duration_s: float = 0.0
) -> Reading:
    """Return the reading that says why there is none: null, never 0."""
    first, last = first or State(), last or State()
    return Reading(
        key=channel.key,
        component=channel.component,
        scope=channel.scope,
        how=How.UNAVAILABLE,
        source=channel.source,
        evidence=0,
        energy_j=None,
        low_j=None,
        high_j=None,
        duration_s=duration_s,
        covered_s=0.0,
        first=first.raw,
        last=last.raw,
        samples=_samples(first, last),
        wraps=last.wraps - first.wraps,
        errors=last.errors - first.errors,
        period_s=channel.period_s,
        notes=(reason,),
    )


def _samples(first: State, last: State) -> int:
    return last.samples - first.samples + (first.raw is not None)


def _reason(channel: Channel, first: State, last: State, duration_s: float) -> str:
    """Return why this window has no reading, or an empty text."""
    covered_s, energy_j = last.covered_s - first.covered_s, last.energy_j - first.energy_j
    if covered_s <= 0:
        error = last.last_error if last.errors > first.errors else ""
        thrown = "the counter was reset or the machine slept" if last.gaps > first.gaps else ""
        return "fewer than two valid readings" + "".join(f": {text}" for text in (error or thrown,) if text)
    if energy_j > 0:
        return ""
    if channel.quantity is Quantity.POWER:
        return "frozen: the sensor gave 0 W throughout"
    needed_s = slowest_tick_s(channel)
    if duration_s >= needed_s:
        return f"frozen: the counter did not move in {duration_s:.3g} s"
    needed = f"{needed_s:,.0f}" if needed_s >= 10 else f"{needed_s:.2g}"
    return f"too short: the counter did not move in {duration_s:.3g} s, it may need {needed} s"


def _interval(channel: Channel, first: State, last: State, duration_s: float) -> tuple[float, float]:
    """Return the bounds of the energy [J]."""
    energy_j, covered_s = last.energy_j - first.energy_j, last.covered_s - first.covered_s
    mean_w = energy_j / covered_s
    power_w = min(max(mean_w, first.power_w, last.power_w), max(channel.limit_w, mean_w))
    edge_j = channel.step_j + power_w * channel.period_s + (last.noise_j - first.noise_j)
    missing_j = last.spare_j - first.spare_j + power_w * _uncovered_s(first, last, duration_s)
    low_j = max(0.0, energy_j - edge_j) * (1 - min(channel.error_frac, 1.0))
    return low_j, (energy_j + edge_j) * (1 + channel.error_frac) + missing_j


def _uncovered_s(first: State, last: State, duration_s: float) -> float:
    """Return the seconds of the window without valid samples; less than 1 ms or 0.1 % is the time of reading."""
    lost_s = duration_s - (last.covered_s - first.covered_s)
    return lost_s if lost_s > max(1e-3, 1e-3 * duration_s) else 0.0


def _notes(channel: Channel, first: State, last: State, duration_s: float) -> list[str]:
    """Return what a reader of this window must know."""
    found = []
    lost_s, resets = _uncovered_s(first, last, duration_s), last.resets - first.resets
    if lost_s:
        found.append(f"{lost_s:.3g} s of {duration_s:.3g} s were not seen; the upper bound allows for them")
    if resets:
        known = "" if channel.range_is_known else " (or wrapped: its range is not known)"
        found.append(f"the counter was reset {resets} times{known}: those stretches are not counted")
    if last.unseen_wraps > first.unseen_wraps:
        found.append("read too seldom: the counter may have wrapped unseen; the upper bound allows for it")
    if last.suspended_s > first.suspended_s:
        found.append(f"the machine slept {last.suspended_s - first.suspended_s:.3g} s; that energy is not counted")
    if last.errors > first.errors:
        found.append(f"{last.errors - first.errors} reads failed ({last.last_error})")
    still_s = (last.covered_s - first.covered_s) - (last.moved_s - first.moved_s)
    if channel.quantity is Quantity.ENERGY and still_s > max(slowest_tick_s(channel), 0.5 * duration_s):
        found.append(f"the counter stood still for {still_s:.3g} s of {duration_s:.3g} s")
    return found
