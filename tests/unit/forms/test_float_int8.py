import logging
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from twentywatts.errors import DataError, RefusedError
from twentywatts.forms import build, settings_of
from twentywatts.forms.runtime import BatchRunner
from twentywatts.machines.traits import ProcessorTraits

TRAITS = ProcessorTraits(precisions=("fp32", "int8"))


def make(form, network, calibration):
    return build(form, network, TRAITS, calibration=calibration, setting=settings_of(form, TRAITS)[0])


@pytest.fixture(scope="module")
def digits(models, tmp_path_factory):
    return models.digits_mlp(tmp_path_factory.mktemp("digits") / "digits.onnx")


def test_settings_name_the_precision():
    assert settings_of("float", TRAITS) == [{"precision": "fp32"}]
    assert settings_of("int8", TRAITS) == [{"precision": "int8"}]


def test_float_equals_numpy(models, digits):
    network, train, test, _ = digits
    result = make("float", network, {"x": train}).run({"x": test})
    assert result.outputs.dtype == np.float32
    assert result.outputs.shape == (len(test), 10)
    assert result.workload is None
    assert result.draws is None


def test_int8_keeps_accuracy_within_two_points(models, digits):
    network, train, test, targets = digits
    reference = models.accuracy(make("float", network, {"x": train}).run({"x": test}).outputs, targets)
    outputs = make("int8", network, {"x": train}).run({"x": test}).outputs
    assert reference > 0.85
    assert abs(models.accuracy(outputs, targets) - reference) <= 0.02
    assert not np.array_equal(outputs, make("float", network, {"x": train}).run({"x": test}).outputs)


def test_int8_leaves_no_file_and_no_logging_behind(models, digits):
    network, train, _, _ = digits
    before, handlers = sorted(network.path.parent.iterdir()), list(logging.root.handlers)
    make("int8", network, {"x": train})
    assert sorted(network.path.parent.iterdir()) == before
    assert list(logging.root.handlers) == handlers
    assert logging.root.manager.disable == logging.NOTSET


@pytest.mark.parametrize("form", ["float", "int8"])
def test_fixed_batch_is_padded_and_cut(models, tmp_path, form):
    rng = np.random.default_rng(0)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], name="only")]
    weights = {"w": rng.normal(size=(6, 3)).astype(np.float32)}
    open_batch = models.save(tmp_path / "open.onnx", nodes, weights, shape=("n", 6))
    fixed = models.save(tmp_path / "fixed.onnx", nodes, weights, shape=(4, 6))
    x = rng.normal(size=(11, 6)).astype(np.float32)
    expected = make(form, open_batch, {"x": x}).run({"x": x}).outputs
    np.testing.assert_allclose(make(form, fixed, {"x": x}).run({"x": x}).outputs, expected, rtol=1e-5)


@pytest.mark.parametrize("form", ["float", "int8"])
@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": np.zeros((3, 65), np.float32)}, "wanted"),
        ({"x": np.zeros((3, 8, 8), np.float32)}, "wanted"),
        ({"z": np.zeros((3, 64), np.float32)}, "no 'x'"),
        ({"x": np.zeros((0, 64), np.float32)}, "at least one"),
    ],
)
def test_bad_samples_are_one_clear_line(digits, form, inputs, words):
    network, train, _, _ = digits
    with pytest.raises(DataError, match=words) as caught:
        make(form, network, {"x": train}).run(inputs)
    assert "\n" not in str(caught.value)


def test_model_that_cannot_run_is_refused(models, tmp_path):
    nodes = [helper.make_node("NoSuchOperator", ["x"], ["y"], name="strange")]
    network = models.save(tmp_path / "strange.onnx", nodes, {}, shape=("n", 4))
    for form in ("float", "int8"):
        with pytest.raises(RefusedError, match="NoSuchOperator") as caught:
            make(form, network, {"x": np.zeros((2, 4), np.float32)})
        assert "\n" not in str(caught.value)


def test_same_outputs_twice_and_in_any_number_of_workers(monkeypatch, digits):
    network, train, test, _ = digits
    first = make("int8", network, {"x": train}).run({"x": test}).outputs
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert np.array_equal(make("int8", network, {"x": train}).run({"x": test}).outputs, first)


def test_several_inputs_are_fed_by_name(tmp_path, models):
    import onnx

    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2]) for name in ("a", "b")]
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph([helper.make_node("Sub", ["a", "b"], ["y"])], "g", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "two.onnx")
    network = models.network_of(tmp_path / "two.onnx")
    data = {"b": np.ones((3, 2)), "a": np.full((3, 2), 5), "unused": np.zeros(3)}
    outputs = make("float", network, data).run(data).outputs
    assert np.array_equal(outputs, np.full((3, 2), 4.0, np.float32))


def test_outputs_that_would_not_fit_are_told_after_the_first_batch() -> None:
    runner, runs = BatchRunner(fixed=None, limit=4), []

    def wide(feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
        runs.append(len(feeds["x"]))
        return np.broadcast_to(np.float32(0), (len(feeds["x"]), 2**20))

    with pytest.raises(DataError, match=r"of 2,000 samples would take 8,388,608,000 bytes.* at most 1,024 samples$"):
        runner.map(wide, {"x": np.zeros((2000, 1))}, workers=1)
    assert runs == [4]
