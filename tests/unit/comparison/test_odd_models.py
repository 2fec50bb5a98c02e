"""Models and targets that are valid files and still make no comparison: one sentence, never a wrong table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import twentywatts as tw
from twentywatts.comparison.metrics import metric_of
from twentywatts.errors import DataError, InputError, ModelError, RefusedError

GENERATOR = np.random.default_rng(0)
WEIGHTS = GENERATOR.normal(size=(4, 3)).astype(np.float32)
X = GENERATOR.normal(size=(60, 4)).astype(np.float32)
Y = (X @ WEIGHTS).argmax(axis=1)
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(*nodes: Any, kind: int = TensorProto.FLOAT, weights: Any = WEIGHTS, outputs: int = 1) -> Path:
        x = helper.make_tensor_value_info("x", kind, ["n", 4])
        y = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)][:outputs]
        graph = helper.make_graph(list(nodes), "g", [x], y, [numpy_helper.from_array(weights, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "m.onnx")
        return tmp_path / "m.onnx"

    return write


def samples(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "d.npz", **({"x": X, "y": Y} | arrays))
    return folder / "d.npz"


def compare(model: Path, on: str = "h100-sxm", metric: str = "accuracy", **arrays: Any) -> tw.Comparison:
    return tw.compare(model, samples(model.parent, **arrays), on=[on], metric=metric)


MATMUL = helper.make_node("MatMul", ["x", "w"], ["y"])


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([helper.make_node("Identity", ["x"], ["y"])], "nothing to compare"),
        ([MATMUL, helper.make_node("Relu", ["y"], ["z"])], "no output"),
        ([helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)], "first axis"),
    ],
)
def test_a_model_that_gives_nothing_to_compare_is_told(save: Save, nodes: list[Any], words: str) -> None:
    model = save(*nodes, outputs=0 if words == "no output" else 1)
    with pytest.raises((ModelError, RefusedError), match=words):
        compare(model)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_model_that_gives_no_numbers_is_no_reference(save: Save, bad: float) -> None:
    with pytest.raises(DataError, match="NaN"):
        compare(save(MATMUL, weights=WEIGHTS * np.float32(0) * np.float32(bad) if np.isnan(bad) else WEIGHTS * 0 + bad))


def test_a_weight_beyond_numbers_has_no_spiking_form(save: Save) -> None:
    hidden = helper.make_node("MatMul", ["x", "w"], ["h"])
    weights = np.array(WEIGHTS)
    weights[0, 0] = np.inf  # the softmax of an infinite score is NaN; clipped, every output is a number
    clip = helper.make_node("Tanh", ["h"], ["t"])
    rows = compare(save(hidden, clip, helper.make_node("Relu", ["t"], ["y"]), weights=weights), on="loihi")
    assert [refusal.machine for refusal in rows.refused] == ["loihi"]


def test_nan_is_never_right() -> None:
    outputs = np.array([[np.nan, np.nan], [1.0, 0.0]])
    assert metric_of("accuracy").score(outputs, np.array([0, 0])) == 0.5
    assert metric_of("f1").score(outputs, np.array([0, 0])) < 1.0


@pytest.mark.parametrize("metric", ["accuracy", "f1", "top-2"])
@pytest.mark.parametrize("targets", [-Y, np.eye(3, dtype=int)[Y], Y + 0.5, Y + 7])
def test_targets_that_are_no_class_indices_are_told(save: Save, metric: str, targets: Any) -> None:
    with pytest.raises(DataError, match="'y'"):
        compare(save(MATMUL), metric=metric, y=targets)


@pytest.mark.parametrize("name", ["top-²", "top-0", "top-" + "9" * 5000, "top--1", "top-1e3"])
def test_a_metric_of_no_number_is_unknown(name: str) -> None:
    with pytest.raises(InputError, match="unknown metric"):
        metric_of(name)


def test_a_class_that_only_the_reported_samples_hold_does_not_stop_the_baselines(save: Save, tmp_path: Path) -> None:
    model = save(MATMUL)
    np.savez(tmp_path / "train.npz", x=X[Y < 2] * 1.01, y=Y[Y < 2])
    found = tw.compare(model, samples(tmp_path), train=tmp_path / "train.npz", on=["h100-sxm"])
    assert found.baselines


def test_f1_is_the_mean_over_classes() -> None:
    from sklearn.metrics import f1_score

    outputs, targets = GENERATOR.normal(size=(200, 5)), GENERATOR.integers(0, 4, 200)
    wanted = f1_score(targets, outputs.argmax(axis=1), average="macro")
    assert metric_of("f1").score(outputs, targets) == pytest.approx(wanted)


def test_arrays_serve_as_well_as_files(save: Save) -> None:
    model = save(MATMUL)
    given = [samples(model.parent), (X, Y), {"x": X, "y": Y}]
    told = [str(tw.compare(model, each, on=["h100-sxm"])) for each in given]  # type: ignore[arg-type]
    assert len({text.replace("d.npz", "data") for text in told}) == 1


def test_what_tunes_is_not_reported(save: Save) -> None:
    model = save(MATMUL)
    with pytest.raises(DataError, match="can prove nothing"):
        tw.compare(model, (X, Y), train=(X, Y), on=["h100-sxm"])
    found = tw.compare(model, (X[:40], Y[:40]), train=(X[30:], Y[30:]), on=["h100-sxm"])
    assert found.data.tuning_count == 20
    assert "10 of 30 samples of train stand in data too: they are left out" in found.data.split


@pytest.mark.parametrize("drop", ["2%", None, True, float("nan"), -1])
def test_a_drop_is_a_number(drop: Any) -> None:
    with pytest.raises(InputError, match=r"(max_drop|largest drop) must be a number"):
        tw.compare("m.onnx", "d.npz", max_drop=drop)


@pytest.mark.parametrize("bad", [3, None, (X,), (X, [[1], [1, 2]]), (X, ["a"] * len(X))])
def test_what_is_no_samples_is_told(save: Save, bad: Any) -> None:
    with pytest.raises(InputError, match=r"pair \(x, y\)|no array of numbers"):
        tw.compare(save(MATMUL), bad, on=["h100-sxm"])


def test_a_model_at_chance_is_told_before_anything_else(save: Save) -> None:
    model = save(MATMUL)
    assert compare(model).chance == ""
    found = compare(model, y=np.random.default_rng(1).integers(0, 3, len(Y)))
    assert found.chance.startswith("AT CHANCE: the model as given ")
    assert str(found).splitlines()[2] == found.chance


def test_a_chip_that_a_user_s_metric_has_no_number_for_is_refused(save: Save) -> None:
    exact = set(np.round((X @ WEIGHTS)[:, 0], 4).tolist())

    def only_exact(outputs: Any, targets: Any) -> float:
        return 1.0 if np.round(outputs[:, 0], 4).tolist()[0] in exact else float("nan")

    found = tw.compare(save(MATMUL), (X, Y), on=["h100-sxm", "h100", "loihi"], metric=only_exact)
    # the same chip by another name is one row; it runs fp32, as int8 has no score
    assert [(row.machine, row.form) for row in found.rows[:-1]] == [("this-cpu", "float"), ("h100-sxm", "float")]
    (refusal,) = found.refused
    assert (refusal.machine, refusal.reason) == ("loihi", "the only_exact of its outputs is nan")
    assert found.baselines == ()
