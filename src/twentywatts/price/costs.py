"""Costs: what a pricer returns, before idle time, boundary and model error are accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from twentywatts.ledger import Cause
from twentywatts.scenario import Boundary, Scenario
from twentywatts.uncertain import Array

__all__ = ["Costs", "Values"]

Values = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Costs:
    """Joules per inference by cause and part, and the time of one batch.

    energy_j: cause → array of shape (..., parts, 1 + draws), joules per inference.
    used: cause → keys of the machine's figures that went into it (their sources and grades follow into the ledger).
    latency_s: time of one batch, shape (..., 1 + draws). idle_power_w: power while powered and waiting, (1 + draws,),
    of all chips in use. chip_count: chips that the model occupies. bound: what holds the time.
    scopes: cause → narrowest boundary that contains it, where it is not the chip.
    """

    parts: tuple[str, ...]
    energy_j: Mapping[Cause, Array]
    used: Mapping[Cause, tuple[str, ...]]
    latency_s: Array
    idle_power_w: Array
    chip_count: int = 1
    bound: str = ""
    scopes: Mapping[Cause, Boundary] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()

    def unit_count(self, scenario: Scenario) -> int:
        """Units (each of ``chip_count`` chips) that keep up with the rate at mid values; 1 without a rate."""
        if scenario.rate_per_s is None:
            return 1
        return max(1, int(np.ceil(self.latency_s[0] * scenario.rate_per_s / scenario.batch - 1e-9)))

    def kept_s(self, scenario: Scenario) -> Array:
        """Seconds for which one unit is kept for a batch: busy, and waiting for the next where there is a rate."""
        if scenario.rate_per_s is None:
            return self.latency_s
        period_s = self.unit_count(scenario) * scenario.batch / scenario.rate_per_s
        return np.maximum(self.latency_s, period_s)

    def total_j(self) -> Array:
        """Joules per inference summed over parts and causes, shape (..., 1 + draws)."""
        return np.asarray(sum(array.sum(axis=-2) for array in self.energy_j.values()))
