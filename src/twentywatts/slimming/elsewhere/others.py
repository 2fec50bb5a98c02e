"""What a result says of other machines and of other ways: fronts, places where orders differ, advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from twentywatts.comparison.search import Progress
from twentywatts.comparison.split import TUNING_LIMIT
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.advice import Advice, advise
from twentywatts.slimming.elsewhere.orders import OrderDifference, energies_of, order_differences
from twentywatts.slimming.elsewhere.smaller import smaller
from twentywatts.slimming.elsewhere.targets import Target, Terms, targets
from twentywatts.slimming.searching.choice import cost_of
from twentywatts.slimming.searching.lab import Lab
from twentywatts.slimming.searching.rungs import FLOAT
from twentywatts.slimming.timing.measuring import Call, Rounds
from twentywatts.slimming.timing.pricing import THIS_CPU

__all__ = ["advice_for", "floats", "fronts"]

_FLOATS = 6  # candidates that other machines are asked about
_QUICK = Rounds(rounds=9, window_s=0.005)


def floats(lab: Lab) -> list[Candidate]:
    """Return the model as given and the cheapest float candidates that the search samples do not reject."""
    limit = lab.question.goal.max_drop
    wanted = [trial for trial in lab.trials.values() if trial.packing == FLOAT and trial.score.drop <= limit]
    found = {lab.given.candidate.digest: lab.given.candidate}
    for trial in sorted(wanted, key=cost_of)[: _FLOATS - 1]:
        found.setdefault(trial.floating.digest, trial.floating)
    return list(found.values())


def fronts(
    lab: Lab, machines: Sequence[str], progress: Progress
) -> tuple[tuple[Target, ...], tuple[OrderDifference, ...]]:
    """Return one front per machine other than the processor at hand, and where the order of candidates differs."""
    others = [name for name in machines if name != THIS_CPU]
    if not others:
        return (), ()
    terms = _terms(lab, progress, budget_s=lab.clock.others_s)
    found = tuple(targets(floats(lab), others, terms=terms))
    return found, tuple(order_differences(energies_of(found)))


def advice_for(
    lab: Lab, shipped: Candidate, found: Sequence[Target], eager: Call | None, progress: Progress
) -> tuple[tuple[Advice, ...], tuple[str, ...]]:
    """Return what else would save joules, most first, and what is to be said of what would not.

    Nothing where this processor was not asked for.
    """
    if not lab.question.is_timed:
        return (), ()
    terms = few = _terms(lab, progress, budget_s=lab.clock.advice_s)
    if terms.train is not None and terms.train.count > TUNING_LIMIT:  # classical methods are slow on many samples
        few = replace(terms, train=terms.train.take(np.arange(TUNING_LIMIT)))
    advice = advise(lab.given.candidate, shipped, terms=few, targets=found, eager=eager, plan=_QUICK)
    terms = replace(terms, budget_s=lab.clock.advice_s)
    architecture = smaller(lab.given, terms=terms, cut=_cut_scores(lab), plan=_QUICK)
    own = [] if architecture.advice is None else [architecture.advice]
    ranked = sorted((*advice, *own), key=lambda one: -one.saved_j.mid)
    return tuple(ranked), (architecture.note,) if architecture.note else ()


def _cut_scores(lab: Lab) -> dict[float, float]:
    """Return what the model as given scores with a share of every width cut, the best by share, in float."""
    found: dict[float, float] = {}
    sign = lab.question.goal.metric.sign
    for trial in lab.trials.values():
        if trial.packing == FLOAT and trial.rung.cut and not trial.rung.cuts:
            score = found.get(trial.rung.cut, trial.score.value)
            found[trial.rung.cut] = max(score, trial.score.value, key=lambda value: sign * value)
    return found


def _terms(lab: Lab, progress: Progress, *, budget_s: float) -> Terms:
    return Terms(
        parts=lab.parts,
        goal=lab.question.goal,
        scenario=lab.question.scenario,
        train=lab.train,
        budget_s=budget_s,
        progress=progress,
    )
