"""Packing: how a float candidate is shipped, and which ways are worth trying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.trial import Trial
from twentywatts.slimming.searching.rungs import FLOAT, INT4, INT8, NARROW, Rung
from twentywatts.slimming.steps.int4 import int4
from twentywatts.slimming.steps.int8 import quantised

if TYPE_CHECKING:
    from twentywatts.slimming.searching.lab import Lab

__all__ = ["packed", "worth_trying"]

_ENOUGH = 2  # candidates of fewer channels that were slower in a packing than in float: no further one is tried in it


def packed(floating: Candidate, packing: str, lab: Lab) -> Candidate:
    """Return what ships of a float candidate; raises RefusedError where it cannot be packed so."""
    if packing == INT4:
        return int4(floating)
    if packing in (INT8, NARROW):
        axes = lab.question.scenario.axes
        return quantised(floating, lab.calibration.inputs, axes=axes, is_narrow=packing == NARROW)
    return floating


def worth_trying(lab: Lab, rung: Rung, found: Mapping[str, Trial]) -> Iterator[str]:
    """Yield packings for a rung, float first; ``found`` holds the trials so far, by packing, and may grow meanwhile.

    Fewer bits are tried where candidates are timed: what other machines make of a candidate starts from float. Seven
    bits are tried where eight keep pace with float and lose too much; a packing that was slower than float time and
    again is left.
    """
    yield FLOAT
    methods, limit = lab.question.methods, lab.question.goal.max_drop
    is_plain = rung == Rung(is_folded=True)
    if FLOAT not in found or not lab.question.is_timed or rung.zeros or is_plain:
        return  # quantising folds anyway, and zeros are told as they are
    if rung.is_narrow:
        yield NARROW
        return
    if INT8 in methods and not _is_hopeless(lab, INT8):
        yield INT8
    if INT8 in found and found[INT8].score.drop > limit / 2 and not _is_slower(found[INT8], found[FLOAT]):
        yield NARROW
    if INT4 in methods and (rung == Rung() or _was_faster(lab, INT4)):
        yield INT4


def _is_slower(trial: Trial, floating: Trial) -> bool:
    return bool(trial.saving and floating.saving and trial.saving < floating.saving)


def _pairs(lab: Lab, packing: str) -> list[tuple[Trial, Trial]]:
    """Return trials in a packing, each with its float sibling."""
    floats = {trial.rung.key: trial for trial in lab.trials.values() if trial.packing == FLOAT}
    return [
        (trial, floats[trial.rung.key])
        for trial in lab.trials.values()
        if trial.packing == packing and trial.rung.key in floats
    ]


def _is_hopeless(lab: Lab, packing: str) -> bool:
    pairs = [(own, other) for own, other in _pairs(lab, packing) if own.rung.is_cut]
    return len(pairs) >= _ENOUGH and all(_is_slower(own, other) for own, other in pairs)


def _was_faster(lab: Lab, packing: str) -> bool:
    return any(not own.idle and not _is_slower(own, other) for own, other in _pairs(lab, packing))
