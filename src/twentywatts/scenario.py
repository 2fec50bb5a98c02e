"""Scenario: how a model is used, the same for every machine of a comparison."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twentywatts.errors import InputError
from twentywatts.figures import Boundary
from twentywatts.uncertain import DRAW_COUNT

__all__ = ["Boundary", "Scenario"]


_RATES = (1e-12, 1e15)  # one in 30,000 years to one per femtosecond


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How inferences arrive and what is counted.

    batch: inferences served together [count, ≥ 1].
    rate_per_s: inferences per second that the machine is kept for; the idle energy between them is charged.
        None means back to back: no idle time is charged.
    duty_frac: share of time in which they come at that rate; in the rest the machine is powered and waits.
    event_rate_per_s: how often something happens in the world while awake, None: at every inference.
    battery_j: energy of the battery that carries it.
    software: era of the software that serves a language model, the newest where empty.
    boundary: what is counted. axes: sizes of the model's named dynamic axes. seed, draws: of the uncertainty.
    """

    batch: int = 1
    rate_per_s: float | None = None
    duty_frac: float = 1.0
    event_rate_per_s: float | None = None
    battery_j: float | None = None
    boundary: Boundary = Boundary.DEVICE
    axes: Mapping[str, int] = field(default_factory=dict)
    software: str = ""
    seed: int = 0
    draws: int = DRAW_COUNT

    def __post_init__(self) -> None:
        for name, what, least in (
            ("batch", "the batch", 1),
            ("seed", "the seed", 0),
            ("draws", "the number of draws", 0),
        ):
            object.__setattr__(self, name, _whole(what, getattr(self, name), least=least))
        if not isinstance(self.axes, Mapping):
            raise InputError(f"the axes are sizes by name, such as {{'sequence': 128}}, got {self.axes!r}")
        for name, size in self.axes.items():
            _whole(f"axis '{name}'", size, least=1)
        if self.rate_per_s is not None and not _is_rate(self.rate_per_s):
            raise InputError(f"the rate must be a positive number of inferences per second, got {self.rate_per_s!r}")
        self._check_use()
        try:
            object.__setattr__(self, "boundary", Boundary(self.boundary))
        except ValueError:
            raise InputError(f"unknown boundary '{self.boundary}', wanted one of {', '.join(Boundary)}") from None

    def _check_use(self) -> None:
        """Raise InputError where duty, events or battery make no sense."""
        if not _is_rate(self.duty_frac) or self.duty_frac > 1:
            raise InputError(f"the duty is a share of time above 0 and at most 1, got {self.duty_frac!r}")
        if self.event_rate_per_s is not None and not _is_rate(self.event_rate_per_s):
            raise InputError(f"the event rate must be a positive number per second, got {self.event_rate_per_s!r}")
        if self.battery_j is not None and not _is_rate(self.battery_j):
            raise InputError(f"the battery must hold a positive number of joules, got {self.battery_j!r}")
        asked = self.duty_frac != 1.0 or self.event_rate_per_s is not None or self.battery_j is not None
        if asked and self.rate_per_s is None:
            raise InputError("duty, event rate and battery need a rate: how many inferences per second while awake")

    @property
    def mean_rate_per_s(self) -> float | None:
        """Inferences per second averaged over all time, None without a rate."""
        return None if self.rate_per_s is None else self.rate_per_s * self.duty_frac


def _whole(what: str, value: Any, *, least: int) -> int:
    """Return a whole number, NumPy's as Python's own; raises InputError for anything else."""
    try:
        found = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = -1
    if not least <= found < 2**63:
        raise InputError(f"{what} must be a whole number of at least {least}, got {value!r}")
    return found


def _is_rate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _RATES[0] <= value <= _RATES[1]
