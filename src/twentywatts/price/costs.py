"""Costs: what a pricer returns, before idle time, boundary and model error are accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twentywatts.ledger import Cause
from twentywatts.scenario import Boundary
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

    def total_j(self) -> Array:
        """Joules per inference summed over parts and causes, shape (..., 1 + draws)."""
        return sum(array.sum(axis=-2) for array in self.energy_j.values())  # type: ignore[return-value]
