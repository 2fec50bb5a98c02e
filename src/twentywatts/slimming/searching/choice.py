"""Choosing: the front of what was tried, and the order in which the guard samples are asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from twentywatts.slimming.proof.trial import Trial
from twentywatts.slimming.undominated import undominated

__all__ = ["asking_order", "cost_of", "front", "likely"]

_STEP = 0.9  # of the cost of the one before: a candidate on the way that saves less than this is not worth a look


def cost_of(trial: Trial) -> float:
    """Return joules relative to the model as given where they were measured, else processor time.

    Where nothing was measured, it is the size of what ships.
    """
    saving = trial.thrift or trial.saving
    return 1.0 / saving if saving else float(len(trial.shipped.content))


def front(trials: Iterable[Trial], *, risk: Callable[[Trial], float] | None = None) -> list[Trial]:
    """Return the trials that no other beats in both cost and safety, the cheapest first.

    risk: less is safer; where not given, the bound of the drop on the search samples: of two without a loss, the one
    that changes fewer answers is the safer. Of equals in safety the dearer stay too: the guard is asked about them
    first, and what was changed less may pass where the cheapest fails.
    """
    ordered = sorted(trials, key=lambda one: one.digest)
    return undominated(ordered, cost=cost_of, loss=risk or _bound, with_equals=True)


def _bound(trial: Trial) -> float:
    return trial.score.verdict.bound


def _risk(trial: Trial) -> float:
    return _bound(trial) if trial.risk is None else trial.risk


def likely(trials: Iterable[Trial], max_drop: float) -> list[Trial]:
    """Return the trials of the front whose drop on the search samples is within the limit, the cheapest first.

    What did nothing is left out, whatever its time: a saving of it would be noise.
    """
    return front(_within(trials, max_drop))


def _error(trial: Trial) -> float:
    """Return the standard error of a drop on the search samples: of so many answers that changed."""
    score = trial.score
    return math.sqrt((score.lost or 0) + (score.gained or 0)) / score.sample_count


def _within(trials: Iterable[Trial], max_drop: float, *, errors: int = 0) -> Iterator[Trial]:
    """Yield what did something and lost no more than it may on the search samples, give or take standard errors."""
    return (trial for trial in trials if trial.score.drop <= max_drop + errors * _error(trial) and not trial.idle)


def asking_order(trials: Sequence[Trial], max_drop: float) -> list[Trial]:
    """Return the candidates in the order in which the guard samples are asked: the safest first, each much cheaper.

    The safest is the one that takes least probability from the right class (see ``soft_drop_bound``), where that can
    be told. Only what costs less than the model as given is worth a question, and only what loses no more than it may
    on the search samples, give or take one standard error: an unlucky draw of them is no reason not to ask.
    """
    order: list[Trial] = []
    limit = 1.0 if any(trial.saving for trial in trials) else float("inf")
    for trial in reversed(front(_within(trials, max_drop, errors=1), risk=_risk)):
        if cost_of(trial) < _STEP * limit:
            order.append(trial)
            limit = cost_of(trial)
    return order
