"""A small result of slimming with fixed numbers, made of the real records and priced by the real pricers."""

from __future__ import annotations

from dataclasses import replace

from tests.support.example_comparison import fake_machine, processor_workload
from tests.support.golden import RUN

from twentywatts.comparison.bound import judge
from twentywatts.comparison.result import ModelSummary, Refusal
from twentywatts.ledger import Ledger
from twentywatts.price import price
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.elsewhere.advice import Advice, Basis
from twentywatts.slimming.elsewhere.orders import OrderDifference
from twentywatts.slimming.elsewhere.targets import Point, Target
from twentywatts.slimming.proof.guard import ClassDrop, Look
from twentywatts.slimming.proof.trial import Score
from twentywatts.slimming.result import Entry, SlimData, Slimmed
from twentywatts.slimming.timing.measuring import Timing
from twentywatts.slimming.timing.noop import Effect, Standing
from twentywatts.slimming.timing.outcome import Outcome
from twentywatts.slimming.timing.payback import Cost, Payback
from twentywatts.uncertain import Interval

GIVEN = Candidate(content=b"the model as given")
PRUNED = GIVEN.then(Step(name="prune", settings={"ratio": 0.5, "round_to": 8}, notes=("conv0: 24 → 16",)), b"pruned")
TRAINED = PRUNED.then(Step(name="distil", settings={"epochs": 40}, seed=3), b"trained")
INT8 = TRAINED.then(Step(name="int8"), b"in eight bits")
SCENARIO = Scenario(batch=8)


def span(mid: float) -> Interval:
    return Interval(low=mid / 1.25, mid=mid, high=mid * 1.25)


def score(lost: int, gained: int, count: int) -> Score:
    """How a candidate fares against a model that has 95 % of ``count`` right."""
    right = round(0.95 * count) - lost + gained
    return Score(
        value=right / count,
        drop=(lost - gained) / count,
        verdict=judge(lost, gained, count, 0.02),
        sample_count=count,
        lost=lost,
        gained=gained,
    )


def ledger(precision: str = "fp32") -> Ledger:
    return price(processor_workload(precision), fake_machine("processor", "this-cpu"), SCENARIO)


def entry(candidate: Candidate, lost: int, saving: float, look: Look | None = None) -> Entry:
    is_int8 = candidate is INT8
    return Entry(
        candidate=candidate,
        floating=TRAINED if is_int8 else candidate,
        precision="int8" if is_int8 else "fp32",
        search=score(lost, 1 if lost else 0, 300),
        mac_count=189_440 // (2 if candidate.steps else 1),
        parameter_count=7_568,
        file_bytes=len(candidate.content),
        look=look,
        ledger=ledger("int8" if is_int8 else "fp32"),
        time_s=2e-5 / saving,
        saving=saving,
        timed="turns" if is_int8 else "fresh",
        on_front=candidate is not GIVEN,
        no_effect="no product runs in integers" if is_int8 else "",
    )


def golden_slim() -> Slimmed:
    """One candidate proved, one refused by the guard samples, one machine with a front and one that refuses."""
    worst = ClassDrop(label=3, sample_count=70, before=68, after=66)
    trained = entry(TRAINED, 2, 2.0, Look(digest=TRAINED.digest, score=score(3, 1, 700), worst=worst))
    quantised = entry(INT8, 4, 2.5, Look(digest=INT8.digest, score=score(30, 1, 700)))
    given = entry(GIVEN, 0, 1.0)
    return Slimmed(
        model=ModelSummary(
            name="model.onnx",
            sha256=GIVEN.digest,
            mac_count=189_440,
            parameter_count=7_568,
            weight_bytes=30_272,
            layer_count=3,
        ),
        data=SlimData(
            name="val.npz",
            train_count=1000,
            search_count=300,
            guard_count=700,
            class_count=10,
            metric="accuracy",
            split="a seeded part of val.npz (300 samples) ranks the candidates; the other 700 guard",
        ),
        scenario=SCENARIO,
        max_drop=0.02,
        methods=("int8", "prune", "distil"),
        entries=(given, trained, quantised),
        best=trained,
        likely=quantised,
        outcome=_outcome(),
        effects=(
            Effect(step="prune", standing=Standing.SAVES, sentence="saves: 2.00 times less", saving=span(2.0)),
            Effect(step="distil", standing=Standing.UNKNOWN, sentence="the graph changed; no time was measured"),
        ),
        targets=_targets(),
        orders=(_order(),),
        advice=_advice(),
        refused=(Refusal(machine="", title="prune 75 %", family="", reason="the budget was too short to train it"),),
        notes=("the guard samples were asked about 2 candidates, from the safest to the cheapest",),
        search_s=60.0,
        run=RUN,
    )


def _outcome() -> Outcome:
    def timing(name: str, saving: float) -> Timing:
        return Timing(name=name, time_s=span(2e-5 / saving), saving=span(saving), windows_s=(2e-5 / saving,))

    return Outcome(
        given=timing("given", 1.0),
        best=timing("best", 2.0),
        cost=Cost(cpu_s=50.0, why_not="no live energy counter"),
        payback=Payback(
            inferences=Interval(low=4e6, mid=5e6, high=float("inf")),
            basis="measured processor time",
            sentence="after about 5,000,000 inferences, by measured processor time",
        ),
        why_no_joules="no live counter of this processor",
        verdict="measured anew, what ships takes 2.00 times less processor time (1.60 to 2.50, 90 %)",
    )


def _targets() -> tuple[Target, ...]:
    chip = fake_machine("processor", "chip")
    paid = price(processor_workload(), chip, SCENARIO)
    point = Point(
        candidate=GIVEN,
        form="float",
        setting={"precision": "fp32"},
        energy=paid,
        against_given=Interval(low=1.0, mid=1.0, high=1.0),
        search=score(0, 0, 300),
        guard=score(0, 0, 700),
        on_front=True,
    )
    cheaper = replace(point, candidate=TRAINED, against_given=span(0.6), search=score(2, 1, 300), guard=None)
    return (
        Target(
            machine="chip",
            title=chip.title,
            family="processor",
            points=(cheaper, point),
            refused=(("prune 75 %", "cannot carry it"),),
            asked_count=1,
            notes=("time ran out",),
        ),
        Target(machine="other", title="Other", family="neuromorphic", reason="publishes no energy per event"),
    )


def _order() -> OrderDifference:
    return OrderDifference(
        machine="chip",
        other="other",
        better=TRAINED.digest,
        worse=GIVEN.digest,
        ratio=span(0.6),
        other_ratio=span(1.4),
    )


def _advice() -> tuple[Advice, ...]:
    first = Advice(
        kind="batching",
        machine="this-cpu",
        title="serve 64 inferences together",
        text="each waits for the others",
        basis=Basis.MEASURED,
        saving=span(3.0),
        saved_j=span(1e-5),
        against="what ships, in batches of 8",
    )
    return (first, replace(first, machine="chip", basis=Basis.PREDICTED))
