"""Folding: the same outputs from a plainer graph, and nothing folded that others need."""

import numpy as np
import onnx
import pytest
from tests.support.onnx_models import info, model_of
from tests.support.random_networks import Builder
from tests.unit.slimming.test_prune import outputs

from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.cutting.coupling import coupled
from twentywatts.slimming.cutting.settle import settle
from twentywatts.slimming.steps.fold import fold


def kinds(content: bytes) -> list[str]:
    return [node.op_type for node in onnx.ModelProto.FromString(content).graph.node]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("group", [1, 8])
def test_a_normalisation_goes_into_the_convolution_before_it(bias: bool, group: int) -> None:
    b = Builder(3)
    x = b.norm(b.conv(b.conv("x", 3, 8), 8, 8, group=group, bias=bias), 8)
    given = b.model(["N", 3, 4, 4], b.add("Relu", x)).content
    folded = fold(Candidate(content=given))
    assert kinds(folded.content) == ["Conv", "Conv", "Relu", "Identity"]
    assert folded.steps[-1].settings["folded"] == 1
    np.testing.assert_allclose(outputs(folded.content), outputs(given), rtol=1e-4, atol=1e-5)


def test_it_goes_into_a_dense_layer_with_its_factors() -> None:
    b = Builder(3)
    flat = b.add("Flatten", "x")
    x = b.add("Gemm", flat, b.weight(6, 48), b.weight(6), transB=1, alpha=0.5, beta=2.0)
    x = b.add("ConvTranspose", b.add("Reshape", b.norm(x, 6), b.numbers(0, 6, 1, 1)), b.weight(6, 4, 2, 2))
    given = b.model(["N", 3, 4, 4], b.norm(x, 4)).content
    folded = fold(Candidate(content=given))
    assert "BatchNormalization" not in kinds(folded.content)
    np.testing.assert_allclose(outputs(folded.content), outputs(given), rtol=1e-4, atol=1e-5)


def test_what_others_read_is_not_folded_away() -> None:
    b = Builder(3)
    x = b.conv("x", 3, 8)
    y = b.add("Add", b.norm(x, 8), x)  # read twice
    z = b.norm(b.add("Relu", y), 8)  # after no layer with weights
    given = b.model(["N", 3, 4, 4], z).content
    folded = fold(Candidate(content=given))
    assert kinds(folded.content).count("BatchNormalization") == 2
    assert folded.steps[-1].notes
    np.testing.assert_allclose(outputs(folded.content), outputs(given), rtol=1e-5, atol=1e-6)


def test_sizes_that_the_graph_computes_become_constants() -> None:
    b = Builder(3)
    x = b.conv("x", 3, 16)
    shape = b.add("Shape", x)
    batch = b.add("Slice", shape, b.numbers(0), b.numbers(1), b.numbers(0))
    area = b.add("ReduceProd", b.add("Slice", shape, b.numbers(1), b.numbers(4), b.numbers(0)), b.numbers(0))
    flat = b.add("Reshape", x, b.add("Concat", batch, area, axis=0))
    made = b.model(["N", 3, 4, 4], b.dense(flat, 256, 5))
    plain = settle(made.content).content
    assert kinds(plain) == ["Conv", "Reshape", "MatMul", "Add", "Identity"]
    np.testing.assert_array_equal(outputs(plain, samples=5), outputs(made.content, samples=5))
    assert [group.unit_count for group in coupled(made.content).groups] == [16]
    assert settle(plain).content == plain


def test_functions_are_written_out_and_dropout_goes() -> None:
    body = [
        onnx.helper.make_node("Dropout", ["a"], ["d"]),
        onnx.helper.make_node("Constant", [], ["k"], value=onnx.numpy_helper.from_array(np.float32([[2, 3], [4, 5]]))),
        onnx.helper.make_node("MatMul", ["d", "k"], ["o"]),
    ]
    function = onnx.helper.make_function("local", "Block", ["a"], ["o"], body, [onnx.helper.make_opsetid("", 18)])
    node = onnx.helper.make_node("Block", ["x"], ["y"], domain="local", name="block")
    given = model_of([node], [info("x", ["N", 2])], ["y"], functions=[function]).SerializeToString()
    plain = settle(given).content
    assert kinds(plain) == ["MatMul"]
    np.testing.assert_array_equal(outputs(plain), outputs(given))
