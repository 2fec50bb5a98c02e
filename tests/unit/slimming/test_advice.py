"""Advice: what is planted is found, ranked by joules; what does not save is not told."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import onnx
import pytest
from tests.support.planted import WIDTH, network, samples

from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.comparison.split import Parts
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.advice import Advice, Basis, advise
from twentywatts.slimming.elsewhere.targets import Terms, targets
from twentywatts.slimming.timing.measuring import Rounds
from twentywatts.slimming.timing.using import eager_saving, thread_saving

PLAN = Rounds(rounds=7, window_s=0.002)


@pytest.fixture(scope="module")
def terms() -> Terms:
    parts = Parts(tuning=samples("search", 200), reported=samples("guard", 400), sentence="")
    return Terms(parts=parts, goal=Goal(metric=metric_of("accuracy"), max_drop=0.02))


@pytest.fixture(scope="module")
def found(terms: Terms) -> tuple[Advice, ...]:
    given = Candidate(content=network())
    on = targets([given], ["h100-sxm"], terms=terms)
    return advise(given, given, terms=terms, targets=on, eager=lambda: sum(range(200_000)), plan=PLAN)


def test_the_most_joules_come_first(found: tuple[Advice, ...]) -> None:
    saved = [one.saved_j.mid for one in found]
    assert saved == sorted(saved, reverse=True)
    assert all(one.saving.low > 1 and one.saved_j.low <= one.saved_j.mid <= one.saved_j.high for one in found)


def test_a_planted_linear_problem_needs_no_network(found: tuple[Advice, ...]) -> None:
    (advice,) = [one for one in found if one.kind == "baseline"]
    assert "logistic regression" in advice.title or "k-nearest" in advice.title
    assert advice.basis is Basis.PREDICTED


def test_a_planted_slow_runtime_is_found(found: tuple[Advice, ...]) -> None:
    (advice,) = [one for one in found if one.kind == "runtime"]
    assert advice.basis is Basis.MEASURED
    assert advice.saving.mid > 5


def test_batches_on_a_chip_at_a_distance_are_predicted_and_here_measured(found: tuple[Advice, ...]) -> None:
    batching = [one for one in found if one.kind == "batching"]
    basis = {(one.machine, one.basis) for one in batching}
    assert ("h100-sxm", Basis.PREDICTED) in basis
    assert basis <= {("h100-sxm", Basis.PREDICTED), ("this-cpu", Basis.MEASURED)}
    there = [one.saving.mid for one in batching if one.machine == "h100-sxm"]
    assert all(1 < saving <= 64.01 for saving in there)


def test_no_advice_that_cannot_be_followed(terms: Terms) -> None:
    """A model that demands its batch gets none on batches; one that nothing beats gets no simpler method."""
    given = Candidate(content=network(1))
    tuning = terms.parts.tuning
    noise = replace(tuning, targets=np.random.default_rng(0).permutation(tuning.targets))  # nothing can be learned
    alone = replace(terms, parts=replace(terms.parts, tuning=noise))
    kinds = {one.kind for one in advise(given, given, terms=alone, plan=PLAN)}
    assert not kinds & {"batching", "runtime", "baseline"}


def test_an_eager_run_is_held_against_the_runtime_at_the_same_batch() -> None:
    """A call that sleeps takes little processor time, though some kernels charge for it: it must not look slow."""
    inputs = {"x": np.zeros((4, WIDTH), np.float32)}
    plan = Rounds(rounds=3, window_s=0.0005)
    saving = eager_saving(network(), inputs, eager=lambda: time.sleep(5e-3), batch=4, plan=plan)
    assert saving.mid < 200, "on the clock it is some 450"


def test_the_runtime_prints_no_name_of_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    """A name may hold what steers a terminal: the runtime's own log is kept quiet in every session."""
    model = onnx.ModelProto.FromString(network())
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for index, (name, tensor) in enumerate(constants.items()):
        odd = f"\x1b[31m{index}"
        tensor.name = odd
        for node in model.graph.node:
            node.input[:] = [odd if one == name else one for one in node.input]
        spec = onnx.helper.make_tensor_value_info(odd, tensor.data_type, tensor.dims)
        model.graph.input.append(spec)  # the runtime warns of constants that are inputs, by name
    thread_saving(model.SerializeToString(), {"x": samples("x", 8).inputs["x"]}, batch=4, plan=PLAN)
    assert capfd.readouterr() == ("", "")
