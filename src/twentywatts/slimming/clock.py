"""The clock of a search: how much of its budget is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Clock"]

_RESERVE_FRAC = 0.15  # of the budget, for the guard and the fresh measurement that end it
_RESERVE_S = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """budget_s: wall-clock time of the whole search [s]. spent_s: what earlier runs of it took already [s]."""

    budget_s: float
    spent_s: float = 0.0
    now: Callable[[], float] = field(default=time.monotonic, repr=False)
    start_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_s", self.now())

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run began."""
        return self.now() - self.start_s

    @property
    def left_s(self) -> float:
        """Seconds that the search may still take; the end of the budget is kept for guard and measurement."""
        reserve_s = min(_RESERVE_S, _RESERVE_FRAC * self.budget_s)
        return max(0.0, self.budget_s - reserve_s - self.spent_s - self.elapsed_s)

    @property
    def is_over(self) -> bool:
        """Whether nothing further may be begun."""
        return self.left_s <= 0.0
