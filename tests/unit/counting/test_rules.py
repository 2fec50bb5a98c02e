"""Rules of operators against formulas by hand."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tests.support.onnx_models import constant, info, model_of, one_layer, save, zeros

from twentywatts.counting import Counts, LayerCount, count
from twentywatts.counting.rules import RULES
from twentywatts.counting.rules.product import einsum_macs

Node = helper.make_node


def counted(op: str, shapes: list[tuple[int, ...]], folder: Path, outputs: int = 1, **attributes: Any) -> LayerCount:
    counts = count(save(one_layer(op, shapes, outputs, **attributes), folder))
    assert counts.unknown == (), counts.unknown
    return counts.layers[0]


BOTH = {"hidden_size": 20, "direction": "bidirectional"}
CASES = [
    # operator, shapes, attributes, multiply-accumulates, other operations
    ("Conv", [(2, 6, 9, 9), (8, 6, 3, 3), (8,)], {}, 2 * 8 * 49 * 54, 2 * 8 * 49),
    ("Conv", [(2, 6, 9, 9), (8, 3, 3, 3)], {"group": 2, "strides": [2, 2]}, 2 * 8 * 16 * 27, 0),
    ("Conv", [(1, 6, 9, 9), (6, 1, 3, 3)], {"group": 6, "dilations": [2, 2]}, 6 * 25 * 9, 0),
    ("Conv", [(1, 4, 20), (5, 4, 3)], {"pads": [1, 1]}, 5 * 20 * 12, 0),
    ("Conv", [(1, 2, 5, 6, 7), (3, 2, 2, 2, 2)], {}, 3 * 4 * 5 * 6 * 16, 0),
    ("ConvTranspose", [(2, 6, 5, 5), (6, 4, 3, 3), (4,)], {"strides": [2, 2]}, 2 * 6 * 25 * 36, 2 * 4 * 121),
    ("ConvTranspose", [(1, 6, 5, 5), (6, 2, 3, 3)], {"group": 2}, 6 * 25 * 18, 0),
    ("DeformConv", [(1, 4, 5, 5), (6, 4, 2, 2), (1, 8, 4, 4)], {}, 6 * 16 * 16, 8 * 16 * 16),
    ("Gemm", [(3, 4), (5, 4), (5,)], {"transB": 1}, 60, 15),
    ("Gemm", [(4, 3), (4, 5)], {"transA": 1, "alpha": 2.0}, 60, 15),
    ("MatMul", [(3, 4), (4, 5)], {}, 60, 0),
    ("MatMul", [(2, 1, 3, 4), (7, 4, 5)], {}, 14 * 60, 0),
    ("MatMul", [(4,), (4,)], {}, 4, 0),
    ("MatMul", [(2, 3, 4), (4,)], {}, 24, 0),
    ("Einsum", [(2, 3, 4), (2, 4, 5)], {"equation": "bij,bjk->bik"}, 2 * 3 * 4 * 5, 0),
    ("Einsum", [(3,), (4,)], {"equation": "i,j->ij"}, 0, 12),
    ("LSTM", [(7, 3, 12), (2, 80, 12), (2, 80, 20)], BOTH, 107520, 42 * (18 * 20 + 80)),
    ("GRU", [(7, 3, 12), (1, 60, 12), (1, 60, 20)], {"hidden_size": 20}, 7 * 3 * 60 * 32, 7 * 3 * (60 + 13 * 20)),
    ("RNN", [(7, 3, 12), (1, 20, 12), (1, 20, 20), (1, 40)], {"hidden_size": 20}, 7 * 3 * 20 * 32, 7 * 3 * 60),
    ("BatchNormalization", [(2, 3, 4, 4), (3,), (3,), (3,), (3,)], {}, 0, 2 * 96),
    ("LayerNormalization", [(2, 8), (8,), (8,)], {}, 0, 7 * 16),
    ("InstanceNormalization", [(2, 3, 4, 4), (3,), (3,)], {}, 0, 7 * 96),
    ("LRN", [(1, 8, 4, 4)], {"size": 5}, 0, 10 * 128),
    ("MaxPool", [(1, 2, 8, 8)], {"kernel_shape": [3, 3], "strides": [2, 2]}, 0, 9 * 18),
    ("AveragePool", [(1, 2, 8, 8)], {"kernel_shape": [2, 2]}, 0, 4 * 98),
    ("GlobalAveragePool", [(1, 2, 8, 8)], {}, 0, 128),
    ("Softmax", [(2, 10)], {}, 0, 100),
    ("Relu", [(2, 10)], {}, 0, 20),
    ("Sigmoid", [(2, 10)], {}, 0, 80),
    ("Add", [(2, 10), (10,)], {}, 0, 20),
    ("Sum", [(2, 10), (2, 10), (2, 10)], {}, 0, 40),
    ("Mean", [(2, 10), (2, 10)], {}, 0, 40),
    ("ReduceMean", [(2, 10)], {}, 0, 20),
    ("Transpose", [(2, 10)], {}, 0, 0),
    ("Flatten", [(2, 10)], {}, 0, 0),
    ("Dropout", [(2, 10)], {}, 0, 0),
]


@pytest.mark.parametrize(("op", "shapes", "attributes", "macs", "ops"), CASES)
def test_work_by_hand(
    op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any], macs: int, ops: int, tmp_path: Path
) -> None:
    outputs = 1
    layer = counted(op, shapes, tmp_path, outputs, **attributes)
    assert (layer.mac_count, layer.op_count) == (macs, ops)
    assert layer.mac_bits == (32 if macs else 0)


def test_bytes_of_a_layer(tmp_path: Path) -> None:
    layer = counted("Gemm", [(3, 4), (4, 5), (5,)], tmp_path)
    assert layer.input_bytes == 3 * 4 * 4
    assert layer.output_bytes == 3 * 5 * 4
    assert layer.weight_bytes == (20 + 5) * 4
    assert layer.parameter_count == 25


@pytest.mark.parametrize("op", ["Reshape", "Identity", "Dropout", "Flatten", "Squeeze", "Unsqueeze"])
def test_views_cost_nothing(op: str, tmp_path: Path) -> None:
    inputs = ["x", "s"] if op in ("Reshape", "Squeeze", "Unsqueeze") else ["x"]
    values = {"Reshape": [2, 10], "Squeeze": [0], "Unsqueeze": [0]}
    constants = [constant("s", values[op])] if op in values else []
    counts = count(save(model_of([Node(op, inputs, ["y"])], [info("x", [1, 20])], ["y"], constants), tmp_path))
    layer = counts.layers[0]
    assert (layer.op_count, layer.input_bytes, layer.output_bytes, layer.weight_bytes) == (0, 0, 0, 0)


def test_a_lookup_reads_the_rows_it_touches(tmp_path: Path) -> None:
    nodes = [Node("Gather", ["table", "ids"], ["e"]), Node("MatMul", ["e", "back"], ["y"])]
    nodes.insert(0, Node("Transpose", ["table"], ["back"]))
    model = model_of(nodes, [info("ids", ["N", 6], TensorProto.INT64)], ["y"], [zeros("table", 1000, 8)])
    counts = count(save(model, tmp_path), batch=2)
    lookup, product = counts.layers
    assert lookup.weight_bytes == 2 * 6 * 8 * 4
    assert lookup.input_bytes == 2 * 6 * 8
    assert lookup.parameter_count == product.parameter_count == 8000
    assert counts.parameter_count == 8000, "the table is tied to the last product and counts once"
    assert counts.weight_bytes == 8000 * 4
    assert counts.mac_count == 2 * 6 * 8 * 1000


def test_a_weight_of_two_layers_counts_once_and_an_activation_twice(tmp_path: Path) -> None:
    nodes = [Node("MatMul", ["x", "w"], ["a"]), Node("MatMul", ["a", "w"], ["b"]), Node("Add", ["a", "b"], ["y"])]
    counts = count(save(model_of(nodes, [info("x", ["N", 4])], ["y"], [zeros("w", 4, 4)]), tmp_path))
    assert counts.parameter_count == 16
    assert counts.weight_bytes == 64
    assert counts.activation_bytes == 16 * (2 + 2 + 3)


def test_attention_of_opset_23(tmp_path: Path) -> None:
    model = one_layer("Attention", [(2, 4, 9, 8), (2, 4, 11, 8), (2, 4, 11, 6)])
    model.opset_import[0].version = 23
    counts = count(save(model, tmp_path))
    assert counts.mac_count == 2 * 4 * 9 * 11 * (8 + 6)
    packed = one_layer("Attention", [(2, 9, 32), (2, 11, 16), (2, 11, 12)], q_num_heads=4, kv_num_heads=2)
    packed.opset_import[0].version = 23
    assert count(save(packed, tmp_path)).mac_count == 2 * 4 * 9 * 11 * (8 + 6)


def contrib(op: str, shapes: list[tuple[int, ...]], folder: Path, **attributes: Any) -> Counts:
    model = one_layer(op, shapes, **attributes)
    model.graph.node[0].domain = "com.microsoft"
    return count(save(model, folder))


def test_operators_of_onnx_runtime(tmp_path: Path) -> None:
    fused = contrib("FusedMatMul", [(2, 3, 4), (2, 5, 4)], tmp_path, transB=1)
    assert fused.mac_count == 2 * 3 * 4 * 5
    heads = contrib("MultiHeadAttention", [(2, 9, 32), (2, 11, 32), (2, 11, 32)], tmp_path, num_heads=4)
    assert heads.mac_count == 2 * 9 * 11 * 64
    packed = contrib("Attention", [(2, 9, 32), (32, 96), (96,)], tmp_path, num_heads=4)
    assert packed.mac_count == 2 * 9 * 32 * 96 + 2 * 9 * 9 * 64
    few = contrib("MatMulNBits", [(2, 64), (16, 2, 16), (32,)], tmp_path, K=64, N=16, bits=4, block_size=32)
    assert few.mac_count == 2 * 64 * 16
    assert few.layers[0].mac_bits == 32
    odd = contrib("NhwcMaxPool", [(1, 8, 8, 2)], tmp_path)
    assert odd.unknown[0].op == "com.microsoft.NhwcMaxPool"


@pytest.mark.parametrize(
    ("op", "shapes", "attributes"),
    [
        ("NonMaxSuppression", [(1, 4, 4), (1, 2, 4)], {}),
        ("Det", [(3, 3)], {}),
        ("Conv", [(1, 5, 8, 8), (4, 3, 3, 3)], {}),
    ],
)
def test_what_is_not_understood_is_named(
    op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any], tmp_path: Path
) -> None:
    counts = count(save(one_layer(op, shapes, **attributes), tmp_path))
    assert counts.layers == ()
    assert counts.unknown[0].name == "layer"
    assert counts.unknown[0].op == op
    assert counts.unknown[0].reason
    assert counts.unknown_node_frac == 1
    assert "not counted: 1 layer (100.0 % of all)" in str(counts)


def test_parameters_of_unknown_layers_are_known(tmp_path: Path) -> None:
    counts = contrib("Strange", [(1, 4), (4, 6)], tmp_path)
    assert counts.mac_count == 0
    assert counts.parameter_count == 24


def test_every_rule_names_an_operator_that_exists() -> None:
    import onnx

    known = {(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas()}
    ours = {key for key in RULES if key[0] != "com.microsoft"}
    assert ours - known <= {("", "SimplifiedLayerNormalization"), ("", "BitCast"), ("", "CumProd")}


EINSUMS = ["ij,jk->ik", "bij,bjk->bik", "ij,ij->", "ijk,k->ij", "...ij,...jk->...ik", "ij,jk,kl->il", "ij,kj"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(EINSUMS), st.lists(st.integers(1, 5), min_size=6, max_size=6))
def test_einsum_agrees_with_numpy(equation: str, sizes: list[int]) -> None:
    """NumPy's own count of the same left-to-right path: two operations per product that is summed."""
    axes = dict(zip("bijkl", sizes, strict=False))
    terms = equation.split("->", maxsplit=1)[0].split(",")
    shapes = [tuple([sizes[5]] * term.count("...") + [axes[c] for c in term.replace("...", "")]) for term in terms]
    path = ["einsum_path", *([(0, 1)] + [(0, len(terms) - 2)] * (len(terms) - 2) if len(terms) > 2 else [(0, 1)])]
    macs, ops = einsum_macs(equation, shapes)
    assert macs >= 0
    assert ops >= 0
    if len(terms) == 2:
        report = np.einsum_path(equation, *(np.zeros(s) for s in shapes), optimize=path)[1]
        expected = float(report.split("Optimized FLOP count:")[1].split()[0])
        work = 2 * macs + ops
        assert work == pytest.approx(expected, rel=1e-3) or work == pytest.approx(expected - 1, rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.sampled_from([1, 2, 4]), st.tuples(*[st.integers(1, 3)] * 2), st.integers(1, 2))
def test_convolutions_by_brute_force(
    tmp_path_factory: pytest.TempPathFactory, batch: int, group: int, window: tuple[int, int], dilation: int
) -> None:
    """Each output of each group meets each weight once: counted with loops, not with the formula."""
    (kernel, stride), pad = window, dilation - 1
    size, inputs, outputs = 9, 4, 8
    span = dilation * (kernel - 1) + 1
    places = len(range(0, size + 2 * pad - span + 1, stride))
    macs = sum(
        (inputs // group) * kernel * kernel for _ in range(batch) for _ in range(outputs) for _ in range(places**2)
    )
    attributes = {"group": group, "strides": [stride] * 2, "dilations": [dilation] * 2, "pads": [pad] * 4}
    weights = (outputs, inputs // group, kernel, kernel)
    model = one_layer("Conv", [("N", inputs, size, size), weights], **attributes)  # type: ignore[list-item]
    counts = count(save(model, tmp_path_factory.mktemp("conv")), batch=batch)
    assert counts.mac_count == macs
    assert counts.layers[0].output_bytes == 4 * batch * outputs * places**2
    assert counts.weight_bytes == 4 * prod(weights)
