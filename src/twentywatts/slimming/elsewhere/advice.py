"""Advice that is no compression: batching, another runtime, fewer threads, a method without a network.

A smaller architecture has its own module, ``smaller``.

What happens on this processor is measured, in turns, as processor time; what happens on other machines and what a
classical method costs is predicted from counts. Each piece says which, and none is given that does not save.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from twentywatts.comparison.baselines import baselines
from twentywatts.comparison.result import Baseline
from twentywatts.comparison.search import Bench, make_bench
from twentywatts.comparison.text import accuracy_text, metric_text
from twentywatts.counting import count, processor_workload
from twentywatts.errors import TwentyWattsError
from twentywatts.ledger import Ledger
from twentywatts.machines import Machine, load
from twentywatts.price import price
from twentywatts.readers import read
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.targets import Target, Terms
from twentywatts.slimming.files import candidate_file
from twentywatts.slimming.steps.int8 import is_quantised
from twentywatts.slimming.timing.measuring import Call, Rounds
from twentywatts.slimming.timing.pricing import THIS_CPU
from twentywatts.slimming.timing.using import batch_savings, eager_saving, thread_saving
from twentywatts.uncertain import Interval
from twentywatts.units import format_si

__all__ = ["Advice", "Basis", "advise", "taken_off"]

_BATCHES = (8, 64)
_LEARNING_S = 3.0  # below which classical methods are not begun
_LEAST_SAVING = 1.05  # less than this is not worth a sentence


class Basis(StrEnum):
    """What a saving rests on."""

    MEASURED = "measured processor time"
    PREDICTED = "predicted joules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing to do that compresses nothing.

    kind: batching, runtime, threads, architecture or baseline. saving: how many times less it is, with its 90 %
    interval, of what ``basis`` says. saved_j: joules per inference that it takes off, which rank it: those predicted
    for ``machine``; where the basis is processor time, joules are taken to follow it. against: what it is held against.
    """

    kind: str
    machine: str
    title: str
    text: str
    basis: Basis
    saving: Interval
    saved_j: Interval
    against: str


def advise(
    given: Candidate,
    shipped: Candidate,
    *,
    terms: Terms,
    targets: Sequence[Target] = (),
    eager: Call | None = None,
    plan: Rounds | None = None,
) -> tuple[Advice, ...]:
    """Return what else would save joules, the most joules first.

    given: the model as it was given. shipped: what runs here, float or int8. targets: other machines, for batches on
    them. eager: runs one batch of the module in torch, None where a file was given. plan: how time is measured. What
    cannot be tried (another batch of a model that demands one, a method where scikit-learn is missing) is left out, and
    so is what there is no time for.
    """
    with candidate_file(given) as path:
        bench = _bench(path, terms)
    here, rounds = load(THIS_CPU), plan or Rounds()
    before = price(bench.reported.workload, here, terms.scenario)
    spent = _account(shipped, "int8" if is_quantised(shipped) else "fp32", here, terms.scenario)
    ways: list[tuple[float, Callable[[], Iterator[Advice]]]] = [
        (0.0, lambda: _batching_here(shipped, spent, terms, rounds)),
        (0.0, lambda: _threads(shipped, spent, terms, rounds)),
        (0.0, lambda: _runtime(given, before, terms, eager, rounds)),
        (0.0, lambda: _batching_there(targets, terms)),
        (_LEARNING_S, lambda: _simpler(bench, here, spent)),
    ]
    end_s = time.monotonic() + terms.budget_s
    found = [advice for least_s, way in ways if time.monotonic() + least_s <= end_s for advice in _tried(way)]
    return tuple(sorted(found, key=lambda one: -one.saved_j.mid))


def _tried(way: Callable[[], Iterator[Advice]]) -> list[Advice]:
    """Return what one way of saving gives, where it can be tried and saves beyond its interval."""
    try:
        return [advice for advice in way() if advice.saving.mid >= _LEAST_SAVING and advice.saving.low > 1.0]
    except (TwentyWattsError, ModuleNotFoundError):
        return []


def _account(candidate: Candidate, precision: str, machine: Machine, scenario: Scenario) -> Ledger:
    """Return what a candidate is predicted to spend on a processor."""
    with candidate_file(candidate) as path:
        counts = count(path, batch=1, axes=scenario.axes)
    return price(processor_workload(counts, precision=precision, batch=scenario.batch), machine, scenario)


def _bench(path: Path, terms: Terms) -> Bench:
    """Return the model as given, on what a classical method may learn from and the guard samples."""
    parts = terms.parts if terms.train is None else replace(terms.parts, tuning=terms.train)
    scenario = terms.scenario
    counts = count(path, batch=scenario.batch, axes=scenario.axes)
    return make_bench(read(path, batch=1, axes=scenario.axes), counts, parts, goal=terms.goal, scenario=scenario)


