"""Scenario: how a model is used, the same for every machine of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from twentywatts.errors import InputError
from twentywatts.uncertain import DRAW_COUNT

__all__ = ["Boundary", "Scenario"]


class Boundary(StrEnum):
    """What is counted: the chip; the device (chip, its memory, its board); the system with host; the facility."""

    CHIP = "chip"
    DEVICE = "device"
    SYSTEM = "system"
    FACILITY = "facility"

    @property
    def rank(self) -> int:
        """0 for the chip to 3 for the facility; a wider boundary contains the narrower ones."""
        return list(Boundary).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How inferences arrive and what is counted.

    batch: inferences served together [count, ≥ 1].
    rate_per_s: inferences per second that the machine is kept for; the idle energy between them is charged.
        None means back to back: no idle time is charged.
    boundary: what is counted. axes: sizes of the model's named dynamic axes. seed, draws: of the uncertainty.
    """

    batch: int = 1
    rate_per_s: float | None = None
    boundary: Boundary = Boundary.DEVICE
    axes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    draws: int = DRAW_COUNT

    def __post_init__(self) -> None:
        if isinstance(self.batch, bool) or not isinstance(self.batch, int) or self.batch < 1:
            raise InputError(f"the batch must be a whole number of at least 1, got {self.batch!r}")
        if self.rate_per_s is not None and not (math.isfinite(self.rate_per_s) and self.rate_per_s > 0):
            raise InputError(f"the rate must be a positive number of inferences per second, got {self.rate_per_s!r}")
        try:
            object.__setattr__(self, "boundary", Boundary(self.boundary))
        except ValueError:
            raise InputError(f"unknown boundary '{self.boundary}', wanted one of {', '.join(Boundary)}") from None
        for name, size in self.axes.items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise InputError(f"axis '{name}' must be a whole number of at least 1, got {size!r}")
