"""Benchmark: joules of one call, with warm-up, idle before and after, interleaved repeats and an interval.

Each repeat runs a function so often that the counters can see it; the functions take turns, so that a warming machine
troubles all alike. The interval is the 90 % bootstrap of the mean over repeats, widened by the meter's own. The idle
power is measured before and after, and the joules above idle are told apart: nothing is subtracted silently.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from twentywatts.errors import InputError
from twentywatts.meter.api import Meter
from twentywatts.meter.callables import check_done, check_works_now
from twentywatts.meter.contract import How
from twentywatts.meter.window import Span
from twentywatts.records import record
from twentywatts.uncertain import Interval

if TYPE_CHECKING:
    from twentywatts.figures import Evidence
    from twentywatts.ledger import Ledger

__all__ = ["BenchmarkResult", "Plan", "benchmark", "run"]

_RESAMPLES = 2000
_PERIODS = 50  # a window of so many counter periods has an edge error of 2 %


@record()
class Plan:
    """How to measure: see ``benchmark``. meter: makes the meter of one window. wait, clock: stand-ins for tests."""

    unit: str = "run"
    count: float = 1.0
    repeats: int = 5
    min_time_s: float | None = None
    idle_s: float = 2.0
    meter: Callable[[str], Meter] = Meter
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.perf_counter


@record()
class BenchmarkResult:
    """Joules per unit of one function.

    energy_j: whole energy per unit, idle power included (None: nothing could be measured or modelled).
    above_idle_j: the same less the measured idle power, where that was measured before and after.
    idle_before_w, idle_after_w: mean power while nothing ran. time_s: per unit. units: done in all repeats.
    """

    name: str
    unit: str
    energy_j: Interval | None
    above_idle_j: Interval | None
    idle_before_w: float | None
    idle_after_w: float | None
    time_s: float
    units: float
    how: How
    evidence: Evidence
    repeats: tuple[Span, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the result in a sentence; what was only modelled says so."""
        from twentywatts.units import format_interval, format_si

        energy, took = self.energy_j, f"{format_si(self.time_s, 's')} per {self.unit}"
        if energy is None:
            return f"{self.name}: energy unavailable, {took}"
        how = self.how if self.how.is_measured else f"{self.how}, not measured"
        joules = format_interval(energy.low, energy.mid, energy.high, "J")
        return f"{self.name}: {joules} and {took}, {how}"

    @property
    def ledger(self) -> Ledger:
        """The account of the median repeat, joules per unit; raises TwentyWattsError where there are none."""
        ranked = sorted(self.repeats, key=lambda span: span.energy_j or 0.0)
        return ranked[len(ranked) // 2].ledger_per(self.unit, self.units / len(self.repeats))


@overload
def benchmark(
    fn: Callable[[], Any],
    *,
    unit: str = ...,
    count: float = ...,
    repeats: int = ...,
    min_time_s: float | None = ...,
    idle_s: float = ...,
) -> BenchmarkResult: ...
@overload
def benchmark(
    fn: Mapping[str, Callable[[], Any]],
    *,
    unit: str = ...,
    count: float = ...,
    repeats: int = ...,
    min_time_s: float | None = ...,
    idle_s: float = ...,
) -> dict[str, BenchmarkResult]: ...
def benchmark(
    fn: Callable[[], Any] | Mapping[str, Callable[[], Any]],
    *,
    unit: str = "run",
    count: float = 1.0,
    repeats: int = 5,
    min_time_s: float | None = None,
    idle_s: float = 2.0,
) -> BenchmarkResult | dict[str, BenchmarkResult]:
    """Return the joules per unit of a function, or of several (by name) that take turns.

    unit, count: one call does ``count`` units ("inference", 32). min_time_s: least length of a repeat [s] (None: 50
    periods of the slowest counter, at least 0.2 s). idle_s: how long to rest before and after [s]; 0: do not; 5 to 10
    for figures to publish. Synchronise an accelerator inside the function. Raises InputError.
    """
    plan = Plan(unit=unit, count=count, repeats=repeats, min_time_s=min_time_s, idle_s=idle_s)
    if isinstance(fn, Mapping):
        return run(fn, plan)
    return run({getattr(fn, "__name__", "run"): fn}, plan).popitem()[1]


def run(functions: Mapping[str, Callable[[], Any]], plan: Plan) -> dict[str, BenchmarkResult]:
    """Return the result of every function by its name; raises InputError for a plan that cannot be followed."""
    _check(functions, plan)
    least_s = _least_s(plan) if plan.min_time_s is None else plan.min_time_s
    calls = {name: _calls(function, least_s, plan) for name, function in functions.items()}
    before = _rest(plan)
    spans: dict[str, list[Span]] = {name: [] for name in functions}
    for _ in range(plan.repeats):
        for name, function in functions.items():
            spans[name].append(_window(name, function, calls[name], plan))
    after = _rest(plan)
    return {name: _result(name, spans[name], calls[name], plan, idle=(before, after)) for name in functions}


def _check(functions: Mapping[str, object], plan: Plan) -> None:
    if not functions or not all(callable(function) for function in functions.values()):
        raise InputError("benchmark needs a function without arguments, or a table of them: benchmark(lambda: work(x))")
    for function in functions.values():
        check_works_now(function)
    if not plan.unit.strip():
        raise InputError("the unit needs a name, such as 'inference': the joules are told per unit")
    if not (isinstance(plan.repeats, int) and plan.repeats >= 1):
        raise InputError(f"the number of repeats must be a whole number of at least 1, got {plan.repeats!r}")
    if not 0 < plan.count < float("inf"):
        raise InputError(f"the count of {plan.unit}s in one call must be positive, got {plan.count!r}")
    if not (0 <= plan.idle_s < 1e6 and (plan.min_time_s is None or 0 < plan.min_time_s < 1e6)):
        raise InputError(f"times must be positive seconds, got idle_s={plan.idle_s!r}, min_time_s={plan.min_time_s!r}")


def _least_s(plan: Plan) -> float:
    """Return how long a repeat must be [s] for the slowest counter of the total."""
    with plan.meter("look") as meter:
        pass
    summed = [meter.span.assembly.channel(key) for key in meter.span.assembly.summed]
    return max([0.2, *(_PERIODS * channel.period_s for channel in summed)])


def _calls(function: Callable[[], Any], least_s: float, plan: Plan) -> int:
    """Warm up, and return how many calls fill a repeat."""
    check_done(function())
    calls = 1
    while True:
        start_s = plan.clock()
        for _ in range(calls):
            function()
        took_s = plan.clock() - start_s
        if took_s >= least_s / 4 or calls >= 1_000_000_000:
            return max(1, round(calls * least_s / took_s)) if took_s > 0 else calls
        calls *= 4


def _window(name: str, function: Callable[[], Any], calls: int, plan: Plan) -> Span:
    with plan.meter(name) as meter:
        for _ in range(calls):
            function()
    return meter.span


def _rest(plan: Plan) -> Span | None:
    if plan.idle_s == 0:
        return None
    with plan.meter("idle") as meter:
        plan.wait(plan.idle_s)
    return meter.span if meter.span.is_measured else None


def _result(
    name: str, spans: Sequence[Span], calls: int, plan: Plan, *, idle: tuple[Span | None, Span | None]
) -> BenchmarkResult:
    units = calls * plan.count
    time_s = sum(span.duration_s for span in spans) / len(spans) / units
    before_w, after_w = (_power_w(span) for span in idle)
    weakest = max(spans, key=lambda span: list(How).index(span.how))
    energy_j = _interval(spans, units)
    above, notes = None, list(_notes(before_w, after_w))
    if energy_j and weakest.is_measured and before_w is not None and after_w is not None:
        above = _above_idle(energy_j, time_s, (before_w, after_w))
    if weakest.how is How.MODELLED:
        notes.append("MODELLED, not measured")
    return BenchmarkResult(
        name=name,
        unit=plan.unit,
        energy_j=energy_j,
        above_idle_j=above,
        idle_before_w=before_w,
        idle_after_w=after_w,
        time_s=time_s,
        units=units * len(spans),
        how=weakest.how,
        evidence=min(span.evidence for span in spans),
        repeats=tuple(spans),
        notes=tuple(notes),
    )


def _power_w(span: Span | None) -> float | None:
    if span is None or span.energy_j is None or span.duration_s <= 0:
        return None
    return span.energy_j / span.duration_s


def _notes(before_w: float | None, after_w: float | None) -> Sequence[str]:
    if before_w is None or after_w is None:
        return ["idle power was not measured: the joules hold everything that the counters cover"]
    drift = abs(after_w - before_w) / max(before_w, after_w)
    if drift > 0.1:
        return [f"idle power changed from {before_w:.3g} W to {after_w:.3g} W: rest longer, or let the machine cool"]
    return []


def _interval(spans: Sequence[Span], units: float) -> Interval | None:
    """Return joules per unit: the mean over repeats, its bootstrap, widened by the meter's own bounds."""
    totals = [span.total for span in spans]
    values = [total.energy_j for total in totals if total.energy_j is not None]
    if len(values) < len(totals):
        return None
    mean_j = sum(values) / len(values)
    low_j, high_j = _bootstrap(values)
    below_j = mean_j - sum(total.low_j or 0.0 for total in totals) / len(totals)
    above_j = sum(total.high_j or 0.0 for total in totals) / len(totals) - mean_j
    return Interval(low=max(0.0, low_j - below_j) / units, mid=mean_j / units, high=(high_j + above_j) / units)


def _bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """Return the 5 % and 95 % quantiles of the mean over resampled repeats; the same for the same values."""
    import random

    draw = random.Random(0)
    count = len(values)
    means = sorted(sum(draw.choices(values, k=count)) / count for _ in range(_RESAMPLES))
    return means[_RESAMPLES // 20], means[-_RESAMPLES // 20]


def _above_idle(energy_j: Interval, time_s: float, idle_w: tuple[float, float]) -> Interval:
    """Return the joules per unit above idle; the bounds take the idle power before or after, whichever is farther."""
    middle_w = sum(idle_w) / 2
    return Interval(
        low=max(0.0, energy_j.low - max(idle_w) * time_s),
        mid=max(0.0, energy_j.mid - middle_w * time_s),
        high=max(0.0, energy_j.high - min(idle_w) * time_s),
    )
