"""The clock of a search: how much of its budget is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Clock"]

_RESERVE_FRAC = 0.2  # of the budget, for the guard, the fresh measurement and the advice that end it
_RESERVE_S = 15.0
_OTHERS_FRAC = 0.25  # of the budget, where other machines are asked: their forms run on the samples too


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """budget_s: wall-clock time of everything [s]. spent_s: what earlier runs of the search took already [s].

    asks_others: whether machines are asked that must run their own forms.
    """

    budget_s: float
    spent_s: float = 0.0
    asks_others: bool = False
    now: Callable[[], float] = field(default=time.monotonic, repr=False)
    start_s: float = field(init=False)
    start_cpu_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_s", self.now())
        object.__setattr__(self, "start_cpu_s", time.process_time())

    @property
    def cpu_s(self) -> float:
        """Processor time since this run began [s]."""
        return time.process_time() - self.start_cpu_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run began."""
        return self.now() - self.start_s

    @property
    def others_s(self) -> float:
        """Seconds that other machines may take."""
        return _OTHERS_FRAC * self.budget_s if self.asks_others else 0.0

    @property
    def left_s(self) -> float:
        """Seconds that the search may still take; the end of the budget is kept for what comes after it."""
        reserve_s = min(_RESERVE_S, _RESERVE_FRAC * self.budget_s) + self.others_s
        return max(0.0, self.budget_s - reserve_s - self.spent_s - self.elapsed_s)

    @property
    def is_overdrawn(self) -> bool:
        """Whether the whole budget is spent, what was kept for the end included."""
        return self.spent_s + self.elapsed_s > self.budget_s

    @property
    def is_over(self) -> bool:
        """Whether nothing further may be begun."""
        return self.left_s <= 0.0
