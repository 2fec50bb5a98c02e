"""Fronts per machine: nothing that the guard samples do not prove is accepted, whatever the search samples say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper, numpy_helper
from tests.support.onnx_models import info, model_of

from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.comparison.split import Parts
from twentywatts.errors import InputError, MachineError
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.elsewhere.orders import energies_of, order_differences
from twentywatts.slimming.elsewhere.targets import Target, Terms, targets
from twentywatts.uncertain import Spread

FEATURES, NEURONS, CLASSES = 12, 24, 4
FLAG = FEATURES - 1  # a feature that only guard samples show
RANDOM = np.random.default_rng(3)
FIRST = RANDOM.normal(size=(FEATURES, NEURONS)).astype(np.float32)
FIRST[FLAG] = 0
LAST = RANDOM.normal(size=(NEURONS, CLASSES)).astype(np.float32)


def network(first: np.ndarray, last: np.ndarray) -> bytes:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Gemm", ["b", "v"], ["y"], name="last"),
    ]
    weights = [numpy_helper.from_array(first, "w"), numpy_helper.from_array(last, "v")]
    return model_of(nodes, [info("x", ["n", FEATURES])], ["y"], weights).SerializeToString()


def samples(name: str, count: int, flag: float) -> Samples:
    x = RANDOM.normal(size=(count, FEATURES)).astype(np.float32)
    x[:, FLAG] = flag
    y = (np.maximum(x @ FIRST, 0) @ LAST).argmax(axis=1)
    sure = np.sort(np.maximum(x @ FIRST, 0) @ LAST, axis=1)
    clear = sure[:, -1] - sure[:, -2] > 1.0  # eight bits do not change these answers
    return Samples(name=name, inputs={"x": x[clear]}, targets=y[clear])


@pytest.fixture(scope="module")
def terms() -> Terms:
    parts = Parts(tuning=samples("search", 400, 0.0), reported=samples("guard", 600, 1.0), sentence="")
    return Terms(parts=parts, goal=Goal(metric=metric_of("accuracy"), max_drop=0.03))


@pytest.fixture(scope="module")
def candidates() -> list[Candidate]:
    """The model with every neuron twice; each once; one that errs where only guard samples lie; a spoiled one."""
    given = Candidate(content=network(np.concatenate([FIRST, FIRST], axis=1), np.concatenate([LAST, LAST]) / 2))
    halved = given.then(Step(name="halve"), network(FIRST, LAST))
    lucky = given.then(Step(name="lucky"), _with_flag(FIRST, LAST))
    spoiled = given.then(Step(name="spoil"), network(FIRST, LAST[:, ::-1].copy()))
    return [given, halved, lucky, spoiled]


def _with_flag(first: np.ndarray, last: np.ndarray) -> bytes:
    """Almost the same answers with fewer neurons wherever the flag is down, class 0 wherever it is up."""
    kept = np.argsort(-np.abs(last).sum(axis=1))[: NEURONS - 1]
    first, last = first[:, kept].copy(), last[kept].copy()
    first[FLAG] = 30.0 * np.sign(last[:, 0])
    return network(first, last)


@pytest.fixture(scope="module")
def found(candidates: list[Candidate], terms: Terms) -> list[Target]:
    return targets(candidates, ["dimc-22nm", "h100-sxm", "akida", "human-brain"], terms=terms)


def of(found: list[Target], machine: str) -> Target:
    return next(target for target in found if target.machine == machine)


def test_what_the_guard_samples_disprove_is_never_accepted(found: list[Target]) -> None:
    """The lucky candidate is the cheapest on the front of the search samples, and loses 95 points on the others."""
    target = of(found, "dimc-22nm")
    lucky, halved = target.points[:2]
    assert lucky.candidate.text == "lucky"
    assert lucky.on_front
    assert lucky.search.drop < 0.03
    assert not lucky.is_accepted
    assert lucky.guard is not None
    assert lucky.guard.drop > 0.9
    assert target.best is halved
    assert halved.candidate.text == "halve"
    assert target.asked_count == 3  # the model as given, the halved one, the lucky one


def test_what_takes_no_less_is_not_asked_about(found: list[Target]) -> None:
    """On the GPU this network's work is lost beside starting it: the model as given is proved, and stays."""
    target = of(found, "h100-sxm")
    assert target.asked_count == 1
    assert target.best is not None
    assert not target.best.candidate.steps


@pytest.mark.parametrize("machine", ["dimc-22nm", "h100-sxm"])
def test_a_front_gets_cheaper_only_by_losing(found: list[Target], machine: str) -> None:
    target = of(found, machine)
    front = [point for point in target.points if point.on_front]
    drops = [point.search.drop for point in front]
    assert drops == sorted(set(drops), reverse=True)
    for point in target.points:
        better = [q for q in front if q.energy.energy_j.mid <= point.energy.energy_j.mid]
        assert point.on_front or any(q.search.drop <= point.search.drop for q in better)
        assert not point.is_accepted or (point.guard is not None and point.guard.verdict.bound <= 0.03)


