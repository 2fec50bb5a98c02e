"""Making a candidate of a request: the steps in their order, from the model as given."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError, RefusedError
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.trial import Trial
from twentywatts.slimming.searching.lab import Lab, begun_key
from twentywatts.slimming.searching.rungs import RepeatedError, Rung
from twentywatts.slimming.steps.depth import blocks, harms, shallower
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.lowrank import lowrank
from twentywatts.slimming.steps.prune import Importance, prune
from twentywatts.slimming.steps.repair import prune_repaired
from twentywatts.slimming.steps.zeros import zeros
from twentywatts.slimming.timing.device_model import work_of
from twentywatts.slimming.timing.noop import idle_reason

if TYPE_CHECKING:
    from twentywatts.slimming.learning.distil import Schedule

__all__ = ["chain", "made", "untrained", "why_no_training"]

_ROUND_TO = 8  # channels: what vector units and caches like
_LEAST_S = 0.5  # of training: with less none is begun
_HARDENING = 10  # epochs of training with rounded numbers
_LOOK_MACS = 1e11  # of looks at samples before anything is trained: some seconds
_JUDGED, _FEWEST = 256, 8  # samples that say what a block matters: at most, and at least


def why_no_training(lab: Lab) -> str:
    """Return why nothing can be trained here, or an empty text."""
    if lab.train is None:
        return "no samples to train on (--train): what is cut is repaired by least squares, nothing is distilled"
    if find_spec("torch") is None:
        return (
            "torch is not installed (pip install 'twentywatts[torch]'): what is cut is repaired by least squares, "
            "nothing is distilled"
        )
    return ""


def made(rung: Rung, lab: Lab, time_s: float) -> Candidate:
    """Return the float candidate of a request; raises RefusedError where a step cannot be taken.

    time_s: it is made by then, training ended [s].
    """
    end_s = lab.clock.elapsed_s + time_s
    candidate = untrained(rung, lab)[-1]
    if rung.is_folded and not candidate.steps:
        raise RefusedError("there is no BatchNormalization that could be folded")
    _check_new(candidate, rung, lab)
    if rung.epochs:
        candidate = _distilled(candidate, rung, lab, end_s - lab.clock.elapsed_s)
    return _hardened(candidate, rung, lab, end_s - lab.clock.elapsed_s) if rung.is_hardened else candidate


def _check_new(candidate: Candidate, rung: Rung, lab: Lab) -> None:
    """Raise RepeatedError where another request came to the same widths and the same training."""
    if lab.begun.setdefault(begun_key(candidate.digest, rung), rung.key) != rung.key:
        raise RepeatedError("the same widths were asked for before")


def chain(trial: Trial, lab: Lab) -> list[Candidate]:
    """Return the candidates that a trial went through, the model as given first and what ships last."""
    way = untrained(trial.rung, lab, is_whole=True)
    found = {one.digest: one for one in (*way, trial.floating, trial.shipped)}
    return list(found.values())


def untrained(rung: Rung, lab: Lab, *, is_whole: bool = False) -> list[Candidate]:
    """Return the model as given and what folding and cutting make of it; raises RefusedError.

    is_whole: what a cut leaves before it is repaired is among them.
    """
    found = [lab.given.candidate]
    if rung.is_folded:
        folded = fold(found[-1])
        if folded.steps[-1].settings["folded"]:
            found.append(folded)
    if rung.blocks:
        found.append(shallower(found[-1], share_frac=rung.blocks, matters=_harms(found[-1], lab)))
    if rung.is_cut:
        pruned = _pruned(found[-1], rung, lab)
        if is_whole and pruned.parent != found[-1].digest:
            found.append(_cut(found[-1], rung, lab))
        found.append(pruned)
    if rung.rank_frac:
        found.append(_changed(lowrank(found[-1], keep_frac=rung.rank_frac), found[-1]))
    if rung.zeros:
        found.append(_changed(zeros(found[-1], pattern=rung.zeros), found[-1]))
    return found


def _changed(after: Candidate, before: Candidate) -> Candidate:
    """Return a candidate that a step has changed; raises RefusedError with the reason where it has not."""
    why = idle_reason(before, after)
    if why:
        raise RefusedError("; ".join(after.steps[-1].notes) or why)
    return after


def _harms(candidate: Candidate, lab: Lab) -> dict[str, float]:
    """Return what every residual block matters on calibration samples; kept with the lab."""
    if candidate.digest not in lab.harms:
        count = min(_looks(lab) // (len(blocks(candidate.content)) + 1), lab.calibration.count, _JUDGED)
        if count < min(_FEWEST, lab.calibration.count):
            raise RefusedError("the model is too large to be asked what each of its blocks matters")
        lab.harms[candidate.digest] = harms(candidate, lab.calibration.take(np.arange(count)))
    return lab.harms[candidate.digest]


def _looks(lab: Lab) -> int:
    """Return how many samples the model as given can be run on in some seconds."""
    scenario = lab.question.scenario
    work = work_of(lab.given.candidate, batch=scenario.batch, axes=scenario.axes)
    return int(_LOOK_MACS / max(work.mac_count, 1.0))


def _cut(candidate: Candidate, rung: Rung, lab: Lab) -> Candidate:
    return prune(candidate, ratio=dict(rung.cuts) or rung.cut, **_how(candidate, rung, lab))


def _pruned(candidate: Candidate, rung: Rung, lab: Lab) -> Candidate:
    """Return a candidate cut, and repaired by least squares where that is understood."""
    ratio = dict(rung.cuts) or rung.cut
    try:
        pruned = prune_repaired(candidate, lab.calibration.inputs, ratio=ratio, **_how(candidate, rung, lab))
    except (RefusedError, DataError):
        pruned = _cut(candidate, rung, lab)
    return _changed(pruned, candidate)


def _how(candidate: Candidate, rung: Rung, lab: Lab) -> dict[str, Any]:
    """Return how channels are chosen."""
    importance: Importance = _scores(candidate, lab) or "magnitude"
    return {"round_to": _ROUND_TO, "importance": importance, "through_norms": rung.through_norms}


def _scores(candidate: Candidate, lab: Lab) -> dict[str, NDArray[np.float64]] | None:
    """Return what every weight matters to first order on samples to train on, None where that cannot be asked.

    Kept with the lab: all widths are cut from the same weights.
    """
    if lab.train is None or why_no_training(lab):
        return None
    if candidate.digest not in lab.scores:
        from twentywatts.slimming.learning.pruners import taylor_scores

        try:
            lab.scores[candidate.digest] = taylor_scores(candidate, lab.train)
        except (RefusedError, DataError):
            lab.scores[candidate.digest] = {}
    return lab.scores[candidate.digest] or None


def _distilled(candidate: Candidate, rung: Rung, lab: Lab, time_s: float) -> Candidate:
    if lab.train is None:
        raise RefusedError("there are no samples to train on")
    from twentywatts.slimming.learning.distil import Schedule, distil

    if time_s < _LEAST_S:
        raise RefusedError("there was no time left to train it")
    teacher = lab.given.candidate
    samples = _lesson_samples(lab, lab.train, rung.seed)
    epochs = max(1, round(rung.epochs * lab.train.count / samples.count))  # as many steps, mixtures or not
    schedule = Schedule(epochs=epochs, seed=rung.seed, deadline_s=time_s)
    trained = distil(candidate, teacher=teacher, samples=samples, schedule=schedule)
    return _in_time(trained, schedule, samples.count).saying(mixtures=samples.count - lab.train.count)


def _lesson_samples(lab: Lab, train: Samples, seed: int) -> Samples:
    """Return what is learned from: samples with mixtures where the model as given is quick to answer them all.

    Kept with the lab: every training with the same seed learns from the same.
    """
    from twentywatts.slimming.learning.mixing import TIMES, with_mixtures

    if seed not in lab.mixtures:
        is_quick = (1 + TIMES) * train.count <= _looks(lab)
        lab.mixtures[seed] = with_mixtures(train, lab.given.candidate, seed=seed) if is_quick else train
    return lab.mixtures[seed]


def _in_time(trained: Candidate, schedule: Schedule, count: int) -> Candidate:
    """Return what was trained; raises RefusedError where that was cut so short that it tells nothing."""
    from twentywatts.slimming.learning.distil import TOO_LONG, is_too_short

    if is_too_short(trained, schedule, count):
        step = trained.steps[-1]
        passes = f"{step.settings['epochs']} of {schedule.epochs} passes"
        why = next((note for note in step.notes if note.startswith(TOO_LONG)), passes)
        raise RefusedError(f"the budget was too short to train it: {why}")
    return trained


def _hardened(candidate: Candidate, rung: Rung, lab: Lab, time_s: float) -> Candidate:
    """Return a candidate trained to be right in eight bits."""
    if lab.train is None:
        raise RefusedError("there are no samples to train on")
    from twentywatts.slimming.learning.distil import Schedule
    from twentywatts.slimming.learning.qat import qat

    if time_s < _LEAST_S:
        raise RefusedError("there was no time left to train it")
    schedule = Schedule(epochs=_HARDENING, seed=rung.seed, deadline_s=time_s, is_narrow=rung.is_narrow)
    trained = qat(candidate, teacher=lab.given.candidate, samples=lab.train, schedule=schedule)
    return _in_time(trained, schedule, lab.train.count)
