"""Low rank, zeros and 4 bits: what they change, and what they refuse."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.support.random_networks import Builder, Made
from tests.unit.slimming.test_prune import outputs

from twentywatts.errors import InputError, RefusedError
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.shipping.recipe import weights_of
from twentywatts.slimming.steps.int4 import int4
from twentywatts.slimming.steps.lowrank import lowrank, lowrank_to
from twentywatts.slimming.steps.zeros import zeros


def network() -> Made:
    """Two convolutions, a Gemm and a dense layer."""
    b = Builder(5)
    x = b.add("Relu", b.conv(b.add("Relu", b.conv("x", 3, 8)), 8, 16))
    x = b.add("Relu", b.add("Gemm", b.add("Flatten", x), b.weight(32, 256), b.weight(32), transB=1, alpha=0.5))
    return b.model(["N", 3, 4, 4], b.dense(x, 32, 5))


def mac_count(content: bytes) -> int:
    model = onnx.ModelProto.FromString(content)
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    places = {"Conv": 16, "Gemm": 1, "MatMul": 1}  # 4 by 4 pictures
    return sum(places[node.op_type] * sizes[node.input[1]] for node in model.graph.node if node.op_type in places)


def test_full_rank_changes_nothing() -> None:
    given = network().content
    full = {"Conv_0": 8, "Conv_2": 16, "Gemm_5": 32, "MatMul_7": 5}
    factored = lowrank_to(Candidate(content=given), full).content
    np.testing.assert_allclose(outputs(factored), outputs(given), rtol=1e-4, atol=1e-5)


def test_a_matrix_of_low_rank_is_found_and_costs_less() -> None:
    given = network().content
    model = onnx.ModelProto.FromString(given)
    random = np.random.default_rng(0)
    thin = random.normal(size=(32, 4)) @ random.normal(size=(4, 256)) / 16
    tensor = next(t for t in model.graph.initializer if list(t.dims) == [32, 256])
    tensor.CopyFrom(numpy_helper.from_array(thin.astype(np.float32), tensor.name))
    given = model.SerializeToString()
    factored = lowrank(Candidate(content=given), keep_frac=0.999999, round_to=4)
    assert json.loads(str(factored.steps[-1].settings["ranks"])) == {"Gemm_5": 4}
    np.testing.assert_allclose(outputs(factored.content), outputs(given), rtol=1e-3, atol=1e-4)
    assert mac_count(given) - mac_count(factored.content) == 32 * 256 - 4 * (32 + 256)


def test_nothing_is_factored_that_would_cost_more() -> None:
    given = network().content
    factored = lowrank(Candidate(content=given), keep_frac=1.0, round_to=1)
    assert factored.steps[-1].settings["ranks"] == "{}"
    assert "no matrix" in factored.steps[-1].notes[0]


@pytest.mark.parametrize("ranks", [{"Gemm_5": 0}, {"Gemm_5": 33}, {"Gemm_5": True}, {"Gemm": 4}, {"Gemm_5": 2.0}])
def test_bad_ranks_are_refused(ranks: dict) -> None:
    with pytest.raises(InputError):
        lowrank_to(Candidate(content=network().content), ranks)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_bad_shares_of_rank_are_refused(share: float) -> None:
    with pytest.raises(InputError):
        lowrank(Candidate(content=network().content), keep_frac=share)


def test_the_smallest_weights_become_zero() -> None:
    given = Candidate(content=network().content)
    before, after = weights_of(given.content), weights_of(zeros(given, share_frac=0.75).content)
    for name, value in before.items():
        if value.ndim < 2:
            np.testing.assert_array_equal(after[name], value)
            continue
        gone = after[name] == 0
        assert gone.sum() == round(0.75 * value.size)
        assert np.abs(value[gone]).max() <= np.abs(value[~gone]).min()


def test_two_of_every_four_inputs_of_an_output_become_zero() -> None:
    given = Candidate(content=network().content)
    step = zeros(given, pattern="2:4")
    after = weights_of(step.content)
    shapes = {name: value.shape for name, value in after.items()}
    gemm = after[next(name for name, shape in shapes.items() if shape == (32, 256))]
    assert ((gemm.reshape(32, -1, 4) == 0).sum(axis=-1) == 2).all()
    matmul = after[next(name for name, shape in shapes.items() if shape == (32, 5))]
    assert ((matmul.T.reshape(5, -1, 4) == 0).sum(axis=-1) == 2).all()
    conv = after[next(name for name, shape in shapes.items() if shape == (16, 8, 3, 3))]
    assert ((np.moveaxis(conv, 1, -1).reshape(-1, 4) == 0).sum(axis=-1) == 2).all()
    assert any("no multiple of 4" in note for note in step.steps[-1].notes)  # three input channels
    assert "nothing is saved" in step.steps[-1].notes[0]


@pytest.mark.parametrize("bad", [{"share_frac": 1.0}, {"pattern": "4:8"}, {"share_frac": 0.3, "pattern": "2:4"}])
def test_bad_zeros_are_refused(bad: dict) -> None:
    with pytest.raises(InputError):
        zeros(Candidate(content=network().content), **bad)


def test_every_dense_layer_is_put_into_four_bits() -> None:
    given = network().content
    small = int4(Candidate(content=given))
    kinds = [node.op_type for node in onnx.ModelProto.FromString(small.content).graph.node]
    assert kinds.count("MatMulNBits") == 2  # the Gemm among them, which the tool alone would not touch
    assert "Gemm" not in kinds
    error = outputs(small.content) - outputs(given)
    assert np.abs(error).max() < 0.2 * np.abs(outputs(given)).max()


def test_a_model_without_dense_layers_is_refused() -> None:
    b = Builder(5)
    made = b.model(["N", 3, 4, 4], b.conv("x", 3, 8))
    with pytest.raises(RefusedError, match="has none"):
        int4(Candidate(content=made.content))


def test_two_patterns_of_zeros_have_names_of_their_own() -> None:
    steps = [Step(name="zeros", settings={"share_frac": 0.5, "pattern": pattern}) for pattern in ("any", "2:4")]
    assert [step.brief for step in steps] == ["zeros 50 %", "zeros 2:4"]
