"""Quantised graphs: what a runtime computes on integers counts as integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper
from tests.support.onnx_models import constant, info, model_of, one_layer, save, zeros

from twentywatts.counting import Counts, count

Node = helper.make_node


def quantise(source: str, target: str) -> NodeProto:
    return Node("QuantizeLinear", [source, "s", "z"], [target], name=f"q_{target}")


def dequantise(source: str, target: str, zero: str = "z") -> NodeProto:
    return Node("DequantizeLinear", [source, "s", zero], [target], name=f"d_{target}")


def graph(folder: Path, *, middle: list[NodeProto], last: str) -> Counts:
    """x is quantised, goes through ``middle`` from 'xd' and is quantised again from ``last``."""
    nodes = [quantise("x", "xq"), dequantise("xq", "xd"), dequantise("w", "wd", "zw"), *middle]
    nodes += [quantise(last, "yq"), dequantise("yq", "y")]
    constants = [zeros("w", 8, 4, 3, 3, kind=np.int8), constant("s", 0.1, np.float32), constant("z", 0, np.uint8)]
    constants += [constant("zw", 0, np.int8)]
    return count(save(model_of(nodes, [info("x", ["N", 4, 6, 6])], ["y"], constants), folder))


def by_name(counts: Counts) -> dict[str, tuple[int, int, int, int]]:
    return {x.name: (x.mac_bits, x.weight_bytes, x.input_bytes, x.output_bytes) for x in counts.layers}


def test_a_convolution_between_quantised_tensors(tmp_path: Path) -> None:
    middle = [Node("Conv", ["xd", "wd"], ["c"], name="conv"), Node("Relu", ["c"], ["r"], name="relu")]
    counts = graph(tmp_path, middle=middle, last="r")
    layers = by_name(counts)
    assert counts.mac_count == 8 * 16 * 36
    assert layers["conv"] == (8, 288, 144, 128)
    assert layers["relu"][2:] == (128, 128)
    assert layers["q_xq"][2:] == (4 * 144, 144), "quantising the float input is work"
    assert layers["d_xd"] == layers["q_yq"] == layers["d_wd"] == (0, 0, 0, 0)
    assert layers["d_y"][2:] == (128, 4 * 128)
    assert counts.weight_bytes == 288 + sum(x.weight_bytes for x in counts.layers if x.name in ("q_xq", "d_y")) // 2


def test_a_convolution_with_a_float_result_stays_float(tmp_path: Path) -> None:
    """Its dequantised weights are still stored, and read, as bytes."""
    middle = [
        Node("Conv", ["xd", "wd"], ["c"], name="conv"),
        Node("Softmax", ["c"], ["p"], name="softmax"),
        Node("Mul", ["c", "p"], ["m"], name="mul"),
    ]
    counts = graph(tmp_path, middle=middle, last="m")
    assert by_name(counts)["conv"] == (32, 288, 4 * 144, 4 * 128)
    assert by_name(counts)["d_xd"][2:] == (144, 4 * 144)


def test_weights_alone_in_few_bits(tmp_path: Path) -> None:
    """Four-bit weights: half a byte each, multiplied as floats."""
    nodes = [dequantise("w", "wd", ""), Node("MatMul", ["x", "wd"], ["y"], name="product")]
    constants = [helper.make_tensor("w", TensorProto.INT4, [6, 5], [1] * 30), constant("s", 0.1, np.float32)]
    counts = count(save(model_of(nodes, [info("x", ["N", 6])], ["y"], constants, opset=21), tmp_path))
    assert by_name(counts)["product"] == (32, 15, 24, 20)
    assert counts.parameter_count == 30


def test_a_product_on_integers_may_give_floats(tmp_path: Path) -> None:
    nodes = [quantise("x", "xq"), dequantise("xq", "xd"), dequantise("w", "wd"), Node("MatMul", ["xd", "wd"], ["y"])]
    constants = [zeros("w", 6, 5, kind=np.uint8), constant("s", 0.1, np.float32), constant("z", 0, np.uint8)]
    counts = count(save(model_of(nodes, [info("x", ["N", 6])], ["y"], constants), tmp_path))
    assert counts.layers[-1].mac_bits == 8
    assert counts.layers[-1].input_bytes == 6
    assert counts.layers[-1].output_bytes == 20


def test_integer_operators(tmp_path: Path) -> None:
    product = one_layer("MatMulInteger", [(3, 4), (4, 5)])
    product.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    product.graph.initializer[0].CopyFrom(zeros("t1", 4, 5, kind=np.int8))
    counts = count(save(product, tmp_path))
    assert (counts.mac_count, counts.layers[0].mac_bits) == (60, 8)
    assert (counts.layers[0].input_bytes, counts.layers[0].output_bytes, counts.weight_bytes) == (12, 60, 20)
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    constants = [constant(n, 0.1, np.float32) for n in ("xs", "ws", "ys")]
    constants += [constant("xz", 0, np.uint8), constant("yz", 0, np.uint8), constant("wz", 0, np.int8)]
    constants += [zeros("w", 8, 4, 3, 3, kind=np.int8)]
    inputs = [info("x", ["N", 4, 6, 6], TensorProto.UINT8)]
    counts = count(save(model_of([Node("QLinearConv", names, ["y"])], inputs, ["y"], constants), tmp_path))
    assert (counts.mac_count, counts.layers[0].mac_bits) == (8 * 16 * 36, 8)
    assert (counts.layers[0].input_bytes, counts.layers[0].output_bytes) == (144, 128)
