"""Costs: what a pricer returns, before idle time, boundary and model error are accounted for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from twentywatts.figures import Evidence
from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.scenario import Boundary, Scenario
from twentywatts.uncertain import Array, Interval

__all__ = ["Costs", "Portion", "Values", "sum_by_cause", "used_by_cause", "with_idle"]

Values = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portion:
    """A summand of one cause that rests on figures of its own: buffers of the memory's joules, say.

    energy_j: joules per inference, shape (..., parts, 1 + draws). used: keys of the figures that went into it.
    scope: the narrowest boundary that contains it.
    """

    cause: Cause
    energy_j: Array
    used: tuple[str, ...]
    scope: Boundary = Boundary.CHIP


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Costs:
    """Joules per inference by cause and part, and the time of one batch.

    energy_j: cause → array of shape (..., parts, 1 + draws), joules per inference.
    used: cause → keys of the machine's figures that went into it (their sources and grades follow into the ledger).
    latency_s: time of one batch, shape (..., 1 + draws). idle_power_w: power while powered and waiting, (1 + draws,),
    of all chips in use. chip_count: chips that the model occupies. bound: what holds the time.
    portions: summands of causes, where a cause mixes figures of different grades: they add up to its ``energy_j``,
    and evidence, sources and scope are then theirs, so that one guess does not taint what was published.
    model_error: the multiplier of this very prediction, where its pricer knows it better than one for all.
    error_correlation: of the errors of energy and of time, 1 where one multiplier is both's.
    """

    parts: tuple[str, ...]
    energy_j: Mapping[Cause, Array]
    used: Mapping[Cause, tuple[str, ...]]
    latency_s: Array
    idle_power_w: Array
    chip_count: int = 1
    bound: str = ""
    portions: tuple[Portion, ...] = ()
    model_error: Interval | None = None
    error_correlation: float = 1.0
    notes: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()

    def in_portions(self) -> list[Portion]:
        """Return the summands of every cause, cause by cause; one that is not split is its own only portion."""
        return [portion for cause in self.energy_j for portion in self._portions_of(cause)]

    def _portions_of(self, cause: Cause) -> list[Portion]:
        found = [portion for portion in self.portions if portion.cause == cause]
        whole = Portion(cause=cause, energy_j=self.energy_j[cause], used=self.used.get(cause, ()))
        return found or [whole]

    def unit_count(self, scenario: Scenario) -> int:
        """Units (each of ``chip_count`` chips) that keep up with the rate at mid values; 1 without a rate."""
        if scenario.rate_per_s is None:
            return 1
        return max(1, int(np.ceil(self.latency_s[0] * scenario.rate_per_s / scenario.batch - 1e-9)))

    def kept_s(self, scenario: Scenario) -> Array:
        """Seconds for which one unit is kept for a batch: busy, and waiting for the next where there is a rate."""
        if scenario.mean_rate_per_s is None:
            return self.latency_s
        period_s = self.unit_count(scenario) * scenario.batch / scenario.mean_rate_per_s
        return np.maximum(self.latency_s, period_s)

    def total_j(self) -> Array:
        """Joules per inference summed over parts and causes, shape (..., 1 + draws)."""
        return np.asarray(sum(array.sum(axis=-2) for array in self.energy_j.values()))


def sum_by_cause(portions: Iterable[Portion]) -> dict[Cause, Array]:
    """Return the joules of each cause, summed over its portions: the ``energy_j`` of Costs."""
    found: dict[Cause, Array] = {}
    for portion in portions:
        before = found.get(portion.cause)
        found[portion.cause] = portion.energy_j if before is None else before + portion.energy_j
    return found


def used_by_cause(portions: Iterable[Portion]) -> dict[Cause, tuple[str, ...]]:
    """Return the figures behind each cause: the ``used`` of Costs."""
    found: dict[Cause, tuple[str, ...]] = {}
    for portion in portions:
        found[portion.cause] = tuple(dict.fromkeys((*found.get(portion.cause, ()), *portion.used)))
    return found


def with_idle(energy_j: Mapping[Cause, Array], idle_j: Array, machine: Machine) -> dict[Cause, Array]:
    """Return joules by cause, the part that idling for as long would have taken told apart from the unsplit rest.

    energy_j: cause → (parts, 1 or 1 + draws). idle_j: idle power × time, (parts, 1 + draws); never more than the rest.
    That part rests on a published figure, not on a fit; where the figure is a guess, nothing is told apart.
    """
    found = {cause: np.broadcast_to(array, idle_j.shape) for cause, array in energy_j.items()}
    if machine.figures["idle_power_w"].evidence > Evidence.GUESSED and Cause.UNSPLIT in found:
        found[Cause.STATIC] = np.minimum(idle_j, found[Cause.UNSPLIT])
        found[Cause.UNSPLIT] = found[Cause.UNSPLIT] - found[Cause.STATIC]
    return found
