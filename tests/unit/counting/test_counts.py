"""Counts as a record, as a document and as a table; and the workload of a processor."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from tests.support.onnx_models import constant, info, model_of, save, zeros

from twentywatts.counting import Counts, count, processor_workload
from twentywatts.errors import InputError
from twentywatts.readers import read

Node = helper.make_node


def network_file(folder: Path, first: Any = "N") -> Path:
    nodes = [
        Node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", pads=[1, 1, 1, 1]),
        Node("BatchNormalization", ["c1", "s", "s", "s", "s"], ["n1"], name="norm1"),
        Node("Relu", ["n1"], ["r1"], name="relu1"),
        Node("Conv", ["r1", "w2"], ["c2"], name="conv2", pads=[1, 1, 1, 1]),
        Node("Add", ["c2", "r1"], ["a"], name="add"),
        Node("Relu", ["a"], ["r2"], name="relu2"),
        Node("GlobalAveragePool", ["r2"], ["g"], name="pool"),
        Node("Flatten", ["g"], ["f"], name="flatten"),
        Node("Gemm", ["f", "w3"], ["m"], name="gemm"),
        Node("Odd", ["m"], ["o"], name="odd", domain="local"),
        Node("Softmax", ["m"], ["y"], name="softmax"),
    ]
    constants = [zeros("w1", 8, 3, 3, 3), zeros("b1", 8), zeros("s", 8), zeros("w2", 8, 8, 3, 3), zeros("w3", 8, 10)]
    return save(model_of(nodes, [info("x", [first, 3, 6, 6])], ["y", "o"], constants), folder)


@pytest.fixture
def counts(tmp_path: Path) -> Counts:
    return count(network_file(tmp_path))


def test_totals_are_sums(counts: Counts) -> None:
    assert counts.mac_count == sum(layer.mac_count for layer in counts.layers) == 36 * 8 * (27 + 72) + 80
    assert counts.op_count == sum(layer.op_count for layer in counts.layers)
    assert counts.parameter_count == 216 + 8 + 8 + 576 + 80
    assert counts.weight_bytes == 4 * counts.parameter_count
    assert counts.unknown_node_frac == 1 / 11
    assert counts.unknown[0].reason == "no counting rule for this operator"


def test_the_document_fits_its_schema(counts: Counts) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((files("twentywatts") / "data" / "schemas" / "count-1.schema.json").read_text())
    document = counts.as_document()
    jsonschema.Draft202012Validator(schema).validate(document)
    assert next(iter(document)) == "schema"
    assert json.loads(json.dumps(document)) == document
    assert document["totals"]["mac_count"] == counts.mac_count


def test_the_table_is_plain_text(counts: Counts) -> None:
    text = str(counts)
    assert "model.onnx, batch 1: 10 layers" in text
    assert "conv1" in text
    assert "odd (local.Odd): no counting rule for this operator" in text
    assert max(len(line) for line in text.splitlines()) < 120


def test_counting_twice_gives_the_same(tmp_path: Path) -> None:
    path = network_file(tmp_path)
    assert count(path) == count(path)
    assert count(path) == count(read(path))
    assert count(read(path, batch=4)).batch == 4


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 64))
def test_a_batch_multiplies_work_and_never_weights(tmp_path_factory: pytest.TempPathFactory, batch: int) -> None:
    path = network_file(tmp_path_factory.mktemp("batch"))
    one, many = count(path), count(path, batch=batch)
    assert many.mac_count == batch * one.mac_count
    assert many.op_count == batch * one.op_count
    assert many.activation_bytes == batch * one.activation_bytes
    assert many.weight_bytes == one.weight_bytes
    assert all(min(x.mac_count, x.op_count, x.input_bytes, x.output_bytes, x.weight_bytes) >= 0 for x in many.layers)


def test_a_fixed_batch_runs_several_times(tmp_path: Path) -> None:
    path = network_file(tmp_path, first=4)
    counts = count(path, batch=8)
    assert (counts.batch, counts.runs) == (8, 2)
    assert counts.mac_count == 2 * count(read(path)).mac_count
    assert "counts are of 2 runs" in counts.notes
    odd = count(path, batch=6)
    assert (odd.batch, odd.runs) == (8, 2)
    assert "runs 4 at a time" in odd.notes[-1]


# the workload of a processor ------------------------------------------------------------------------------------------


def test_what_runtimes_fuse_has_no_kernel_and_no_traffic(counts: Counts) -> None:
    work = processor_workload(counts)
    kernels = dict(zip(work.layers, work.kernel_count.tolist(), strict=True))
    fused = {"norm1", "relu1", "add", "relu2", "flatten"}
    assert {name for name, value in kernels.items() if value == 0} == fused
    at = {name: index for index, name in enumerate(work.layers)}
    assert work.output_bytes[at["relu1"]] == 0
    assert work.op_count[at["norm1"]] == 0, "its scale folds into the weights"
    assert work.weight_bytes[at["norm1"]] == 0
    assert work.op_count[at["relu1"]] == 288
    assert work.input_bytes[at["add"]] == 4 * 288, "the other branch is still read"
    assert work.mac_count.sum() == counts.mac_count
    assert work.unknown == ("odd",)
    assert work.batch == 1


def test_a_layer_whose_input_is_read_elsewhere_is_not_fused(tmp_path: Path) -> None:
    nodes = [Node("Conv", ["x", "w"], ["c"]), Node("Relu", ["c"], ["r"], name="relu"), Node("Mul", ["c", "r"], ["y"])]
    path = save(model_of(nodes, [info("x", ["N", 3, 6, 6])], ["y"], [zeros("w", 3, 3, 1, 1)]), tmp_path)
    work = processor_workload(count(path))
    assert work.kernel_count.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("precision", "width"), [("fp32", 4), ("fp16", 2), ("int8", 1)])
def test_precision_narrows_layers_that_multiply(counts: Counts, precision: str, width: int) -> None:
    work = processor_workload(counts, precision=precision)
    at = {name: index for index, name in enumerate(work.layers)}
    assert work.weight_bytes[at["conv1"]] == (216 + 8) * width
    assert work.input_bytes[at["conv1"]] == 108 * width
    assert work.output_bytes[at["conv2"]] == 288 * width
    assert work.output_bytes[at["softmax"]] == (20 if precision == "fp16" else 40), "no softmax on bytes"
    assert work.precision == precision


def test_a_stored_precision_below_the_form_stays(tmp_path: Path) -> None:
    nodes = [Node("MatMulInteger", ["x", "w"], ["y"])]
    model = model_of(nodes, [info("x", ["N", 4], 2)], ["y"], [zeros("w", 4, 5, kind=np.int8)])
    assert processor_workload(count(save(model, tmp_path))).weight_bytes.tolist() == [20]


def test_other_batches_scale_what_was_counted(tmp_path: Path) -> None:
    path = network_file(tmp_path)
    scaled, counted = processor_workload(count(path), batch=8), processor_workload(count(path, batch=8))
    for name in ("mac_count", "op_count", "weight_bytes", "input_bytes", "output_bytes", "kernel_count"):
        assert np.array_equal(getattr(scaled, name), getattr(counted, name)), name
    assert scaled.batch == counted.batch == 8


def test_several_runs_read_the_weights_several_times(tmp_path: Path) -> None:
    path = network_file(tmp_path, first=4)
    one, two = processor_workload(count(path, batch=4)), processor_workload(count(path, batch=8))
    assert np.array_equal(two.weight_bytes, 2 * one.weight_bytes)
    assert np.array_equal(two.kernel_count, 2 * one.kernel_count)


def test_an_unknown_precision(counts: Counts) -> None:
    with pytest.raises(InputError, match="fp32, fp16, int8"):
        processor_workload(counts, precision="fp8")


def test_an_empty_model(tmp_path: Path) -> None:
    model = model_of([], [], ["w"], [constant("w", [1])])
    counts = count(save(model, tmp_path))
    assert counts.unknown_node_frac == 0
    assert processor_workload(counts).mac_count.size == 0
    assert "0 layers" in str(counts)


def test_a_table_does_not_steer_the_terminal(tmp_path: Path) -> None:
    nodes = [Node("Relu", ["x"], ["y"], name="a\x1b[2J\nb"), Node("Odd", ["x"], ["z"], name="\r", domain="local")]
    text = str(count(save(model_of(nodes, [info("x", ["N", 3])], ["y"]), tmp_path)))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert len(text.splitlines()) == 6


@pytest.mark.parametrize("op", ["Conv", "DequantizeLinear", "LSTM", "Gather", "MaxPool", "Einsum", "Attention"])
@pytest.mark.parametrize("domain", ["", "com.microsoft"])
def test_layers_without_inputs_or_attributes_are_unknown(tmp_path: Path, op: str, domain: str) -> None:
    model = model_of([Node(op, [], ["y"], domain=domain), Node(op, [""], [""], domain=domain)], [], ["y"], opset=23)
    counts = count(save(model, tmp_path))
    assert len(counts.unknown) == 2
    assert counts.layers == ()
