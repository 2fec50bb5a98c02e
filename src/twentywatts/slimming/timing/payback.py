"""Payback: what the search itself cost, and after how many inferences the smaller model has paid it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twentywatts.errors import TwentyWattsError
from twentywatts.meter.processes import own_cpu_time_s
from twentywatts.slimming.timing.measuring import Timing, median_interval
from twentywatts.uncertain import Interval

if TYPE_CHECKING:
    from twentywatts.meter.api import Meter

__all__ = ["Cost", "Payback", "payback", "spending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a stretch of work took.

    cpu_s: processor time of this program and of its children that ended [s]. energy_j: where a counter lives, else
    None and why_not says the reason.
    """

    cpu_s: float
    energy_j: Interval | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """inferences: after which the search is paid back; None where nothing is saved. basis: what was compared."""

    inferences: Interval | None
    basis: str
    sentence: str


@contextmanager
def spending(*, clock: Callable[[], float] | None = None) -> Iterator[Callable[[], Cost]]:
    """Yield what tells the Cost of the work inside, once that has ended (with an error, too).

    clock: processor time [s], a stand-in for tests.
    """
    now = clock or own_cpu_time_s
    meter, why_not = _started()
    ended: list[Cost] = []
    start_s = now()
    try:
        yield lambda: _only(ended)
    finally:
        cpu_s = now() - start_s
        energy_j, why_not = _stopped(meter) if meter else (None, why_not)
        ended.append(Cost(cpu_s=cpu_s, energy_j=energy_j, why_not=why_not))


def _only(ended: list[Cost]) -> Cost:
    if not ended:
        raise TwentyWattsError("what the work costs is known when it has ended")
    return ended[0]


def _started() -> tuple[Meter | None, str]:
    """Return a running meter, or why there is none."""
    from twentywatts.meter.api import Meter

    try:
        return Meter("slim", require_measured=True).start(), ""
    except TwentyWattsError as error:
        return None, str(error)


def _stopped(meter: Meter) -> tuple[Interval | None, str]:
    """Return the joules of the window, or why there are none."""
    try:
        total = meter.stop().span.total
    except TwentyWattsError as error:
        return None, str(error)
    if total.energy_j is None or total.low_j is None or total.high_j is None:
        return None, "the counters gave nothing while the search ran"
    return Interval(low=total.low_j, mid=total.energy_j, high=total.high_j), ""


def payback(cost: Cost, given: Timing, best: Timing, *, joules: tuple[Interval, Interval] | None = None) -> Payback:
    """Return after how many inferences the search is paid back.

    given, best: of one measurement, so that their rounds belong together. joules: per inference before and after,
    where both were counted; then joules are compared with joules, else processor time with processor time.
    """
    if joules is not None and cost.energy_j is not None:
        saved = Interval(
            low=joules[0].low - joules[1].high, mid=joules[0].mid - joules[1].mid, high=joules[0].high - joules[1].low
        )
        return _told(cost.energy_j, saved, "measured joules")
    spent = Interval(low=cost.cpu_s, mid=cost.cpu_s, high=cost.cpu_s)
    rounds = np.array(given.windows_s) - np.array(best.windows_s)
    return _told(spent, median_interval(rounds), "measured processor time")


def _told(spent: Interval, saved: Interval, basis: str) -> Payback:
    """Return the payback of ``spent`` at ``saved`` for each inference, both in the same unit."""
    if saved.mid <= 0:
        return Payback(inferences=None, basis=basis, sentence="never: nothing is saved")
    found = Interval(
        low=spent.low / saved.high,
        mid=spent.mid / saved.mid,
        high=spent.high / saved.low if saved.low > 0 else float("inf"),
    )
    return Payback(inferences=found, basis=basis, sentence=f"after about {_round(found.mid)} inferences, by {basis}")


def _round(number: float) -> str:
    """Return a count with two significant digits."""
    digits = max(len(str(int(number))) - 2, 0)
    return f"{round(number, -digits):,.0f}"
