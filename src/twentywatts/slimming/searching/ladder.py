"""The ladder: the few candidates that are always worth trying, from the cheapest to make to the dearest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from twentywatts.slimming.proof.trial import Trial
from twentywatts.slimming.searching.choice import cost_of, likely
from twentywatts.slimming.searching.lab import Lab, Make
from twentywatts.slimming.searching.rungs import FLOAT, NARROW, PRECISIONS, Rung
from twentywatts.slimming.steps.depth import blocks
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.prune import widths

__all__ = ["AS_GIVEN", "EPOCHS", "climb", "folds", "hardened", "rungs"]

AS_GIVEN = Rung()
EPOCHS = 40  # of training after a cut; fewer where the budget is short
_RANK = 0.9  # of the squared singular values
_CURABLE = 0.2  # of all samples, at most, that rounding may lose for training to be tried
_SHARE = 0.6  # of the time left, at most, for one training
_CUTS = (0.5, 0.75, 0.625, 0.25, 0.375)  # shares of channels, the most promising first
_MANY = 2  # cuts that come before blocks are dropped
_FIRST = (0.25, 0.5, 0.75)  # looked at before anything is trained: a cut is repaired by least squares
_BLOCKS = (0.25, 0.5)  # shares of residual blocks
_ROOM = 0.5  # of the allowed drop: a cut that loses no more on the search samples leaves room for a bolder one
_BOLDEST = 0.9375  # share of channels
_WIDTHS = (0.25, 0.5)  # shares of a transformer's width, beside as much of its heads and neurons


def rungs(lab: Lab, *, is_trained: bool) -> Iterator[Rung]:
    """Yield the rungs that the methods allow; is_trained: whether there is something to train on, and with."""
    methods = lab.question.methods
    yield AS_GIVEN
    if "fold" in methods:
        yield Rung(is_folded=True)  # refused with its reason where nothing can be folded
    if "zeros" in methods:
        yield from (Rung(zeros=pattern) for pattern in ("any", "2:4"))
    plain = Rung(is_folded=folds(lab))
    usual = replace(plain, epochs=EPOCHS) if is_trained and "distil" in methods else plain
    if usual.epochs:  # cheap looks first
        yield from _cuts(plain, _FIRST, lab)
        yield from _shallow(plain, lab)
    yield from _cuts(usual, _CUTS[:_MANY], lab)
    yield from _shallow(usual, lab)
    yield from _cuts(usual, _CUTS[_MANY:], lab)
    if "prune" in methods and has_width(lab.given.candidate.content):
        yield from (replace(usual, cut=cut, through_norms=True) for cut in _WIDTHS)
    if "lowrank" in methods:
        yield replace(usual, rank_frac=_RANK)


def folds(lab: Lab) -> bool:
    """Tell whether candidates are folded before they are cut: where that was asked for, and does anything."""
    return "fold" in lab.question.methods and bool(fold(lab.given.candidate).steps[-1].settings["folded"])


def _cuts(base: Rung, shares: Sequence[float], lab: Lab) -> Iterator[Rung]:
    """Yield uniform cuts of channels."""
    if "prune" in lab.question.methods:
        yield from (replace(base, cut=cut) for cut in shares)


def _shallow(base: Rung, lab: Lab) -> Iterator[Rung]:
    """Yield shares of residual blocks to drop, where there are any."""
    if "depth" in lab.question.methods and len(blocks(lab.given.candidate.content)) > 1:
        yield from (replace(base, blocks=share) for share in _BLOCKS)


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


def _least_s(rung: Rung, lab: Lab) -> float:
    """Return the seconds below which a rung is not begun: of a training a quarter of what those so far took."""
    plain_s = lab.usual_s(replace(rung, epochs=0, is_hardened=False))
    return plain_s + (lab.usual_s(rung) / (4 * _SHARE) if rung.epochs or rung.is_hardened else 0.0)


def climb(lab: Lab, make: Make, wanted: Sequence[Rung], progress: Callable[[str, float], None]) -> None:
    """Try the rungs as long as there is time; the model as given is always tried.

    A rung that is trained gets most of what is left: one trained in full says more than three that were cut short.
    """
    ahead, done = list(wanted), 0
    while ahead:
        rung = ahead.pop(0)
        if done and rung.is_long and lab.clock.left_s <= _least_s(rung, lab):
            lab.passed_over[rung.key] = rung.text
            continue
        progress(rung.text, done / (done + 1 + len(ahead)))
        found = lab.tried(rung, make, _SHARE * lab.making_s)
        ahead, done = _bolder_first(found, ahead, lab), done + 1


def _bolder_first(found: Sequence[Trial], ahead: list[Rung], lab: Lab) -> list[Rung]:
    """Return what is ahead with a bolder cut before smaller ones, where there is no time for all of it.

    found: the trials of one rung. It must be a trained cut that has room: a smaller one would save less and teach
    nothing.
    """
    trial = next((one for one in found if one.packing == FLOAT), None)
    if trial is None or not trial.rung.epochs or trial.score.drop > _ROOM * lab.question.goal.max_drop:
        return ahead
    rung = trial.rung
    smaller = [one for one in ahead if one.cut < rung.cut and replace(one, cut=rung.cut) == rung]
    if not smaller or sum(lab.usual_s(one) for one in ahead) <= lab.clock.left_s:
        return ahead
    bolder = replace(rung, cut=(1 + rung.cut) / 2)
    others = [one for one in ahead if one not in smaller and one != bolder]
    return [*([bolder] if bolder.cut <= _BOLDEST else []), *others, *smaller]
