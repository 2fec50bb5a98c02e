"""Targets: what each float candidate costs and keeps on each machine, one front per machine.

The comparison picks form and setting of a candidate on the search samples alone, and they alone draw the front. The
guard samples are asked along it, from the safest candidate to the cheapest, and no further than the first that is not
shown to keep the metric of the model as given: an order that is fixed beforehand needs no correction for many looks.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from twentywatts.comparison.bound import Verdict
from twentywatts.comparison.search import Bench, Choice, Goal, Outcome, make_bench
from twentywatts.comparison.split import Parts
from twentywatts.comparison.training import Trained
from twentywatts.counting import count
from twentywatts.errors import DataError, InputError, MissingExtraError, ModelError, RefusedError
from twentywatts.ledger import Ledger
from twentywatts.machines import Machine, load
from twentywatts.price import price
from twentywatts.readers import read
from twentywatts.readers.samples import Samples
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate, Value
from twentywatts.slimming.guard import Look, walk
from twentywatts.slimming.trial import Score
from twentywatts.uncertain import Interval

__all__ = ["Point", "Target", "Terms", "front_of", "targets"]

_TRAINING_MACS = 2e10  # multiply-accumulates that the training of one candidate for spikes may take


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """One candidate on one machine, in the form and setting that were chosen for it.

    energy: its account, joules per inference. against_given: its joules over those of the model as given on the same
    machine, shared figures cancelled. search, guard: its score on the search and on the guard samples, None where these
    were not asked; of a form with noise the mean of the draws, and the verdict on the worst of them.
    """

    candidate: Candidate
    form: str
    setting: dict[str, Value]
    energy: Ledger
    against_given: Interval
    search: Score
    guard: Score | None = None
    on_front: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether the guard samples prove that it keeps the metric."""
        return self.guard is not None and self.guard.verdict.keeps is True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """One machine: its points from the least energy to the most, and what it cannot carry.

    refused: (candidate, reason). reason: why there is no point at all, or empty. asked_count: how many candidates the
    guard samples were asked about. standing: chip, macro or design, as in a comparison.
    """

    machine: str
    title: str
    family: str
    standing: str = "chip"
    points: tuple[Point, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    asked_count: int = 0
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Point | None:
        """The cheapest point that is accepted, None where none is."""
        return next((point for point in self.points if point.is_accepted), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """On what terms candidates are priced.

    parts: search samples (``tuning``) and guard samples (``reported``), disjoint, neither trained on. train: samples
    that weights may be trained on for spikes, none where None. budget_s: after so many seconds no further candidate is
    begun (the model as given always is).
    """

    parts: Parts
    goal: Goal
    scenario: Scenario = field(default_factory=Scenario)
    train: Samples | None = None
    budget_s: float = float("inf")
    progress: Callable[[str, float], None] = lambda text, share: None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tried:
    """A point, and what the guard samples need to be asked about it."""

    point: Point
    bench: Bench
    choice: Choice


def targets(candidates: Sequence[Candidate], machines: Sequence[str], *, terms: Terms) -> list[Target]:
    """Return one target per machine, in the order given.

    candidates: float32 models, the model as given first. A machine that cannot carry a candidate, or is not priced,
    says why. Raises InputError where the first has steps, MachineError for an unknown machine.
    """
    if not candidates or candidates[0].steps:
        raise InputError("the first candidate must be the model as it was given: all others are held against it")
    chips = [load(name) for name in dict.fromkeys(machines)]
    wanted = [machine for machine in chips if not _why_not(machine)]
    tried: dict[str, list[_Tried]] = {machine.name: [] for machine in wanted}
    refused: dict[str, list[tuple[str, str]]] = {machine.name: [] for machine in wanted}
    notes: list[str] = []
    spiking = any(machine.family == "neuromorphic" for machine in wanted)
    for candidate, bench, loss in _benches(candidates if wanted else (), terms, notes, spiking=spiking):
        for machine in wanted:
            try:
                tried[machine.name].append(_try(candidate, bench, machine, loss))
            except RefusedError as error:
                refused[machine.name].append((candidate.brief, str(error)))
    return [
        _target(machine, tried[machine.name], refused[machine.name], tuple(notes))
        if machine in wanted
        else Target(machine=machine.name, title=machine.title, family=machine.family, reason=_why_not(machine))
        for machine in chips
    ]


def _why_not(machine: Machine) -> str:
    """Return why nothing can be asked of a machine, or an empty text."""
    if machine.family == "brain":
        return "a yardstick, not a machine that a model could run on"
    return machine.refused


def _benches(
    candidates: Sequence[Candidate], terms: Terms, notes: list[str], *, spiking: bool
) -> Iterator[tuple[Candidate, Bench, str]]:
    """Yield candidates with their benches and how their float outputs lose the metric already, or an empty text.

    The reference of every bench are the outputs of the model as given; ``notes`` grows.
    """
    start_s = time.monotonic()
    given: Bench | None = None
    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        for index, candidate in enumerate(candidates):
            if given is not None and time.monotonic() - start_s > terms.budget_s:
                left = len(candidates) - index
                notes.append(f"time ran out: {left} of {len(candidates)} candidates were not priced on other machines")
                return
            terms.progress(candidate.brief, index / len(candidates))
            try:
                bench = _bench(candidate, Path(folder, f"{index}.onnx"), terms)
            except (ModelError, DataError) as error:
                if given is None:
                    raise
                notes.append(f"{candidate.brief}: {error}")
                continue
            given = given or bench
            loss = _loss(given, bench)
            bench = replace(bench, tuned=given.tuned, reported=given.reported)
            yield candidate, _for_spikes(bench, terms, notes) if spiking and not loss else bench, loss


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


def _for_spikes(bench: Bench, terms: Terms, notes: list[str]) -> Bench:
    """Return the bench with weights fine-tuned for few timesteps where there is something to train on."""
    from twentywatts.forms.spiking.qcfs import Schedule, fine_tune

    train, seed = terms.train, terms.scenario.seed
    if train is None:
        return bench
    schedule = Schedule(mac_budget=_TRAINING_MACS, seed=seed)
    try:
        prepared = fine_tune(bench.network, train.inputs, train.targets, schedule=schedule)
    except (MissingExtraError, RefusedError) as error:
        note = f"spiking rows are not fine-tuned on the training data: {error}"
        if note not in notes:
            notes.append(note)
        return bench
    every = np.arange(terms.parts.tuning.count)  # no search sample was trained on: all of them choose the timesteps
    return replace(bench, trained=Trained(prepared=prepared, held=every))


def _try(candidate: Candidate, bench: Bench, machine: Machine, loss: str) -> _Tried:
    """Return a candidate on a machine as the search samples show it; raises RefusedError. loss: of its float outputs.

    On a processor a candidate that loses costs nothing to look at; in other forms all their settings would be tried.
    """
    if loss and machine.family != "processor":
        raise RefusedError(
            f"not tried in the form of this machine, because its float outputs fall short already: {loss}"
        )
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
    metric, samples = bench.goal.metric, bench.parts.tuning if tuning else bench.parts.reported
    before = metric.score((bench.tuned if tuning else bench.reported).outputs, samples.targets)
    value = bench.score(outcome, tuning=tuning)
    return Score(value=value, drop=metric.sign * (before - value), verdict=verdict, sample_count=samples.count)


def _target(
    machine: Machine, tried: Sequence[_Tried], refused: Sequence[tuple[str, str]], notes: tuple[str, ...]
) -> Target:
    """Return a machine's points, the guard samples asked along their front."""
    given = next((one.point.energy for one in tried if not one.point.candidate.steps), None)
    by_digest = {one.point.candidate.digest: one for one in tried}
    front = [point.candidate.digest for point in front_of([one.point for one in tried])]
    asked = _asked([by_digest[digest] for digest in front], tried[0].bench.goal.max_drop) if tried else {}
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


def _asked(front: Sequence[_Tried], max_drop: float) -> dict[str, Score]:
    """Return what the guard samples say, by digest, of those that promise to keep the metric. front: cheapest first."""
    tried = {one.point.candidate.digest: one for one in reversed(front) if one.point.search.drop <= max_drop}

    def ask(digest: str) -> Look:
        bench, outcome = tried[digest].bench, tried[digest].choice.outcome
        verdict = bench.verdict(outcome, tuning=False)
        return Look(digest=digest, score=_score(bench, outcome, verdict, tuning=False))

    return {one.digest: one.score for one in walk(list(tried), ask).looks}


def front_of(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both joules and the metric on the search samples, cheapest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.energy.energy_j.mid, point.search.drop)):
        if not front or point.search.drop < front[-1].search.drop:
            front.append(point)
    return front
