"""The guard: samples that no search has seen decide what is accepted, on the artefact that ships.

The front is walked from the safest candidate to the cheapest, and the walk ends at the first that is not proved to
keep the metric. An order fixed on other samples, with the first failure ending it, needs no correction for several
looks: the chance that anything accepted breaks the limit is at most 5 % (a fixed-sequence test; Goeman and Solari,
The Annals of Statistics 38, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.bound import drop_bound, samples_needed
from twentywatts.comparison.search import Goal
from twentywatts.comparison.split import Parts
from twentywatts.errors import DataError
from twentywatts.readers.samples import Samples
from twentywatts.slimming.proof.trial import Outputs, Score, score_of

__all__ = ["ClassDrop", "Look", "Walk", "look", "parted", "provable", "walk"]

_SEARCH_FRAC = 1 / 3
_SEARCH_LIMIT = 1000  # samples at most that the search looks at: all others serve the proof
_LEAST_RESAMPLED = 50  # samples below which a bootstrap, for metrics without an exact bound, is far too kind
_LEAST = 4  # samples in all, so that both sets hold two


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDrop:
    """The class that loses most on the guard samples: right before and after, of sample_count."""

    label: int
    sample_count: int
    before: int
    after: int

    @property
    def drop(self) -> float:
        """Share of the class's samples that were lost."""
        return (self.before - self.after) / self.sample_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the guard samples: the candidate's score there and its worst class (None: no classes)."""

    digest: str
    score: Score
    worst: ClassDrop | None = None

    @property
    def is_proved(self) -> bool:
        """Whether the bound says that the metric is kept."""
        return self.score.verdict.keeps is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The looks in their order, and the digest of the last candidate proved (None: not even the first)."""

    looks: tuple[Look, ...] = ()
    accepted: str | None = None


def parted(data: Samples, *, seed: int, trained: bool) -> Parts:
    """Return search samples (``tuning``, a seeded third, at most 1000) and guard samples (``reported``, the rest).

    Every class is parted alike. trained: whether other samples calibrate and train. Raises DataError below four.
    """
    if data.count < _LEAST:
        raise DataError(
            f"'{data.name}' holds too few samples ({data.count}): at least {_LEAST} are needed to search and to guard, "
            "and some hundreds to prove a loss of a point"
        )
    flags = _search_flags(data.targets, seed)
    search, guard = data.take(np.flatnonzero(flags)), data.take(np.flatnonzero(~flags))
    role = "ranks the candidates" if trained else "calibrates and ranks the candidates"
    sentence = (
        f"a seeded part of {data.name} ({search.count} samples) {role}; the other {guard.count} guard: they are asked "
        "once about each candidate on the way to the one that is accepted"
    )
    return Parts(tuning=search, reported=guard, sentence=sentence)


def _search_flags(targets: NDArray[np.generic], seed: int) -> NDArray[np.bool_]:
    """Return a flag per sample: True for every third of each class, in a seeded order."""
    generator = np.random.Generator(np.random.PCG64(seed))
    order = generator.permutation(len(targets))
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        order = order[np.argsort(targets[order], kind="stable")]
    share = min(_SEARCH_FRAC, _SEARCH_LIMIT / len(targets))
    count = max(2, round(share * len(targets)))
    flags = np.zeros(len(targets), dtype=bool)
    flags[order[((np.arange(count) + 0.5) * len(targets) / count).astype(np.intp)]] = True
    return flags


def provable(goal: Goal, sample_count: int) -> str:
    """Return why no loss within the goal can be proved with so many guard samples, and what it takes; else ''."""
    if goal.metric.right is None:
        if sample_count >= _LEAST_RESAMPLED:
            return ""
        return (
            f"not provable at this n: the bound of {goal.metric.name} comes from resampling, for which {sample_count} "
            f"guard samples are too few; it takes about {_LEAST_RESAMPLED}"
        )
    if drop_bound(0, 0, sample_count) <= goal.max_drop:
        return ""
    least = _rounded_up(100 * drop_bound(0, 0, sample_count))
    if goal.max_drop <= 0:
        return (
            "a loss of nothing at all cannot be proved with any number of samples; allow a small one, such as 1 point"
        )
    needed = samples_needed(0, 0, sample_count, goal.max_drop) or 0
    in_all = needed + min(math.ceil(needed / 2), _SEARCH_LIMIT)
    return (
        f"not provable at this n: {sample_count} guard samples without a single loss still allow {least:.2g} points, "
        f"more than {100 * goal.max_drop:.3g}; it takes about {needed:,} guard samples, {in_all:,} in all with those "
        f"of the search, or a limit of {least:.2g} points"
    )


def _rounded_up(value: float) -> float:
    """Return a positive number with two significant digits, never less than it was."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / step) * step


def look(digest: str, goal: Goal, given: Outputs, outputs: Outputs, targets: NDArray[np.generic]) -> Look:
    """Return what the guard samples say of one candidate's outputs against those of the model as given."""
    score = score_of(goal, given, outputs, targets)
    return Look(digest=digest, score=score, worst=_worst(goal, given, outputs, targets))


def _worst(goal: Goal, given: Outputs, outputs: Outputs, targets: NDArray[np.generic]) -> ClassDrop | None:
    """Return the class with the largest share lost, the lowest index of equals; None without classes."""
    if goal.metric.right is None or targets.ndim != 1 or targets.dtype.kind not in "iu":
        return None
    had, has = goal.metric.right(given, targets), goal.metric.right(outputs, targets)
    drops = [
        ClassDrop(
            label=int(label),
            sample_count=int((targets == label).sum()),
            before=int(had[targets == label].sum()),
            after=int(has[targets == label].sum()),
        )
        for label in np.unique(targets)
    ]
    return max(drops, key=lambda one: one.drop)


def walk(digests: Sequence[str], ask: Callable[[str], Look]) -> Walk:
    """Return the looks along the front, safest first, up to the first candidate that is not proved."""
    looks: list[Look] = []
    accepted = None
    for digest in digests:
        looks.append(ask(digest))
        if not looks[-1].is_proved:
            break
        accepted = digest
    return Walk(looks=tuple(looks), accepted=accepted)
