"""The ladder: the few candidates that are always worth trying, from the cheapest to make to the dearest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from twentywatts.slimming.searching.choice import cost_of, likely
from twentywatts.slimming.searching.lab import Lab, Make
from twentywatts.slimming.searching.rungs import NARROW, PRECISIONS, Rung
from twentywatts.slimming.steps.prune import widths

__all__ = ["AS_GIVEN", "EPOCHS", "climb", "hardened", "rungs"]

AS_GIVEN = Rung()
EPOCHS = 40  # of training after a cut; fewer where the budget is short
_RANK = 0.9  # of the squared singular values
_CURABLE = 0.2  # of all samples, at most, that rounding may lose for training to be tried
_SHARE = 0.6  # of the time left, at most, for one training
_CUTS = (0.5, 0.75, 0.625, 0.25, 0.375)  # shares of channels, the most promising first
_FIRST = (0.25, 0.5, 0.75)  # looked at before anything is trained: a cut is repaired by least squares
_WIDTHS = (0.25, 0.5)  # shares of a transformer's width, beside as much of its heads and neurons


def rungs(lab: Lab, *, is_trained: bool) -> Iterator[Rung]:
    """Yield the rungs that the methods allow; is_trained: whether there is something to train on, and with."""
    methods = lab.question.methods
    yield AS_GIVEN
    if "fold" in methods:
        yield Rung(is_folded=True)
    if "zeros" in methods:
        yield from (Rung(zeros=pattern) for pattern in ("any", "2:4"))
    plain = Rung(is_folded="fold" in methods)
    usual = replace(plain, epochs=EPOCHS) if is_trained and "distil" in methods else plain
    if "prune" in methods:
        if usual.epochs:
            yield from (replace(plain, cut=cut) for cut in _FIRST)
        yield from (replace(usual, cut=cut) for cut in _CUTS)
        if has_width(lab.given.candidate.content):
            yield from (replace(usual, cut=cut, through_norms=True) for cut in _WIDTHS)
    if "lowrank" in methods:
        yield replace(usual, rank_frac=_RANK)


def has_width(content: bytes) -> bool:
    """Tell models whose width lies behind normalisations that pruning leaves alone unless it is asked."""
    return len(widths(content, through_norms=True)) > len(widths(content))


def hardened(lab: Lab) -> Iterator[Rung]:
    """Yield rungs to train for int8: where eight bits cost less than anything that keeps the metric, but lose it."""
    limit = lab.question.goal.max_drop
    best = likely(lab.trials.values(), limit)
    bar = cost_of(best[0]) if best else 1.0
    for trial in sorted(lab.trials.values(), key=cost_of):
        is_near = limit < trial.score.drop <= _CURABLE
        if PRECISIONS[trial.packing] == "int8" and is_near and cost_of(trial) < bar and not trial.rung.is_hardened:
            yield replace(trial.rung, is_hardened=True, is_narrow=trial.packing == NARROW)
            return


def climb(lab: Lab, make: Make, wanted: Sequence[Rung], progress: Callable[[str, float], None]) -> None:
    """Try the rungs as long as there is time; the model as given is always tried.

    A rung that is trained gets most of what is left: one trained in full says more than three that were cut short.
    """
    for index, rung in enumerate(wanted):
        if index and (rung.epochs or rung.is_cut or rung.rank_frac) and lab.clock.is_over:
            continue
        progress(rung.text, index / len(wanted))
        lab.tried(rung, make, _SHARE * lab.clock.left_s)