def test_the_guard_is_not_asked_beyond_the_first_failure(candidates: list[Candidate], terms: Terms) -> None:
    """A model that loses nothing on the search samples is not asked after a safer one could not be proved."""
    few = replace(terms.parts, reported=terms.parts.reported.take(np.arange(30)))
    (target,) = targets(candidates, ["dimc-22nm"], terms=replace(terms, parts=few))
    assert target.best is None
    assert target.asked_count == 1
    (asked,) = [point for point in target.points if point.guard]
    assert "30 samples cannot tell" in asked.guard.verdict.sentence


def test_joules_are_told_against_the_model_as_given_on_the_same_machine(found: list[Target]) -> None:
    target = of(found, "dimc-22nm")
    ratio = next(point for point in target.points if point.candidate.text == "halve").against_given
    assert ratio.mid == pytest.approx(0.5, rel=0.01)
    assert ratio.high - ratio.low < 0.1  # the figures, which are known to a factor of two, cancel
    assert next(point for point in target.points if not point.candidate.steps).against_given.mid == 1.0


def test_a_candidate_that_falls_short_is_told_and_not_searched_for(found: list[Target]) -> None:
    ((name, reason),) = of(found, "dimc-22nm").refused
    assert name == "spoil"
    assert "fall short already: loses 100.00 %" in reason


def test_machines_that_cannot_be_asked_say_why(found: list[Target], candidates: list[Candidate], terms: Terms) -> None:
    assert "publishes no energy" in of(found, "akida").reason
    assert "yardstick" in of(found, "human-brain").reason
    with pytest.raises(MachineError, match="unknown machine"):
        targets(candidates, ["h1000"], terms=terms)
    with pytest.raises(InputError, match="as it was given"):
        targets(candidates[1:], ["h100-sxm"], terms=terms)


def test_a_budget_of_no_time_prices_the_model_as_given_and_says_what_is_left(
    candidates: list[Candidate], terms: Terms
) -> None:
    (target,) = targets(candidates, ["h100-sxm"], terms=replace(terms, budget_s=0.0))
    assert [point.candidate.text for point in target.points] == ["as given"]
    assert target.notes == (
        "time ran out: 3 of 4 candidates were not run as h100-sxm would; a longer --budget has more",
    )


def test_a_note_stands_with_the_machines_that_it_concerns(candidates: list[Candidate], terms: Terms) -> None:
    late = replace(terms, budget_s=0.0, train=terms.parts.tuning)
    processor, chip = targets(candidates, ["h100-sxm", "loihi"], terms=late)
    assert any("few spikes: the time ran out" in note for note in chip.notes)
    assert not any("spikes" in note for note in processor.notes)
    (late_note,) = processor.notes  # one sentence names both machines
    assert late_note.endswith("were not run as h100-sxm, loihi would; a longer --budget has more")
    assert late_note in chip.notes


def test_a_candidate_that_is_no_model_is_a_note(candidates: list[Candidate], terms: Terms) -> None:
    bad = candidates[0].then(Step(name="bad"), b"no model")
    (target,) = targets([candidates[0], bad], ["h100-sxm"], terms=terms)
    assert len(target.points) == 1
    assert target.notes[0].startswith("bad: ")


def _spread(mid: float, *, width: float, key: int) -> Spread:
    draws = np.exp(width * np.random.default_rng(key).normal(size=200))
    return Spread(mid * np.concatenate([[1.0], draws]))


def test_planted_order_differences_are_found_and_no_others() -> None:
    """Figures shared on a machine cancel: wide joules, sure order."""
    wide = _spread(1.0, width=1.0, key=1)
    chip, array = wide, _spread(1e-6, width=1.0, key=2)
    energies = {
        "chip": {"given": chip, "pruned": chip * 0.5, "rounded": chip * 0.8, "alike": chip * 0.99},
        "array": {"given": array, "pruned": array * 0.6, "rounded": array * 1.2, "alike": array * 1.01},
        "third": {"given": chip, "pruned": chip * 0.9},
    }
    found, other = order_differences(energies)  # "alike" and "given" are a percent apart: nothing hangs on them
    assert (other.better, other.worse) == ("rounded", "alike")
    assert (found.machine, found.other, found.better, found.worse) == ("chip", "array", "rounded", "given")
    assert found.ratio.mid == pytest.approx(0.8)
    assert found.other_ratio.mid == pytest.approx(1.2)
    assert found.is_sure


def test_an_order_within_the_noise_is_not_sure() -> None:
    given = _spread(1.0, width=0.3, key=1)
    energies = {
        "chip": {"given": given, "pruned": _spread(0.9, width=0.3, key=2)},
        "array": {"given": given, "pruned": _spread(1.1, width=0.3, key=3)},
    }
    (found,) = order_differences(energies)
    assert not found.is_sure


def test_energies_leave_out_what_is_shown_to_lose(found: list[Target]) -> None:
    energies = energies_of(found)
    assert set(energies) == {"dimc-22nm", "h100-sxm"}
    names = {point.candidate.digest: point.candidate.text for point in of(found, "h100-sxm").points}
    assert {names[digest] for digest in energies["h100-sxm"]} == {"as given", "halve", "lucky"}
