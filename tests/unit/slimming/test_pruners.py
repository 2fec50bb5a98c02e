"""Torch-Pruning behind our protocol, and first-order scores: what does nothing goes first."""

import numpy as np
import onnx
import pytest
from tests.support.random_networks import Builder, fused_heads
from tests.unit.slimming.test_prune import outputs, transformer

from twentywatts.errors import InputError, RefusedError
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.learning.pruners import taylor_scores, torch_pruning
from twentywatts.slimming.steps.prune import prune, widths

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
DEAD = [0, 2, 5, 6, 9, 11, 12, 15]


def network(dead: bool = True) -> Candidate:
    """Two convolutions of 16 channels and a dense layer; half of the first one's channels make nothing."""
    b = Builder(4)
    x = b.add("Relu", b.conv(b.add("Relu", b.conv("x", 3, 16)), 16, 16))
    made = b.model(["N", 3, 4, 4], b.add("Gemm", b.add("Flatten", x), b.weight(5, 256), b.weight(5), transB=1))
    model = onnx.ModelProto.FromString(made.content)
    for tensor in model.graph.initializer[:2] if dead else ():
        value = np.array(onnx.numpy_helper.to_array(tensor))
        value[DEAD] = 0
        tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    return Candidate(content=model.SerializeToString())


def samples(count: int = 70) -> Samples:
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 3, 4, 4)).astype(np.float32)
    return Samples(name="random", inputs={"x": x}, targets=random.integers(0, 5, count))


def test_what_never_fires_goes_first_by_first_order_scores() -> None:
    given = network()
    scores = taylor_scores(given, samples())
    assert (scores["c0"][DEAD] == 0).all()
    small = prune(given, ratio={"Conv_0": 0.5}, importance=scores)
    assert widths(small.content)["Conv_0"] == 8
    np.testing.assert_allclose(outputs(small.content), outputs(given.content), rtol=1e-4, atol=1e-5)


def test_torch_pruning_takes_the_channels_of_least_weight() -> None:
    pytest.importorskip("torch_pruning")
    given = network()
    small = torch_pruning(given, ratio={"Conv_0": 0.5})
    assert widths(small.content) == {"Conv_0": 8, "Conv_2": 16}
    assert str(small.steps[-1].settings["pruner"]).startswith("torch-pruning ")
    np.testing.assert_allclose(outputs(small.content), outputs(given.content), rtol=1e-4, atol=1e-5)


def test_torch_pruning_keeps_outputs_and_rounds() -> None:
    pytest.importorskip("torch_pruning")
    small = torch_pruning(network(dead=False), ratio=0.7, round_to=4, scope="global", importance="lamp")
    assert outputs(small.content).shape == (2, 5)
    assert all(width % 4 == 0 for width in widths(small.content).values())


def test_torch_pruning_cuts_neurons_and_refuses_heads_that_it_cannot_follow() -> None:
    pytest.importorskip("torch_pruning")
    small = torch_pruning(Candidate(content=transformer()), ratio=0.5)
    assert widths(small.content)["MatMul_31"] == 8  # of 24 neurons; the four heads stay whole
    assert 4 in widths(small.content).values()
    b = Builder(1)
    with pytest.raises(RefusedError, match="cannot follow"):
        torch_pruning(Candidate(content=b.model(["N", 6, 16], fused_heads(b, "x")).content), ratio=0.5)


@pytest.mark.parametrize("bad", [{"ratio": 1.0}, {"ratio": 0.5, "importance": "luck"}, {"ratio": {"nothing": 0.5}}])
def test_bad_settings_are_refused(bad: dict) -> None:
    pytest.importorskip("torch_pruning")
    with pytest.raises(InputError):
        torch_pruning(network(), **bad)
