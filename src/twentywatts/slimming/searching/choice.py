"""Choosing: the front of what was tried, and the order in which the guard samples are asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twentywatts.slimming.proof.trial import Trial

__all__ = ["asking_order", "cost_of", "front", "likely"]

_STEP = 0.9  # of the cost of the one before: a candidate on the way that saves less than this is not worth a look


def cost_of(trial: Trial) -> float:
    """Return joules relative to the model as given where they were measured, else processor time.

    Where nothing was measured, it is the size of what ships.
    """
    saving = trial.thrift or trial.saving
    return 1.0 / saving if saving else float(len(trial.shipped.content))


def front(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials that no other beats in both cost and safety, the cheapest first.

    Safety is the bound of the drop on the search samples: of two without a loss, the one that changes fewer answers
    is the safer. Of equals in safety the dearer stay too: the guard is asked about them first, and what was changed
    less may pass where the cheapest fails.
    """
    found: list[Trial] = []
    for trial in sorted(trials, key=lambda one: (cost_of(one), one.score.verdict.bound, one.digest)):
        if not found or trial.score.verdict.bound <= found[-1].score.verdict.bound:
            found.append(trial)
    return found


def likely(trials: Iterable[Trial], max_drop: float) -> list[Trial]:
    """Return the trials of the front whose drop on the search samples is within the limit, the cheapest first.

    What did nothing is left out, whatever its time: a saving of it would be noise.
    """
    return front(trial for trial in trials if trial.score.drop <= max_drop and not trial.idle)


def asking_order(trials: Sequence[Trial], max_drop: float) -> list[Trial]:
    """Return the candidates in the order in which the guard samples are asked: the safest first, each much cheaper.

    Only what costs less than the model as given is worth a question.
    """
    order: list[Trial] = []
    limit = 1.0 if any(trial.saving for trial in trials) else float("inf")
    for trial in reversed(likely(trials, max_drop)):
        if cost_of(trial) < _STEP * limit:
            order.append(trial)
            limit = cost_of(trial)
    return order
