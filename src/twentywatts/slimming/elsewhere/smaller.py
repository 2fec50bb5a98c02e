"""A smaller architecture: whether the same network at half its width would have done, trained so from the start.

It is tried, not looked up: the widths are cut by rank alone, the weights drawn anew and learned from the targets, by
the same training for all. Where no width will do, the whole one is trained as well, so that a reader can tell an
architecture that is too small from a training that is too short.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from twentywatts.comparison.text import accuracy_text, metric_text, points_text
from twentywatts.errors import RefusedError, TwentyWattsError, clean
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.advice import Advice, Basis, taken_off
from twentywatts.slimming.elsewhere.fronts import Terms
from twentywatts.slimming.proof.guard import Look, look, walk
from twentywatts.slimming.proof.trial import Artefact, Outputs, Score, opened, score_of
from twentywatts.slimming.steps.prune import prune
from twentywatts.slimming.timing.measuring import Rounds, Timing, interleaved, session_call
from twentywatts.slimming.timing.noop import idle_reason
from twentywatts.slimming.timing.pricing import THIS_CPU, counted, predicted

__all__ = ["Smaller", "smaller"]

_EPOCHS = 60
_ROUND_TO = 8
_FIRST, _NEXT = 0.5, (0.25, 0.75)  # shares of the widths that go; the next where the first fails, and where it will do
_LEAST_S = 1.0  # below which no training is begun
_ERROR = "mean-error"  # the one metric of which less is better


@dataclass(frozen=True, slots=True, kw_only=True)
class Smaller:
    """What trying smaller architectures came to: the advice, where one will do, and a sentence on all of them."""

    advice: Advice | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tried:
    """An architecture that was trained from nothing: the share of its widths that is gone, and what it scores."""

    share_frac: float
    artefact: Artefact
    score: Score

    @property
    def digest(self) -> str:
        """Digest of what was trained."""
        return self.artefact.candidate.digest

    @property
    def epochs(self) -> int:
        """Passes over the samples that it had."""
        return int(self.artefact.candidate.steps[-1].settings["epochs"])

    def is_enough(self, terms: Terms) -> bool:
        """Tell whether the search samples see no more lost than is allowed."""
        return self.score.drop <= terms.goal.max_drop


class _Trainer:
    """Trains architectures while there is time."""

    def __init__(self, given: Artefact, terms: Terms) -> None:
        self.given, self.terms = given, terms
        self.before = given.outputs(terms.parts.tuning)
        self._end_s = time.monotonic() + terms.budget_s
        self._parts_left = 3

    def tried(self, share_frac: float) -> list[_Tried]:
        """Return the architecture with a share of its widths gone, trained; none where there is no time for it."""
        from twentywatts.slimming.learning.anew import trained_anew
        from twentywatts.slimming.learning.distil import Schedule, is_too_short

        terms, left_s = self.terms, self._end_s - time.monotonic()
        if left_s < _LEAST_S or terms.train is None:
            return []
        schedule = Schedule(epochs=_EPOCHS, seed=terms.scenario.seed, deadline_s=left_s / self._parts_left)
        self._parts_left = max(self._parts_left - 1, 1)
        terms.progress(f"training {_width(share_frac)} from nothing", 0.0)
        trained = trained_anew(
            _narrowed(self.given.candidate, share_frac),
            given=self.given.candidate,
            samples=terms.train,
            schedule=schedule,
        )
        if is_too_short(trained, schedule, terms.train.count):
            return []
        artefact = opened(trained, limit=self.given.limit)
        score = score_of(terms.goal, self.before, artefact.outputs(terms.parts.tuning), terms.parts.tuning.targets)
        return [_Tried(share_frac=share_frac, artefact=artefact, score=score)]

    def all_tried(self) -> list[_Tried]:
        """Return what was tried: half the width, then what its result asks for, then the whole where nothing did."""
        found = self.tried(_FIRST)
        if found:
            found += self.tried(_NEXT[found[0].is_enough(self.terms)])
        if found and not any(one.is_enough(self.terms) for one in found):
            found += self.tried(0.0)
        return found


def smaller(given: Artefact, *, terms: Terms, cut: Mapping[float, float] | None = None, plan: Rounds) -> Smaller:
    """Return what a smaller architecture would save, tried in ``terms.budget_s`` seconds.

    terms: with samples to train on, or nothing is tried. cut: what the same widths score on the search samples when
    they are cut from the model as given, by the share that went, to be told beside it. plan: how time is measured.
    """
    if terms.train is None or find_spec("torch") is None:
        return Smaller()
    try:
        trainer = _Trainer(given, terms)
        found = trainer.all_tried()
        enough = [one for one in found if one.share_frac and one.is_enough(terms)]
        if not enough:
            return Smaller(note=_too_small(found, trainer.before, terms, cut or {}))
        return _proved(enough, given, terms, cut=cut or {}, plan=plan)
    except TwentyWattsError as error:
        return Smaller(note=f"a smaller architecture could not be tried: {clean(error)}")


def _narrowed(given: Candidate, share_frac: float) -> Candidate:
    """Return the architecture with a share of every width gone; raises RefusedError where none can go."""
    if share_frac == 0:
        return given
    narrow = prune(given, ratio=share_frac, round_to=_ROUND_TO, importance="first", through_norms=True)
    if idle_reason(given, narrow):
        raise RefusedError("no width of the model can be cut")
    return narrow


def _proved(
    enough: list[_Tried], given: Artefact, terms: Terms, *, cut: Mapping[float, float], plan: Rounds
) -> Smaller:
    """Return the advice where the guard samples prove it and it saves; else a sentence that says what is missing."""
    best, asked = _asked(enough, given, terms)
    text = f"{_told(best, asked.score, terms)}{_beside(best.share_frac, cut, terms)}"
    if not asked.is_proved:
        return Smaller(note=f"a smaller architecture is not proved: {_width(best.share_frac)}, {text}")
    timing = _timed(best, given, terms, plan)
    spent = predicted(counted(given.candidate, terms.scenario), "fp32", terms.scenario)
    if timing.saving.low <= 1.0 or spent is None:
        return Smaller(
            note=f"a smaller architecture saves nothing that could be told: {_width(best.share_frac)}, {text}"
        )
    advice = Advice(
        kind="architecture",
        machine=THIS_CPU,
        title=f"a smaller architecture, {_width(best.share_frac)} from the start",
        text=text,
        basis=Basis.MEASURED,
        saving=timing.saving,
        saved_j=taken_off(spent, timing.saving),
        against="the model as given",
    )
    return Smaller(advice=advice)


def _asked(enough: list[_Tried], given: Artefact, terms: Terms) -> tuple[_Tried, Look]:
    """Return the narrowest that the guard samples prove, the widest asked first; the widest where not even that is."""
    guard = terms.parts.reported
    before = given.outputs(guard)
    by_digest = {one.digest: one for one in sorted(enough, key=lambda one: one.share_frac)}

    def ask(digest: str) -> Look:
        return look(digest, terms.goal, before, by_digest[digest].artefact.outputs(guard), guard.targets)

    walked = walk(list(by_digest), ask)
    told = next((one for one in walked.looks if one.digest == walked.accepted), walked.looks[0])
    return by_digest[told.digest], told


def _timed(best: _Tried, given: Artefact, terms: Terms, plan: Rounds) -> Timing:
    """Return the time of an architecture in turns with the model as given."""
    inputs, batch = terms.parts.tuning.inputs, terms.scenario.batch
    calls = {
        name: session_call(one.session, inputs, batch=batch)
        for name, one in (("given", given), ("smaller", best.artefact))
    }
    return interleaved(calls, count=batch, plan=plan)["smaller"]


def _width(share_frac: float) -> str:
    return f"{100 * (1 - share_frac):.0f} % of the width" if share_frac else "the whole width"


def _told(one: _Tried, score: Score, terms: Terms) -> str:
    """Return how an architecture was trained and what it scores on the guard samples."""
    name = terms.goal.metric.name
    than = f"{_beyond(score.verdict.bound, name)} the model as given"
    return (
        f"trained from nothing in {one.epochs} passes over the same samples: {metric_text(name)} "
        f"{accuracy_text(score.value, name)} on the guard samples, {than}"
    )


def _beyond(bound: float, metric: str) -> str:
    worse, better = ("above", "below") if metric == _ERROR else ("below", "above")
    size = points_text(abs(bound), metric)
    return f"at most {size} {worse}" if bound >= 0 else f"at least {size} {better}"


def _beside(share_frac: float, cut: Mapping[float, float], terms: Terms) -> str:
    if share_frac not in cut:
        return ""
    scored = accuracy_text(cut[share_frac], terms.goal.metric.name)
    return f" (cut from the model as given, the same widths score {scored} on the search samples)"


def _too_small(found: list[_Tried], before: Outputs, terms: Terms, cut: Mapping[float, float]) -> str:
    """Return why no smaller architecture is advised: what each scored on the search samples, the whole one last."""
    if not found:
        return "there was no time to train a smaller architecture: a longer --budget tries it"
    name = terms.goal.metric.name
    scores = [
        f"{_width(one.share_frac)} scores {accuracy_text(one.score.value, name)}"
        f"{_beside(one.share_frac, cut, terms) if one.share_frac else ''}"
        for one in found
    ]
    own = accuracy_text(terms.goal.metric.score(before, terms.parts.tuning.targets), name)
    blame = ", so the training is part of it" if found[-1].share_frac == 0 and not found[-1].is_enough(terms) else ""
    return (
        f"no smaller architecture is advised: trained from nothing in {found[0].epochs} passes, "
        f"{', '.join(scores)} on the search samples, where the model as given has {own}{blame}"
    )
