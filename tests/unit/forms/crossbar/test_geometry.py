"""Products cut out of a graph, multiplied in float, must give what onnxruntime gives for the whole graph."""

import numpy as np
import pytest
from onnx import helper

from twentywatts.forms.crossbar.graph import plan_of

RNG = np.random.default_rng(1)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


CASES = {
    "conv": ("Conv", {"pads": [1, 1, 1, 1]}, (5, 3, 3, 3), (3, 8, 8)),
    "strided": ("Conv", {"strides": [2, 3], "pads": [0, 1, 2, 1]}, (5, 3, 3, 2), (3, 9, 8)),
    "dilated": ("Conv", {"dilations": [2, 1]}, (5, 3, 3, 3), (3, 9, 8)),
    "grouped": ("Conv", {"group": 2, "pads": [1, 1, 1, 1]}, (6, 2, 3, 3), (4, 5, 5)),
    "depthwise": ("Conv", {"group": 4, "pads": [1, 1, 1, 1]}, (8, 1, 3, 3), (4, 5, 5)),
    "same_upper": ("Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (5, 3, 3, 3), (3, 8, 7)),
    "same_lower": ("Conv", {"auto_pad": "SAME_LOWER"}, (5, 3, 2, 4), (3, 8, 7)),
    "valid": ("Conv", {"auto_pad": "VALID"}, (5, 3, 2, 4), (3, 8, 7)),
    "line": ("Conv", {"pads": [2, 0], "strides": [2]}, (5, 3, 4), (3, 11)),
    "volume": ("Conv", {"pads": [1] * 6}, (2, 3, 3, 3, 3), (3, 4, 5, 4)),
    "transposed": ("ConvTranspose", {"strides": [2, 2], "pads": [1, 0, 1, 1]}, (3, 4, 3, 3), (3, 4, 5)),
    "transposed_grouped": (
        "ConvTranspose",
        {"group": 2, "strides": [2, 2], "output_padding": [1, 0], "dilations": [1, 2]},
        (4, 3, 3, 2),
        (4, 4, 5),
    ),
    "transposed_line": ("ConvTranspose", {"strides": [3]}, (3, 2, 4), (3, 6)),
}


def run_as_products(network, x):
    plan = plan_of(network)

    def multiply(index, tensor):
        product = plan.products[index]
        vectors = product.geometry.vectors(tensor)
        assert vectors.shape[2] == product.matrix.shape[1]
        return product.geometry.assemble(np.matmul(vectors, product.matrix), tensor.shape)

    return plan, plan.run({"x": x}, multiply), plan.session.run(None, {"x": x})[0]


@pytest.mark.parametrize("case", CASES)
def test_convolutions_equal_onnxruntime(models, tmp_path, case):
    op, attributes, weights, shape = CASES[case]
    outputs = weights[0] if op == "Conv" else weights[1] * attributes.get("group", 1)
    nodes = [helper.make_node(op, ["x", "w", "b"], ["y"], name="layer", **attributes)]
    network = models.save(
        tmp_path / "m.onnx", nodes, {"w": normal(*weights), "b": normal(outputs)}, shape=("n", *shape)
    )
    plan, found, expected = run_as_products(network, normal(3, *shape))
    assert [product.name for product in plan.products] == ["layer"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("node", "constants", "shape"),
    [
        (helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5), {"w": normal(6, 4)}, (6,)),
        (
            helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1, beta=2.0),
            {"w": normal(4, 6), "b": normal(4)},
            (6,),
        ),
        (helper.make_node("MatMul", ["x", "w"], ["y"]), {"w": normal(6, 4)}, (5, 6)),
        (helper.make_node("MatMul", ["w", "x"], ["y"]), {"w": normal(4, 6)}, (6, 5)),
    ],
)
def test_dense_products_equal_onnxruntime(models, tmp_path, node, constants, shape):
    network = models.save(tmp_path / "m.onnx", [node], constants, shape=("n", *shape))
    _, found, expected = run_as_products(network, normal(3, *shape))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_graph_with_branches_and_folded_norm(models, tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "o", "m", "v"], ["n"], name="norm"),
        helper.make_node("Relu", ["n"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w2"], ["d"], name="second"),
        helper.make_node("Add", ["d", "r"], ["a"], name="residual"),
        helper.make_node("GlobalAveragePool", ["a"], ["g"], name="pool"),
        helper.make_node("Flatten", ["g"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "w3"], ["q"], name="third"),
        helper.make_node("Add", ["q", "b3"], ["y"], name="bias"),
    ]
    constants = {"w": normal(4, 2, 3, 3), "b": normal(4), "s": normal(4), "o": normal(4), "m": normal(4)}
    constants |= {"v": normal(4) ** 2 + 1, "w2": normal(4, 4, 1, 1), "w3": normal(4, 3), "b3": normal(3)}
    network = models.save(tmp_path / "m.onnx", nodes, constants, shape=("n", 2, 6, 6))
    plan, found, expected = run_as_products(network, normal(3, 2, 6, 6))
    assert [product.name for product in plan.products] == ["first", "second", "third"]
    assert "BatchNormalization" not in [node.op for node in plan.digital]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