def taken_off(spent: Ledger, saving: Interval) -> Interval:
    """Return the joules that a saving, so many times less, takes off what was spent."""
    joules = spent.energy_j.interval
    low, mid, high = (max(1.0 - 1.0 / max(value, 1e-9), 0.0) for value in (saving.low, saving.mid, saving.high))
    return Interval(low=joules.low * low, mid=joules.mid * mid, high=joules.high * high)


def _larger(terms: Terms) -> list[int]:
    return [size for size in _BATCHES if size > terms.scenario.batch]


def _together(size: int) -> str:
    return f"serve {size} inferences together"


def _batching_here(shipped: Candidate, spent: Ledger, terms: Terms, plan: Rounds) -> Iterator[Advice]:
    base, inputs = terms.scenario.batch, terms.parts.tuning.inputs
    found = batch_savings(shipped.content, inputs, base=base, batches=_larger(terms), plan=plan)
    for size, saving in found.items():
        yield Advice(
            kind="batching",
            machine=THIS_CPU,
            title=_together(size),
            text="each waits for the others: worth it where requests come faster than that or may be late",
            basis=Basis.MEASURED,
            saving=saving,
            saved_j=taken_off(spent, saving),
            against=f"what ships, in batches of {base}",
        )


def _threads(shipped: Candidate, spent: Ledger, terms: Terms, plan: Rounds) -> Iterator[Advice]:
    saving, clock = thread_saving(shipped.content, terms.parts.tuning.inputs, batch=terms.scenario.batch, plan=plan)
    pace = f"{clock.mid:.2g} times faster" if clock.mid >= 1 else f"{1 / clock.mid:.2g} times slower"
    yield Advice(
        kind="threads",
        machine=THIS_CPU,
        title="run one inference on one thread, several side by side",
        text=f"on the clock one inference is then {pace}; threads that wait for each other spin",
        basis=Basis.MEASURED,
        saving=saving,
        saved_j=taken_off(spent, saving),
        against="the runtime's default of all cores",
    )


def _runtime(given: Candidate, spent: Ledger, terms: Terms, eager: Call | None, plan: Rounds) -> Iterator[Advice]:
    if eager is None:
        return
    inputs, batch = terms.parts.tuning.inputs, terms.scenario.batch
    saving = eager_saving(given.content, inputs, eager=eager, batch=batch, plan=plan)
    less = taken_off(spent, saving)
    yield Advice(
        kind="runtime",
        machine=THIS_CPU,
        title="run the exported ONNX file in onnxruntime, whatever else is done",
        text="the model as it was given, not one weight changed; every other saving is told against this",
        basis=Basis.MEASURED,
        saving=saving,
        saved_j=Interval(low=less.low * saving.low, mid=less.mid * saving.mid, high=less.high * saving.high),
        against="torch, operator by operator",
    )


def _simpler(bench: Bench, here: Machine, spent: Ledger) -> Iterator[Advice]:
    """Yield the cheapest classical method that the guard samples prove good enough; a dearer one is no advice."""
    enough = [one for one in baselines(bench, here, spent) if one.good_enough]
    for one in sorted(enough, key=lambda one: one.ledger.energy_j.mid)[:1]:
        yield _baseline(one, bench, spent)


def _baseline(found: Baseline, bench: Bench, spent: Ledger) -> Advice:
    metric = bench.goal.metric.name
    saving = (spent.energy_j / found.ledger.energy_j).interval
    return Advice(
        kind="baseline",
        machine=THIS_CPU,
        title=f"{found.name} instead of a network",
        text=f"{metric_text(metric)} {accuracy_text(found.accuracy, metric)} on the guard samples, shown to be enough",
        basis=Basis.PREDICTED,
        saving=saving,
        saved_j=taken_off(spent, saving),
        against="what ships",
    )


def _batching_there(targets: Sequence[Target], terms: Terms) -> Iterator[Advice]:
    """Yield what batches save on each processor that was asked for, of the best (or else the first) point there."""
    for target in targets:
        point = target.best or next(iter(target.points), None)
        if target.family != "processor" or target.machine == THIS_CPU or point is None:
            continue
        for size in _larger(terms):
            scenario = replace(terms.scenario, batch=size)
            ledger = _account(point.candidate, str(point.setting["precision"]), load(target.machine), scenario)
            saving = (point.energy.energy_j / ledger.energy_j).interval
            yield Advice(
                kind="batching",
                machine=target.machine,
                title=_together(size),
                text=f"a batch takes {format_si(ledger.latency_s.mid, 's')}; each waits for the others",
                basis=Basis.PREDICTED,
                saving=saving,
                saved_j=taken_off(point.energy, saving),
                against=f"{point.candidate.brief}, {point.form}, in batches of {terms.scenario.batch}",
            )
