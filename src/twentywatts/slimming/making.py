"""Making a candidate of a request: the steps in their order, from the model as given."""

from __future__ import annotations

from importlib.util import find_spec

from twentywatts.errors import RefusedError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.fold import fold
from twentywatts.slimming.lab import Lab
from twentywatts.slimming.prune import prune
from twentywatts.slimming.rungs import Rung
from twentywatts.slimming.trial import Trial

__all__ = ["chain", "made", "untrained", "why_no_training"]

_ROUND_TO = 8  # channels: what vector units and caches like
_LEAST_STEPS = 500  # of training: what had fewer, and not a quarter of its passes, tells nothing about its widths


def why_no_training(lab: Lab) -> str:
    """Return why nothing can be trained here, or an empty text."""
    if lab.train is None:
        return "no samples to train on (--train): nothing is pruned or distilled, the model is quantised and measured"
    if find_spec("torch") is None:
        return (
            "torch is not installed (pip install 'twentywatts[torch]'): nothing is pruned or distilled, the model is "
            "quantised and measured"
        )
    return ""


def made(rung: Rung, lab: Lab, time_s: float) -> Candidate:
    """Return the float candidate of a request; raises RefusedError where a step cannot be taken.

    time_s: training ends after so many seconds [s].
    """
    candidate = untrained(rung, lab)[-1]
    if rung.is_folded and not candidate.steps:
        raise RefusedError("there is no BatchNormalization that could be folded")
    return _distilled(candidate, rung, lab, time_s) if rung.epochs else candidate


def chain(trial: Trial, lab: Lab) -> list[Candidate]:
    """Return the candidates that a trial went through, the model as given first and what ships last."""
    found = {one.digest: one for one in (*untrained(trial.rung, lab), trial.floating, trial.shipped)}
    return list(found.values())


def untrained(rung: Rung, lab: Lab) -> list[Candidate]:
    """Return the model as given and what folding and cutting make of it; raises RefusedError."""
    found = [lab.given.candidate]
    if rung.is_folded:
        folded = fold(found[-1])
        if folded.steps[-1].settings["folded"]:
            found.append(folded)
    if rung.is_cut:
        found.append(_pruned(found[-1], rung))
    return found


def _pruned(candidate: Candidate, rung: Rung) -> Candidate:
    ratio = dict(rung.cuts) or rung.cut
    pruned = prune(candidate, ratio=ratio, round_to=_ROUND_TO)
    if pruned.digest == candidate.digest or pruned.steps[-1].settings.get("widths") == "{}":
        raise RefusedError("; ".join(pruned.steps[-1].notes) or "no group could be made narrower")
    return pruned


def _distilled(candidate: Candidate, rung: Rung, lab: Lab, time_s: float) -> Candidate:
    if lab.train is None:
        raise RefusedError("there are no samples to train on")
    from twentywatts.slimming.distil import Schedule, distil

    if time_s <= 0:
        raise RefusedError("there was no time left to train it")
    schedule = Schedule(epochs=rung.epochs, seed=rung.seed, deadline_s=time_s)
    trained = distil(candidate, teacher=lab.given.candidate, samples=lab.train, schedule=schedule)
    epochs = int(trained.steps[-1].settings["epochs"])
    if epochs < rung.epochs / 4 and epochs * lab.train.count / schedule.batch < _LEAST_STEPS:
        raise RefusedError(f"the budget was too short to train it: {epochs} of {rung.epochs} passes")
    return trained
