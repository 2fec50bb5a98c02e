"""The lab: one model on its samples. It runs candidates as they ship, times them and remembers all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.search import Goal
from twentywatts.comparison.split import Parts
from twentywatts.errors import DataError, InputError, MissingExtraError, RefusedError, TwentyWattsError
from twentywatts.readers.samples import Samples
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.guard import Look, look
from twentywatts.slimming.proof.soft import soft_drop_bound
from twentywatts.slimming.proof.trial import Artefact, NotNumbersError, Outputs, Trial, opened, score_of
from twentywatts.slimming.searching.clock import Clock
from twentywatts.slimming.searching.memory import Memory
from twentywatts.slimming.searching.packing import packed, worth_trying
from twentywatts.slimming.searching.rungs import FLOAT, RepeatedError, Rung
from twentywatts.slimming.timing.measuring import Call, Rounds, Timing, interleaved, joules, session_call
from twentywatts.slimming.timing.noop import idle_reason

__all__ = ["Lab", "Make", "Question", "begun_key", "make_lab"]

# request, lab, seconds that it may take → float candidate; raises RefusedError where it cannot be made
Make = Callable[[Rung, "Lab", float], Candidate]
_QUICK = Rounds(rounds=5, window_s=0.004)
_BRIEF = Rounds(rounds=7, window_s=0.004)
_LEAST_END_S = 3.0
_END_WINDOWS, _WINDOW_S = 300, 0.01  # of all measurements at the end: the best few, what ships, its steps
_LOOKS = 3  # at the guard samples, as a rule


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is asked: what must be kept, how the model is used, which kinds of steps may be taken, whether to time."""

    goal: Goal
    scenario: Scenario
    methods: frozenset[str]
    is_timed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lab:
    """A model, its samples, and everything that was tried so far.

    parts: search samples (``tuning``) and guard samples (``reported``). train: samples to train on, None where none
    were given. given: the model as it was given, as an artefact; given_search, given_guard: its outputs. trials: by
    key, in the order in which they were tried; refused: what could not be made or run, in words, and why, by key.
    passed_over: what there was no time for, in words, by the key of the request.
    begun: requests by what they come to before training. took_s: seconds that requests took, by kind. memory: where
    trials are kept. scores, harms: how much each weight and each residual block matters, by the digest of the candidate
    that has it. mixtures: samples to train on with mixtures, by seed.
    """

    given: Artefact
    parts: Parts
    train: Samples | None
    question: Question
    given_search: Outputs
    given_guard: Outputs
    memory: Memory
    clock: Clock
    trials: dict[str, Trial] = field(default_factory=dict)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    scores: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    harms: dict[str, dict[str, float]] = field(default_factory=dict)
    mixtures: dict[int, Samples] = field(default_factory=dict)
    took_s: dict[str, list[float]] = field(default_factory=dict)
    _open: dict[str, Artefact] = field(default_factory=dict)

    @property
    def calibration(self) -> Samples:
        """Samples that ranges of activations are taken from: to train on, else those of the search."""
        return self.train or self.parts.tuning

    def tried(self, rung: Rung, make: Make, time_s: float, *, is_brief: bool = False) -> list[Trial]:
        """Return the trials of a rung as far as they can be made; found ones are not made again.

        time_s: that making it may take [s]. is_brief: in float alone. Fewer bits of what was cut or trained are tried
        while there is time.
        """
        found: dict[str, Trial] = {}
        before_s, is_new = self.clock.elapsed_s, False
        for packing in (FLOAT,) if is_brief else worth_trying(self, rung, found):
            key = f"{packing} {rung.key}"
            if key not in self.trials and key not in self.refused:
                if is_new and _kind(rung) and self.clock.is_over:
                    break
                self._try(key, rung, packing, lambda: make(rung, self, time_s))
                is_new = True
            if key in self.trials:
                found[packing] = self.trials[key]
        if found and is_new:
            self.took_s.setdefault(_kind(rung), []).append(self.clock.elapsed_s - before_s)
        return list(found.values())

    def usual_s(self, rung: Rung) -> float:
        """Return how long a request of this kind takes, the median so far [s]; 0 where none was seen.

        The first loads libraries and scores weights, once for all: half of it is counted while it is the only one.
        """
        seen = sorted(self.took_s.get(_kind(rung), ()))
        return seen[(len(seen) - 1) // 2] / (2 if len(seen) == 1 else 1) if seen else 0.0

    @property
    def making_s(self) -> float:
        """Seconds that making one candidate may take: running, packing and timing it come after that."""
        return max(0.0, self.clock.left_s - self.usual_s(Rung(cut=0.5)))

    def _try(self, key: str, rung: Rung, packing: str, make: Callable[[], Candidate]) -> None:
        """Try one request; what cannot be made or run is refused, unless it is the model as given itself."""
        made = self.trials.get(f"{FLOAT} {rung.key}")
        try:
            trial = self._run(rung, make() if made is None else made.floating, packing)
        except RepeatedError:
            self.refused[key] = ("", "")
        except (RefusedError, InputError, MissingExtraError) as error:
            if key == f"{FLOAT} {Rung().key}":
                raise
            words = rung.text if packing == FLOAT else f"{rung.text}, {packing}"
            self.refused[key] = (words, str(error))
        else:
            self.trials[key] = trial
            self.memory.remember(trial)
            self.memory.spend(self.clock.elapsed_s, self.clock.cpu_s)

    def _run(self, rung: Rung, floating: Candidate, packing: str) -> Trial:
        shipped = packed(floating, packing, self)
        artefact = self.opened(shipped)
        outputs = artefact.outputs(self.parts.tuning)
        score = score_of(self.question.goal, self.given_search, outputs, self.parts.tuning.targets)
        timing = self.timed({self.given.candidate.digest: self.given, shipped.digest: artefact}, _QUICK)
        if timing:
            call_s = timing[self.given.candidate.digest].time_s.mid * self.question.scenario.batch
            self.clock.expected_s["timing"] = _END_WINDOWS * max(call_s, _WINDOW_S)
        return Trial(
            rung=rung,
            floating=floating,
            shipped=shipped,
            packing=packing,
            score=score,
            time_s=timing[shipped.digest].time_s.mid if timing else None,
            saving=timing[shipped.digest].saving.mid if timing else None,
            idle=self._idle(floating, shipped),
            risk=self._risk(outputs),
        )

    def _risk(self, outputs: Outputs) -> float | None:
        """Return the soft drop of a candidate's outputs, None where the metric is not the share of right classes."""
        if self.question.goal.metric.name != "accuracy":
            return None
        return soft_drop_bound(self.given_search, outputs, self.parts.tuning.targets)

    def _idle(self, floating: Candidate, shipped: Candidate) -> str:
        """Return why the last step did nothing, where the candidate before it is at hand; else an empty text."""
        before = floating if shipped is not floating else self.given.candidate
        return idle_reason(before, shipped) if len(shipped.steps) == len(before.steps) + 1 else ""

    def opened(self, candidate: Candidate, *, is_held: bool = False) -> Artefact:
        """Return a candidate in its session: the one whose outputs are scored is the one that is timed.

        is_held: keep the session, for the few that are asked about again.
        """
        if candidate.digest == self.given.candidate.digest:
            return self.given
        if candidate.digest in self._open:
            return self._open[candidate.digest]
        artefact = opened(candidate, limit=self.given.limit)
        if is_held:
            self._open[candidate.digest] = artefact
        return artefact

    def metered(self, artefacts: Mapping[str, Artefact]) -> dict[str, float]:
        """Return joules of the model as given over those of each artefact, by digest.

        Empty where no counter lives, and where no time is left: counters need seconds to see anything.
        """
        if not self.question.is_timed or self.clock.is_overdrawn:
            return {}
        try:
            found = joules(self._calls(artefacts), count=self.question.scenario.batch)
        except TwentyWattsError:
            return {}
        given_j = found[self.given.candidate.digest].mid
        return {digest: given_j / own.mid for digest, own in found.items() if own.mid > 0}

    def _calls(self, artefacts: Mapping[str, Artefact]) -> dict[str, Call]:
        inputs, batch = self.parts.tuning.inputs, self.question.scenario.batch
        return {name: session_call(one.session, inputs, batch=batch) for name, one in artefacts.items()}

    def plan(self, full: Rounds) -> Rounds:
        """Return how the end is measured: as planned, a tenth of the budget at most; briefly where time has run out."""
        most_s = max(_LEAST_END_S, 0.1 * self.clock.budget_s)
        return replace(_BRIEF if self.clock.is_overdrawn else full, seed=full.seed, most_s=most_s)

    def timed(self, artefacts: Mapping[str, Artefact], plan: Rounds) -> dict[str, Timing]:
        """Return processor time by digest, in turns, the model as given first; empty where nothing is timed here."""
        if not self.question.is_timed:
            return {}
        return interleaved(self._calls(artefacts), count=self.question.scenario.batch, plan=plan)

    def asked(self, trial: Trial) -> Look:
        """Return what the guard samples say of a trial, in the session that is timed; asked once, then remembered."""
        known = self.memory.looks.get(trial.digest)
        if known is None:
            self.memory.announce(trial.digest)
            outputs = self.opened(trial.shipped, is_held=True).outputs(self.parts.reported)
            known = look(trial.digest, self.question.goal, self.given_guard, outputs, self.parts.reported.targets)
            self.memory.seen(known)
        return known


def make_lab(
    given: Artefact, parts: Parts, *, train: Samples | None, question: Question, memory: Memory, clock: Clock
) -> Lab:
    """Return the lab of a model; raises DataError where its own outputs cannot be held against."""
    outputs = []
    before_s = clock.cpu_s
    for samples in (parts.tuning, parts.reported):
        try:
            found = given.outputs(samples)
        except NotNumbersError as error:
            raise DataError(f"{error}: check the model's weights and how 'x' is scaled") from None
        outputs.append(found)
        score_of(question.goal, found, found, samples.targets)
    clock.expected_s["guard"] = _LOOKS * (clock.cpu_s - before_s)
    lab = Lab(
        given=given,
        parts=parts,
        train=train,
        question=question,
        given_search=outputs[0],
        given_guard=outputs[1],
        memory=memory,
        clock=clock,
    )
    for trial in memory.recalled():
        is_given = trial.floating.digest == given.candidate.digest
        if (not trial.floating.steps or (trial.rung == Rung() and trial.packing == FLOAT)) and not is_given:
            continue  # a log that was tampered with: the model as given is the one that was given
        lab.trials[trial.key] = trial
        begun = trial.floating.parent if trial.rung.epochs or trial.rung.is_hardened else trial.floating.digest
        lab.begun[begun_key(begun, trial.rung)] = trial.rung.key
    return lab


def _kind(rung: Rung) -> str:
    """Return the kind of a request by what it takes: one that is trained, one that is cut, or anything else."""
    if rung.epochs or rung.is_hardened:
        return "trained"
    return "cut" if rung.is_long else ""


def begun_key(digest: str, rung: Rung) -> str:
    """Return what a request comes to before training: the same for the same widths and the same training."""
    return f"{digest} {rung.epochs} {rung.is_hardened} {rung.is_narrow} {rung.seed}"
