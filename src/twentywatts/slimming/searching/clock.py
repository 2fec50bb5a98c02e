"""The clock of a search: how much of its budget is left, what its end will take, and whether it was told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["Clock"]

_Found = TypeVar("_Found")

_RESERVE_FRAC = 0.2  # of the budget, for the guard and the fresh measurement that end it, where nothing is known yet
_RESERVE_S = 15.0
_MOST_END_FRAC = 0.4  # of the budget that is kept for the end, at most: a search that tries nothing finds nothing
_OTHERS_FRAC = 0.25  # of the budget, where other machines are asked: their forms run on the samples too
_ADVICE_FRACS = {True: 0.1, False: 0.05}  # of the budget; with samples to train on smaller architectures are tried
_ADVICE_S = 60.0
_SLOWEST = 4.0  # times on the clock of its processor time, at most: a machine that busy does not stay so
_TELLING_S = 0.5  # of processor time, below which it does not tell how busy the machine is


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """budget_s: wall-clock time of everything [s]. spent_s: what earlier runs of the search took already [s].

    asks_others: whether machines are asked that must run their own forms. trains: whether anything can be trained.
    began_s: when this run began, on the clock ``now`` (None: now). expected_s: processor time that parts of the end
    will take, by name, as far as that was seen [s]. stop: set where the search was told to end (Ctrl-C); stopping is
    then called once.
    """

    budget_s: float
    spent_s: float = 0.0
    asks_others: bool = False
    trains: bool = False
    now: Callable[[], float] = field(default=time.monotonic, repr=False)
    cpu_now: Callable[[], float] = field(default=time.process_time, repr=False)
    began_s: float | None = None
    expected_s: dict[str, float] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event, repr=False)
    stopping: Callable[[], None] = field(default=lambda: None, repr=False)
    start_s: float = field(init=False)
    start_cpu_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_s", self.now() if self.began_s is None else self.began_s)
        object.__setattr__(self, "start_cpu_s", self.cpu_now())

    def unless_stopped(self, work: Callable[[], _Found]) -> _Found | None:
        """Return what the work gives, None where the search was told to end before or in the midst of it."""
        if self.stop.is_set():
            return None
        try:
            return work()
        except KeyboardInterrupt:
            self.end()
            return None

    def kept_on(self, work: Callable[[], _Found]) -> _Found:
        """Return what the work gives; told to end in its midst it begins again, briefly. A second time ends it."""
        try:
            return work()
        except KeyboardInterrupt:
            if self.stop.is_set():
                raise
            self.end()
            return work()

    def end(self) -> None:
        """Take note that the search was told to end: nothing further is begun that can be left out."""
        self.stop.set()
        self.stopping()

    @property
    def cpu_s(self) -> float:
        """Processor time since this run began [s]."""
        return self.cpu_now() - self.start_cpu_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run began."""
        return self.now() - self.start_s

    @property
    def pace(self) -> float:
        """Seconds on the clock for one of processor time, as this run saw it: above 1 where others use the machine."""
        return min(max(self.elapsed_s / self.cpu_s, 1.0), _SLOWEST) if self.cpu_s > _TELLING_S else 1.0

    @property
    def rest_s(self) -> float:
        """Seconds of the whole budget that are left; none once the search was told to end."""
        return 0.0 if self.stop.is_set() else max(0.0, self.budget_s - self.spent_s - self.elapsed_s)

    @property
    def end_s(self) -> float:
        """Seconds that are kept for the guard and the fresh measurement."""
        usual_s = min(_RESERVE_S, _RESERVE_FRAC * self.budget_s)
        seen_s = self.pace * sum(self.expected_s.values())
        return min(max(usual_s, seen_s), max(usual_s, _MOST_END_FRAC * self.budget_s))

    @property
    def others_s(self) -> float:
        """Seconds that other machines may take now: all but the end."""
        return max(0.0, self.rest_s - self.end_s - self._advice_share_s) if self.asks_others else 0.0

    @property
    def advice_s(self) -> float:
        """Seconds that the advice, which comes last, may take now."""
        return min(_ADVICE_S, self.rest_s)

    @property
    def left_s(self) -> float:
        """Seconds that the search may still take; the end of the budget is kept for what comes after it."""
        others_s = _OTHERS_FRAC * self.budget_s if self.asks_others else 0.0
        return max(0.0, self.rest_s - self.end_s - others_s - self._advice_share_s)

    @property
    def is_overdrawn(self) -> bool:
        """Whether the whole budget is spent, what was kept for the end included."""
        return self.rest_s <= 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing further may be begun."""
        return self.left_s <= 0.0

    @property
    def _advice_share_s(self) -> float:
        return min(_ADVICE_S, _ADVICE_FRACS[self.trains] * self.budget_s)
