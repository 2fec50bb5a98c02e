"""Repair after a cut: what can be expressed with fewer units is, and every kind of window is read rightly."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.support.random_networks import Builder
from tests.unit.slimming.test_prune import outputs, transformer

from twentywatts.errors import DataError, RefusedError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.cutting.coupling import coupled
from twentywatts.slimming.shipping.recipe import recipe_of
from twentywatts.slimming.steps.prune import prune
from twentywatts.slimming.steps.repair import prune_repaired, repaired


def inputs(*shape: int, seed: int = 3) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed).normal(size=shape).astype(np.float32)}


def doubled() -> Candidate:
    """A network whose second eight channels are the first eight again."""
    b = Builder(6)
    x = b.add("Relu", b.conv("x", 3, 16))
    made = b.model(["N", 3, 4, 4], b.dense(b.add("GlobalAveragePool", b.conv(x, 16, 8)), 1, 1))
    model = onnx.ModelProto.FromString(made.content)
    for tensor in model.graph.initializer[:2]:
        value = np.array(numpy_helper.to_array(tensor))
        value[8:] = value[:8]
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    return Candidate(content=model.SerializeToString())


def test_channels_that_are_there_twice_cost_nothing() -> None:
    given = doubled()
    cut = prune(given, ratio={"Conv_0": 0.5}, importance="first")
    fixed = prune_repaired(given, inputs(64, 3, 4, 4), ratio={"Conv_0": 0.5}, importance="first")
    assert [step.name for step in fixed.steps] == ["prune", "repair"]
    lost = [np.abs(outputs(one.content) - outputs(given.content)).max() for one in (cut, fixed)]
    scale = np.abs(outputs(given.content)).max()
    assert lost[0] > 0.02 * scale
    assert lost[1] < 0.01 * scale
    assert recipe_of(given.content, fixed)["rebuilds"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"pads": [1, 0, 2, 1]},
        {"strides": [2, 1]},
        {"dilations": [2, 1], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "strides": [1, 2]},
        {"group": 3, "pads": [1, 1, 1, 1]},
    ],
)
def test_lost_weights_are_found_again(attributes: dict) -> None:
    """The weights of every layer are drawn anew; fitting gives the old outputs back."""
    b = Builder(8)
    size = attributes.get("kernel_shape", [2, 2])
    x = b.add("Conv", "x", b.weight(6, 3 // attributes.get("group", 1), *size), b.weight(6), **attributes)
    x = b.add(
        "Gemm", b.add("ReduceMean", x, b.numbers(2, 3), keepdims=0), b.weight(4, 6), b.weight(4), transB=1, alpha=0.5
    )
    given = b.model(["N", 3, 6, 6], b.dense(x, 4, 2)).content
    model = onnx.ModelProto.FromString(coupled(given).settled.content)
    random = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            value = random.normal(size=tuple(tensor.dims)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    lost = model.SerializeToString()
    found = repaired(coupled(given), np.zeros(0, dtype=np.int64), lost, inputs(200, 3, 6, 6))
    errors = [np.abs(outputs(one) - outputs(given)).max() for one in (lost, found)]
    assert errors[1] < 0.05 * errors[0]


def test_a_transformer_loses_less_when_it_is_repaired() -> None:
    given = Candidate(content=transformer())
    calibration = inputs(200, 6, 8)
    for more in ({}, {"through_norms": True}):
        cut = prune(given, ratio=0.5, round_to=4, **more)
        fixed = prune_repaired(given, calibration, ratio=0.5, round_to=4, **more)
        lost = [np.square(outputs(one.content) - outputs(given.content)).mean() for one in (cut, fixed)]
        assert lost[1] < 0.5 * lost[0]


def test_a_model_whose_repair_would_take_minutes_is_refused() -> None:
    b = Builder(6)
    x = "x"
    for _ in range(3):
        x = b.conv(x, 64, 64)
    given = Candidate(content=b.model(["N", 64, 1024, 1024], x).content)
    with pytest.raises(RefusedError, match="too large"):
        prune_repaired(given, {"x": np.zeros((1, 64, 8, 8), dtype=np.float32)}, ratio=0.5)


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError):
        prune_repaired(doubled(), inputs(8, 1, 4, 4), ratio=0.5)
    with pytest.raises(DataError):
        prune_repaired(doubled(), {}, ratio=0.5)


def test_a_layer_whose_rows_only_a_run_tells_is_repaired_with_the_others() -> None:
    """A reshape by a number that is counted at run time: what follows has no known axes, and nothing is cut of it."""
    b = Builder(4)
    x = b.add("MatMul", b.add("Relu", b.add("MatMul", "x", b.weight(8, 32))), b.weight(32, 8))
    counted = b.add("Shape", b.add("NonZero", b.add("Abs", x)))
    rows = b.add("Div", b.add("Gather", counted, b.numbers(1)), b.numbers(8))
    x = b.add("Reshape", x, b.add("Concat", rows, b.numbers(8), axis=0))
    given = Candidate(content=b.model(["N", 8], b.add("MatMul", x, b.weight(8, 4))).content)
    fixed = prune_repaired(given, inputs(200, 8), ratio=0.5)
    assert [step.name for step in fixed.steps] == ["prune", "repair"]
    whole, lost = outputs(given.content), outputs(fixed.content) - outputs(given.content)
    assert np.abs(lost).mean() < np.abs(whole).mean()
