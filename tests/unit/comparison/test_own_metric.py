"""A user's own metric: whatever it does, the comparison says in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twentywatts as tw
from twentywatts.comparison.metrics import metric_of
from twentywatts.errors import InputError

OUTPUTS, TARGETS = np.eye(4), np.arange(4)


def scored(value: Any) -> float:
    return metric_of(lambda outputs, targets: value).score(OUTPUTS, TARGETS)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), True, np.bool_(True), 3])
def test_one_number_of_any_library_is_a_score(value: Any) -> None:
    assert scored(value) == float(value)


@pytest.mark.torch
def test_a_tensor_of_one_number_is_a_score() -> None:
    torch = pytest.importorskip("torch")
    assert scored(torch.tensor(0.5)) == 0.5
    with pytest.raises(InputError, match="one number, got Tensor"):
        scored(torch.ones(3))


@pytest.mark.parametrize(
    ("value", "told"), [("0.5", "'0.5'"), (None, "None"), (np.ones(3), "ndarray"), ([0.5], "list"), ((), "tuple")]
)
def test_anything_else_is_told(value: Any, told: str) -> None:
    with pytest.raises(InputError, match=rf"the metric '<lambda>' must return one number, got {told} \(for outputs"):
        scored(value)


def test_what_it_raises_is_told_and_kept() -> None:
    def hits(outputs: Any, targets: Any) -> float:
        raise KeyError("class \x1b[31m7")

    with pytest.raises(InputError, match=r"the metric 'hits' raised KeyError: .*class .* of shape \(4, 4\)") as error:
        metric_of(hits).score(OUTPUTS, TARGETS)
    assert isinstance(error.value.__cause__, KeyError)
    assert str(error.value).isprintable()


def test_resamples_without_a_score_are_left_out() -> None:
    def mostly(outputs: Any, targets: Any) -> float:
        if len(np.unique(targets)) < 2:
            raise ValueError("one class only")
        return float((outputs.argmax(axis=1) == targets).mean())

    verdict = metric_of(mostly).verdict(OUTPUTS, OUTPUTS, TARGETS, 0.01)
    assert verdict.keeps
    assert verdict.bound == 0


def test_where_hardly_any_resample_has_a_score_nothing_is_told() -> None:
    def seldom(outputs: Any, targets: Any) -> float:
        return 1.0 if np.array_equal(targets, TARGETS) else float("nan")

    verdict = metric_of(seldom).verdict(OUTPUTS, OUTPUTS, TARGETS, 0.01)
    assert verdict.keeps is None
    assert verdict.bound == 1.0
    assert "nothing can be told" in verdict.sentence


def model(path: Path, weight: np.ndarray) -> Path:
    onnx = pytest.importorskip("onnx")
    given, made = (("x", len(weight)), ("y", weight.shape[1]))
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", size]) for name, size in (given, made)
    ]
    held = onnx.numpy_helper.from_array(weight.astype(np.float32), "W")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "W"], ["y"])], "g", ends[:1], ends[1:], [held]
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)
    return path


WHOLE = {
    "prices": (lambda x: (1e5 * x.sum(axis=1)).astype(np.int64), 1),
    "marks below zero": (lambda x: np.round(4 * x[:, 0]).astype(np.int64) - 2, 3),
    "several labels": (lambda x: (x[:, :3] > 0.5).astype(np.int64), 3),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers_that_are_no_classes_are_values(kind: str, tmp_path: Path) -> None:
    """The simplest method for values, their mean, is compared; under mean-error it is the same one."""
    pytest.importorskip("onnxruntime")
    make, width = WHOLE[kind]
    x = np.random.default_rng(0).random((120, 4), dtype=np.float32)
    path = model(tmp_path / "m.onnx", np.ones((4, width)))
    np.savez(tmp_path / "d.npz", x=x, y=make(x))

    def closeness(outputs: Any, targets: Any) -> float:
        wide = targets if targets.ndim > 1 else targets[:, None]
        return -float(np.abs(outputs[:, : wide.shape[1]] - wide).mean())

    found = tw.compare(path, tmp_path / "d.npz", on="t4", metric=closeness).baselines
    assert {one.name for one in found} == {"mean", "ridge regression", "k-nearest neighbours"}
    if kind == "prices":
        plain = tw.compare(path, tmp_path / "d.npz", on="t4", metric="mean-error").baselines
        assert [one.accuracy for one in plain] == pytest.approx([-one.accuracy for one in found])
