"""Fronts: what a candidate is on a machine, what a machine makes of all candidates, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twentywatts.comparison.search import Goal
from twentywatts.comparison.split import Parts
from twentywatts.ledger import Ledger
from twentywatts.readers.samples import Samples
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate, Value
from twentywatts.slimming.proof.trial import Score
from twentywatts.slimming.undominated import undominated
from twentywatts.uncertain import Interval

__all__ = ["Point", "Target", "Terms", "front_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """One candidate on one machine, in the form and setting that were chosen for it.

    energy: its account, joules per inference. against_given: its joules over those of the model as given on the same
    machine, shared figures cancelled. search, guard: its score on the search and on the guard samples, None where these
    were not asked; of a form with noise the mean of the draws, and the verdict on the worst of them.
    """

    candidate: Candidate
    form: str
    setting: dict[str, Value]
    energy: Ledger
    against_given: Interval
    search: Score
    guard: Score | None = None
    on_front: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether the guard samples prove that it keeps the metric."""
        return self.guard is not None and self.guard.verdict.keeps is True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """One machine: its points from the least energy to the most, and what it cannot carry.

    refused: (candidate, reason). reason: why there is no point at all, or empty. asked_count: how many candidates the
    guard samples were asked about. standing: chip, macro or design, as in a comparison.
    """

    machine: str
    title: str
    family: str
    standing: str = "chip"
    points: tuple[Point, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    asked_count: int = 0
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Point | None:
        """The cheapest point that is accepted, None where none is."""
        return next((point for point in self.points if point.is_accepted), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """On what terms candidates are priced.

    parts: search samples (``tuning``) and guard samples (``reported``), disjoint, neither trained on. train: samples
    that weights may be trained on for spikes, none where None. budget_s: after so many seconds no further candidate is
    begun on any machine (the model as given always is).
    """

    parts: Parts
    goal: Goal
    scenario: Scenario = field(default_factory=Scenario)
    train: Samples | None = None
    budget_s: float = float("inf")
    progress: Callable[[str, float], None] = lambda text, share: None


def front_of(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both joules and the metric on the search samples, cheapest first."""
    return undominated(points, cost=lambda point: point.energy.energy_j.mid, loss=lambda point: point.search.drop)
