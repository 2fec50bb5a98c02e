"""Targets: what each float candidate costs and keeps on each machine, one front per machine.

The comparison picks form and setting of a candidate on the search samples alone, and they alone draw the front. The
guard samples are asked along it, from the model as given and the safest candidate to the cheapest, and no further than
the first that is not shown to keep the metric: an order that is fixed beforehand needs no correction for many looks.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from twentywatts.comparison.bound import Verdict
from twentywatts.comparison.search import Bench, Choice, Outcome, make_bench
from twentywatts.comparison.training import Trained
from twentywatts.counting import count
from twentywatts.errors import DataError, InputError, MissingExtraError, ModelError, RefusedError
from twentywatts.machines import Machine, load_all
from twentywatts.price import price
from twentywatts.readers import read
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.fronts import Point, Target, Terms, front_of
from twentywatts.slimming.proof.guard import Look, walk
from twentywatts.slimming.proof.trial import Score
from twentywatts.uncertain import Interval

__all__ = ["Point", "Target", "Terms", "front_of", "targets"]

_TRAINING_MACS = 2e10  # multiply-accumulates that the training of one candidate for spikes may take
_TRAINED_MACS_PER_S = 3e8  # what a slow core does of them: short budgets train little, and still end in time
_TRAINING_FRAC = 0.25  # of the time that is left
_CHEAPER = 0.98  # a candidate that takes more than this of one that is proved already is not asked about
_SPIKING = "neuromorphic"
_PACE = {"processor": 0, "crossbar": 1, _SPIKING: 2}  # whose forms are run first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tried:
    """A point, and what the guard samples need to be asked about it."""

    point: Point
    bench: Bench
    choice: Choice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Subject:
    """A candidate with its bench, whose reference are the outputs of the model as given.

    loss: how its float outputs are shown to fall short on the search samples, or empty.
    """

    candidate: Candidate
    bench: Bench
    loss: str


class _Turns:
    """The time that is left, whose turn is told to whoever waits, and what a reader must know of all that."""

    def __init__(self, terms: Terms, count: int) -> None:
        self._end_s, self._progress, self._count = time.monotonic() + terms.budget_s, terms.progress, max(count, 1)
        self._done, self._notes = 0, list[tuple[str, str]]()

    @property
    def left_s(self) -> float:
        return self._end_s - time.monotonic()

    def tell(self, text: str) -> None:
        self._progress(text, min(self._done / self._count, 1.0))
        self._done += 1

    def note(self, text: str, *, only: str = "") -> None:
        """Note something of all machines, or of one machine or family alone."""
        if (only, text) not in self._notes:
            self._notes.append((only, text))

    def notes(self, machine: Machine) -> tuple[str, ...]:
        """Return what was noted that concerns a machine."""
        return tuple(text for only, text in self._notes if only in ("", machine.name, machine.family))


def targets(candidates: Sequence[Candidate], machines: Sequence[str], *, terms: Terms) -> list[Target]:
    """Return one target per machine, in the order given.

    candidates: float32 models, the model as given first. Machines whose forms are quick come first; the model as given
    is run on each, whatever time is left. A machine that cannot carry a candidate, or is not priced, says why.
    Raises InputError where the first has steps, MachineError for an unknown machine.
    """
    if not candidates or candidates[0].steps:
        raise InputError("the first candidate must be the model as it was given: all others are held against it")
    chips = load_all(machines)
    wanted = sorted((machine for machine in chips if not _why_not(machine)), key=lambda chip: _PACE[chip.family])
    turns = _Turns(terms, len(wanted) * len(candidates))
    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        subjects = _subjects(candidates if wanted else (), Path(folder), terms, turns)
        tried, refused = _all_tried(subjects, wanted, terms, turns)
    return [
        _target(machine, tried[machine.name], refused[machine.name], turns.notes(machine))
        if machine in wanted
        else Target(machine=machine.name, title=machine.title, family=machine.family, reason=_why_not(machine))
        for machine in chips
    ]


def _all_tried(
    subjects: Sequence[_Subject], machines: Sequence[Machine], terms: Terms, turns: _Turns
) -> tuple[dict[str, list[_Tried]], dict[str, list[tuple[str, str]]]]:
    """Return by machine what was tried, and candidates that it refuses with the reason."""
    tried: dict[str, list[_Tried]] = {machine.name: [] for machine in machines}
    refused: dict[str, list[tuple[str, str]]] = {machine.name: [] for machine in machines}
    spiking: dict[str, Bench] = {}  # with weights for few timesteps, by digest: several chips share them
    left: dict[str, int] = {}
    for machine, subject in product(machines, subjects):
        if subject is not subjects[0] and turns.left_s <= 0:
            left[machine.name] = left.get(machine.name, 0) + 1
            continue
        turns.tell(f"{subject.candidate.brief} as {machine.title} would run it")
        try:
            if subject.loss and machine.family != "processor":  # in other forms all settings would be tried in vain
                raise RefusedError(f"not tried: its float outputs fall short already: {subject.loss}")
            bench, digest = subject.bench, subject.candidate.digest
            if machine.family == _SPIKING:
                if digest not in spiking:
                    spiking[digest] = _for_spikes(subject, terms, turns)
                bench = spiking[digest]
            tried[machine.name].append(_try(subject.candidate, bench, machine))
        except RefusedError as error:
            refused[machine.name].append((subject.candidate.brief, str(error)))
    for missed in sorted(set(left.values())):
        names = [name for name, count in left.items() if count == missed]
        was = f"{missed} of {len(subjects)} candidates {'was' if missed == 1 else 'were'}"
        for name in names:
            turns.note(
                f"time ran out: {was} not run as {', '.join(names)} would; a longer --budget has more", only=name
            )
    return tried, refused


def _why_not(machine: Machine) -> str:
    """Return why nothing can be asked of a machine, or an empty text."""
    if machine.family == "brain":
        return "a yardstick, not a machine that a model could run on"
    return machine.refused


def _subjects(candidates: Sequence[Candidate], folder: Path, terms: Terms, turns: _Turns) -> list[_Subject]:
    """Return the candidates that can be read, the model as given first; raises ModelError and DataError for that."""
    found: list[_Subject] = []
    for index, candidate in enumerate({one.digest: one for one in candidates}.values()):
        try:
            bench = _bench(candidate, folder / f"{index}.onnx", terms)
        except (ModelError, DataError) as error:
            if not found:
                raise
            turns.note(f"{candidate.brief}: {error}")
            continue
        given = found[0].bench if found else bench
        loss = _loss(given, bench)
        bench = replace(bench, tuned=given.tuned, reported=given.reported)
        found.append(_Subject(candidate=candidate, bench=bench, loss=loss))
    return found


def _loss(given: Bench, bench: Bench) -> str:
    """Return how far the float outputs are shown to fall short on the search samples, or an empty text."""
    targets, goal = given.parts.tuning.targets, given.goal
    verdict = goal.metric.verdict(given.tuned.outputs, bench.tuned.outputs, targets, goal.max_drop)
    return verdict.sentence if verdict.keeps is False else ""


def _bench(candidate: Candidate, path: Path, terms: Terms) -> Bench:
    path.write_bytes(candidate.content)
    axes = terms.scenario.axes
    network = read(path, batch=1, axes=axes)
    counts = count(path, batch=terms.scenario.batch, axes=axes)
    return make_bench(network, counts, terms.parts, goal=terms.goal, scenario=terms.scenario)


def _for_spikes(subject: _Subject, terms: Terms, turns: _Turns) -> Bench:
    """Return the bench with weights fine-tuned for few timesteps where there is something to train on, and time."""
    from twentywatts.forms.spiking.qcfs import Schedule, fine_tune

    train, bench = terms.train, subject.bench
    if train is None:
        return bench
    if turns.left_s <= 0:
        turns.note(f"{subject.candidate.brief} is not trained for few spikes: the time ran out", only=_SPIKING)
        return bench
    macs = min(_TRAINING_MACS, max(_TRAINING_FRAC * turns.left_s, 0.0) * _TRAINED_MACS_PER_S)
    turns.tell(f"training {subject.candidate.brief} for few spikes")
    try:
        schedule = Schedule(mac_budget=macs, seed=terms.scenario.seed)
        prepared = fine_tune(bench.network, train.inputs, train.targets, schedule=schedule)
    except (MissingExtraError, RefusedError) as error:
        turns.note(f"{subject.candidate.brief} is not trained for few spikes: {error}", only=_SPIKING)
        return bench
    every = np.arange(terms.parts.tuning.count)  # no search sample was trained on: all of them choose the timesteps
    return replace(bench, trained=Trained(prepared=prepared, held=every))


def _try(candidate: Candidate, bench: Bench, machine: Machine) -> _Tried:
    """Return a candidate on a machine as the search samples show it; raises RefusedError."""
    choice = bench.choose(machine)
    ledger = price(choice.outcome.workload, machine, bench.scenario)
    point = Point(
        candidate=candidate,
        form=choice.form.name,
        setting=dict(choice.form.setting),
        energy=ledger,
        against_given=Interval(low=1.0, mid=1.0, high=1.0),
        search=_score(bench, choice.tuned, choice.tuning, tuning=True),
    )
    return _Tried(point=point, bench=bench, choice=choice)


def _score(bench: Bench, outcome: Outcome, verdict: Verdict, *, tuning: bool) -> Score:
    """Return the score of an outcome against the model as given."""
    samples = bench.parts.tuning if tuning else bench.parts.reported
    return Score(
        value=bench.score(outcome, tuning=tuning),
        drop=bench.drop(outcome, tuning=tuning),
        verdict=verdict,
        sample_count=samples.count,
    )


def _target(
    machine: Machine, tried: Sequence[_Tried], refused: Sequence[tuple[str, str]], notes: tuple[str, ...]
) -> Target:
    """Return a machine's points, the guard samples asked along their front."""
    given = next((one.point.energy for one in tried if not one.point.candidate.steps), None)
    by_digest = {one.point.candidate.digest: one for one in tried}
    front = [point.candidate.digest for point in front_of([one.point for one in tried])]
    asked = _asked(tried, front)
    points = [
        replace(
            one.point,
            guard=asked.get(digest),
            on_front=digest in front,
            against_given=one.point.against_given if given is None else one.point.energy.ratio(given).interval,
        )
        for digest, one in by_digest.items()
    ]
    return Target(
        machine=machine.name,
        title=machine.title,
        family=machine.family,
        standing=machine.standing,
        points=tuple(sorted(points, key=lambda point: (point.energy.energy_j.mid, point.candidate.digest))),
        refused=tuple(refused),
        reason="" if points else "; ".join(dict.fromkeys(reason for _, reason in refused)) or "no candidate at all",
        asked_count=len(asked),
        notes=notes,
    )


def _asked(tried: Sequence[_Tried], front: Sequence[str]) -> dict[str, Score]:
    """Return what the guard samples say, by digest. front: digests, the cheapest first.

    The model as given is asked about first where it promises to keep the metric in the form of this machine, then the
    front from its safest end, each at least 2 % cheaper than the one before: a look at anything else would be wasted.
    """
    by_digest = {one.point.candidate.digest: one for one in tried}
    given = [digest for digest, one in by_digest.items() if not one.point.candidate.steps]
    order: list[str] = []
    for digest in (*given, *reversed(front)):
        point = by_digest[digest].point
        limit_j = _CHEAPER * by_digest[order[-1]].point.energy.energy_j.mid if order else float("inf")
        if point.search.drop <= by_digest[digest].bench.goal.max_drop and point.energy.energy_j.mid < limit_j:
            order.append(digest)

    def ask(digest: str) -> Look:
        bench, outcome = by_digest[digest].bench, by_digest[digest].choice.outcome
        verdict = bench.verdict(outcome, tuning=False)
        return Look(digest=digest, score=_score(bench, outcome, verdict, tuning=False))

    return {one.digest: one.score for one in walk(order, ask).looks}
