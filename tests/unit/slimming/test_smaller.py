"""A smaller architecture: one that will do is found, proved and timed; one that will not is told with its control."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.support.onnx_models import constant, info, model_of
from tests.support.planted import network, samples
from tests.support.steady import steady

from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.comparison.split import Parts
from twentywatts.errors import RefusedError
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.advice import Basis
from twentywatts.slimming.elsewhere.fronts import Terms
from twentywatts.slimming.elsewhere.smaller import smaller
from twentywatts.slimming.learning.anew import anew, trained_anew
from twentywatts.slimming.proof.trial import opened
from twentywatts.slimming.timing.measuring import Rounds

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

PLAN = Rounds(rounds=7, window_s=0.002)


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    steady(monkeypatch)


@pytest.fixture(scope="module")
def terms() -> Terms:
    parts = Parts(tuning=samples("search", 200), reported=samples("guard", 400), sentence="")
    goal = Goal(metric=metric_of("accuracy"), max_drop=0.03)
    return Terms(parts=parts, goal=goal, train=samples("train", 600), budget_s=6000)


def test_a_network_that_is_far_too_wide_gets_the_narrowest_that_is_proved(terms: Terms) -> None:
    given = opened(Candidate(content=network(hidden=2048)))
    served = replace(terms, scenario=Scenario(batch=64))
    found = smaller(given, terms=served, cut={0.75: 0.91}, plan=PLAN)
    assert found.advice is not None
    assert (found.advice.kind, found.advice.basis, found.note) == ("architecture", Basis.MEASURED, "")
    assert "25 % of the width" in found.advice.title
    assert "score 91.0 % on the search samples" in found.advice.text
    assert 1 < found.advice.saving.low <= found.advice.saving.high
    assert found.advice.saved_j.mid > 0


def test_where_nothing_can_be_learned_the_whole_width_shows_that_the_width_is_not_to_blame(terms: Terms) -> None:
    assert terms.train is not None
    noise = replace(terms.train, targets=np.random.default_rng(0).permutation(terms.train.targets))
    found = smaller(opened(Candidate(content=network())), terms=replace(terms, train=noise), plan=PLAN)
    assert found.advice is None
    assert found.note.startswith("no smaller architecture is advised")
    assert "the whole width scores" in found.note
    assert "the training is part of it" in found.note


def test_what_is_not_proved_is_no_advice(terms: Terms) -> None:
    """Ten guard samples prove nothing, however well the narrow network does on them."""
    few = replace(terms.parts, reported=terms.parts.reported.take(np.arange(10)))
    found = smaller(opened(Candidate(content=network())), terms=replace(terms, parts=few), plan=PLAN)
    assert found.advice is None
    assert "not proved" in found.note


@pytest.mark.parametrize(("change", "words"), [({"train": None}, ""), ({"budget_s": 0.0}, "there was no time")])
def test_without_samples_nothing_is_said_and_without_time_that(
    terms: Terms, change: dict[str, Any], words: str
) -> None:
    found = smaller(opened(Candidate(content=network())), terms=replace(terms, **change), plan=PLAN)
    assert found.advice is None
    assert found.note.startswith(words)
    assert bool(found.note) == bool(words)


def test_a_model_that_cannot_be_narrowed_says_so(terms: Terms) -> None:
    found = smaller(opened(Candidate(content=network(hidden=8))), terms=terms, plan=PLAN)
    assert found.advice is None
    assert "could not be tried: no width of the model can be cut" in found.note


def layered(seed: int, hidden: int = 512) -> Candidate:
    """A dense layer, a batch normalisation with statistics, and a dense layer with its weights turned."""
    draw = np.random.default_rng(seed)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Add", ["p", "wb"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "s", "b", "m", "v"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "u", "ub"], ["y"], transB=1),
    ]
    shapes = {"w": (16, hidden), "wb": (hidden,), "u": (2, hidden), "ub": (2,)}
    stored = [constant(name, draw.normal(size=shape), np.float32) for name, shape in shapes.items()]
    stored += [constant(name, draw.uniform(1, 2, hidden), np.float32) for name in ("s", "b", "m", "v")]
    model = model_of(nodes, [info("x", ["n", 16])], ["y"], stored)
    return Candidate(content=model.SerializeToString())


def test_nothing_that_was_learned_stays() -> None:
    assert anew(layered(1)).content == anew(layered(2)).content
    assert anew(layered(1), seed=1).content != anew(layered(1)).content


def test_weights_begin_as_published() -> None:
    """He et al. 2015: a variance of 2 over what comes in; normalisations do nothing; biases are zero."""
    model = onnx.load_from_string(anew(layered(1)).content)
    found = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    assert found["w"].var() == pytest.approx(2 / 16, rel=0.1)
    assert found["u"].var() == pytest.approx(2 / 512, rel=0.2)
    assert all((found[name] == 0).all() for name in ("wb", "ub", "b", "m"))
    assert all((found[name] == 1).all() for name in ("s", "v"))


def test_training_from_nothing_learns_and_repeats(terms: Terms) -> None:
    assert terms.train is not None
    given = Candidate(content=network())
    first, second = (trained_anew(given, given=given, samples=terms.train) for _ in range(2))
    assert first.content == second.content
    assert [step.name for step in first.steps] == ["anew", "train"]
    outputs = opened(first).outputs(terms.parts.tuning)
    assert (outputs.argmax(axis=1) == terms.parts.tuning.targets).mean() > 0.95


def test_targets_that_are_no_answers_cannot_be_learned_from(terms: Terms) -> None:
    assert terms.train is not None
    odd = replace(terms.train, targets=np.full(terms.train.count, 7))
    with pytest.raises(RefusedError, match="no answers of this model"):
        trained_anew(Candidate(content=network()), given=Candidate(content=network()), samples=odd)
