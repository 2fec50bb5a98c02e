"""Lowering: the blocks compute what onnxruntime computes, and what cannot be a block is refused by its layer's name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from twentywatts.errors import RefusedError
from twentywatts.forms.lowering import Kind, Lowered, evaluate, lower
from twentywatts.readers import read

node = helper.make_node
RNG = np.random.default_rng(3)
_LOCAL = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def norm(name: str, channels: int) -> dict[str, np.ndarray]:
    """Return the constants of a BatchNormalization with negative scales and large shifts among them."""
    return {
        f"{name}.s": normal(channels),
        f"{name}.b": normal(channels),
        f"{name}.m": normal(channels),
        f"{name}.v": 0.5 + np.abs(normal(channels)),
    }


def batch_norm(data: str, name: str) -> Any:
    return node("BatchNormalization", [data, *(f"{name}.{k}" for k in "sbmv")], [name], name=name)


def check(
    models: ModuleType, folder: Path, nodes: list[Any], constants: dict[str, Any], shape: tuple[int, ...]
) -> Lowered:
    """Lower a model, compare its readout with onnxruntime, return the blocks."""
    path = folder / "model.onnx"
    models.save(path, nodes, constants, shape=("n", *shape))
    lowered = lower(read(path))
    x = normal(3, *shape)
    wanted = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    got = evaluate(lowered, {"x": x.reshape(3, shape[0], -1)})[lowered.blocks[-1].name]
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4 * max(1, np.abs(wanted).max()))
    assert lowered.blocks[-1].kind is Kind.READOUT
    return lowered


@_LOCAL
@given(data=st.data())
def test_convolutions_of_every_kind_match_onnxruntime(models: ModuleType, tmp_path: Path, data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 3))
    groups, width, out = data.draw(st.sampled_from([(1, 3, 4), (2, 2, 2), (3, 1, 2), (4, 1, 1)]))
    draw = lambda low, high: [data.draw(st.integers(low, high)) for _ in range(rank)]  # noqa: E731
    kernel, strides, dilations, spatial = draw(1, 3), draw(1, 3), draw(1, 2), draw(5, 7)
    attributes = {"strides": strides, "dilations": dilations, "group": groups}
    if data.draw(st.booleans()):
        attributes |= {"auto_pad": "SAME_UPPER", "dilations": [1] * rank}
    else:
        attributes["pads"] = draw(0, 2) + draw(0, 2)
    nodes = [node("Conv", ["x", "w", "b"], ["c"], name="conv", **attributes), batch_norm("c", "bn")]
    constants = {"w": normal(groups * out, width, *kernel), "b": normal(groups * out), **norm("bn", groups * out)}
    lowered = check(models, tmp_path, nodes, constants, (groups * width, *spatial))
    assert [block.name for block in lowered.blocks] == ["conv"]


def test_normalisation_before_a_padded_convolution_is_exact(models: ModuleType, tmp_path: Path) -> None:
    nodes = [
        batch_norm("x", "bn"),
        node("Conv", ["bn", "w"], ["c"], name="conv", pads=[1] * 4),
        node("Relu", ["c"], ["r"], name="relu"),
        batch_norm("r", "bn2"),
        node("Conv", ["bn2", "w2"], ["y"], name="conv2", pads=[1] * 4, strides=[2, 2]),
    ]
    constants = {"w": normal(4, 2, 3, 3), "w2": normal(3, 4, 3, 3), **norm("bn", 2), **norm("bn2", 4)}
    lowered = check(models, tmp_path, nodes, constants, (2, 6, 6))
    assert [block.kind for block in lowered.blocks] == [Kind.FIRE, Kind.READOUT]


def test_residual_concatenation_and_pooling(models: ModuleType, tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w0"], ["c0"], name="stem", pads=[1] * 4),
        node("Relu", ["c0"], ["r0"], name="r0"),
        node("MaxPool", ["r0"], ["p0"], name="pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        node("Conv", ["p0", "w1"], ["c1"], name="branch", pads=[1] * 4),
        batch_norm("c1", "bn"),
        node("Add", ["bn", "p0"], ["a"], name="add"),
        node("Clip", ["a", "zero", "six"], ["r1"], name="relu6"),
        node("Concat", ["r1", "p0"], ["cat"], name="cat", axis=1),
        node("AveragePool", ["cat"], ["avg"], name="avg", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["avg", "w2"], ["c2"], name="head"),
        node("Relu", ["c2"], ["r2"], name="r2"),
        node("GlobalAveragePool", ["r2"], ["g"], name="gap"),
        node("Flatten", ["g"], ["f"], name="flat"),
        node("Gemm", ["f", "w3", "b3"], ["y"], name="classes", transB=1, alpha=0.5, beta=2.0),
    ]
    constants = {
        "w0": normal(4, 1, 3, 3),
        "w1": normal(4, 4, 3, 3),
        "w2": normal(6, 8, 1, 1),
        "w3": normal(5, 6),
        "b3": normal(5),
        "zero": np.float32(0.0),
        "six": np.float32(6.0),
        **norm("bn", 4),
    }
    lowered = check(models, tmp_path, nodes, constants, (1, 8, 8))
    kinds = {block.name: block.kind for block in lowered.blocks}
    assert kinds["pool"] is Kind.MAX
    assert {"stem", "add", "head", "gap"} <= {name for name, kind in kinds.items() if kind is Kind.FIRE}
    assert next(b for b in lowered.blocks if b.name == "add").ceiling == 6.0
    assert len(next(b for b in lowered.blocks if b.name == "add").projections) == 2


def test_pooling_before_the_rectifier_and_mean_of_the_readout(models: ModuleType, tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w0"], ["c0"], name="conv"),
        node("MaxPool", ["c0"], ["p0"], name="pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("Relu", ["p0"], ["r0"], name="relu"),
        node("Conv", ["r0", "w1", "b1"], ["c1"], name="classes"),
        node("GlobalAveragePool", ["c1"], ["g"], name="gap"),
        node("Reshape", ["g", "shape"], ["y"], name="flat"),
    ]
    constants = {"w0": normal(3, 1, 2, 2), "w1": normal(4, 3, 2, 2), "b1": normal(4), "shape": np.array([-1, 4])}
    lowered = check(models, tmp_path, nodes, constants, (1, 8, 8))
    assert [block.kind for block in lowered.blocks] == [Kind.FIRE, Kind.MAX, Kind.READOUT]


def test_matmul_scales_and_a_flattened_input(models: ModuleType, tmp_path: Path) -> None:
    nodes = [
        node("Sub", ["x", "mean"], ["s"], name="centre"),
        node("Div", ["s", "sd"], ["d"], name="scale"),
        node("Flatten", ["d"], ["f"], name="flat"),
        node("MatMul", ["f", "w0"], ["m"], name="hidden"),
        node("Add", ["b0", "m"], ["a"], name="bias"),
        node("Relu", ["a"], ["r"], name="relu"),
        node("Dropout", ["r"], ["k"], name="drop"),
        node("Gemm", ["k", "w1"], ["y"], name="classes"),
    ]
    constants = {
        "mean": normal(2, 1, 1),
        "sd": np.array([2.0, 0.5], dtype=np.float32).reshape(2, 1, 1),
        "w0": normal(18, 7),
        "b0": normal(7),
        "w1": normal(7, 3),
    }
    check(models, tmp_path, nodes, constants, (2, 3, 3))


DENSE = node("Gemm", ["x", "w"], ["h"], name="hidden")
REFUSED = {
    "softmax inside": ([DENSE, node("Softmax", ["h"], ["s"], name="/attn/Softmax"), node("Gemm", ["s", "w"], ["y"])],
                       r"layer '/attn/Softmax' \(Softmax\) has no spiking form"),
    "two linear layers": ([DENSE, node("Gemm", ["h", "w"], ["y"], name="second")], r"'second' \(Gemm\).*put a ReLU"),
    "signal product": ([DENSE, node("MatMul", ["h", "h"], ["y"], name="scores")], r"'scores' \(MatMul\)"),
    "signal gate": ([DENSE, node("Mul", ["h", "h"], ["y"], name="gate")], r"'gate' \(Mul\)"),
    "other activation": ([DENSE, node("Tanh", ["h"], ["t"], name="act"), node("Gemm", ["t", "w"], ["y"])], "'act'"),
    "odd bounds": ([DENSE, node("Clip", ["h", "low", "high"], ["t"], name="hard"), node("Gemm", ["t", "w"], ["y"])],
                   r"'hard' \(Clip\).*-1…1"),
    "computed weight": ([DENSE, node("Gemm", ["x", "h"], ["y"], name="hyper")], "'hyper'.*constant weight"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_names_the_layer(models: ModuleType, tmp_path: Path, case: str) -> None:
    nodes, message = REFUSED[case]
    constants = {"w": normal(4, 4), "low": np.float32(-1.0), "high": np.float32(1.0)}
    models.save(tmp_path / "model.onnx", nodes, constants, shape=(4, 4))
    with pytest.raises(RefusedError, match=message) as caught:
        lower(read(tmp_path / "model.onnx", batch=4))
    _, _, reason = str(caught.value).partition("has no spiking form: ")
    assert ": " in reason, "a refusal says what would help"


def test_a_final_softmax_is_a_readout(models: ModuleType, tmp_path: Path) -> None:
    nodes = [DENSE, node("Softmax", ["h"], ["y"], name="probabilities")]
    models.save(tmp_path / "model.onnx", nodes, {"w": normal(4, 4)}, shape=("n", 4))
    lowered = lower(read(tmp_path / "model.onnx"))
    assert [layer.name for layer in lowered.readout] == ["probabilities"]
    assert [block.name for block in lowered.blocks] == ["hidden"]


def test_uneven_mean_windows_are_refused(models: ModuleType, tmp_path: Path) -> None:
    pool = node("AveragePool", ["x"], ["y"], name="avg", kernel_shape=[3, 3], pads=[1] * 4)
    models.save(tmp_path / "model.onnx", [pool], {}, shape=("n", 1, 4, 4))
    with pytest.raises(RefusedError, match=r"'avg' \(AveragePool\).*border"):
        lower(read(tmp_path / "model.onnx"))
