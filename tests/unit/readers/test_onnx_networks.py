"""What a Network says of a good file: shapes, axes, constants, functions, branches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper
from tests.support.onnx_models import Size, constant, info, model_of, one_layer, save, zeros

from twentywatts.errors import ModelError
from twentywatts.network import Network
from twentywatts.readers import read

Node = helper.make_node


def relu(*shape: Size) -> onnx.ModelProto:
    return model_of([Node("Relu", ["x"], ["y"])], [info("x", shape)], ["y"])


# axes and batch -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["N", "batch", "anything", None])
def test_an_open_first_axis_is_the_batch(tmp_path: Path, first: str | None) -> None:
    network = read(save(relu(first, 3), tmp_path), batch=5)
    assert network.batch == 5
    assert network.inputs[0].shape == (5, 3)
    assert network.outputs[0].shape == (5, 3)


def test_an_axis_named_batch_is_the_batch_wherever_it_stands(tmp_path: Path) -> None:
    network = read(save(relu("time", "batch_size", 3), tmp_path), batch=5, axes={"time": 7})
    assert network.inputs[0].shape == (7, 5, 3)


def test_other_open_axes_are_asked_for_by_name(tmp_path: Path) -> None:
    path = save(relu("N", "height", None), tmp_path)
    with pytest.raises(ModelError, match=r"--axis height=SIZE --axis x\.2=SIZE"):
        read(path)
    assert read(path, axes={"height": 4, "x.2": 6}).inputs[0].shape == (1, 4, 6)
    with pytest.raises(ModelError, match=r"'heigth' \(did you mean 'height'\?\)"):
        read(path, axes={"heigth": 4})


def test_a_fixed_batch_of_one_is_widened_where_nothing_breaks(tmp_path: Path) -> None:
    network = read(save(relu(1, 3), tmp_path), batch=5)
    assert network.batch == 5
    assert network.outputs[0].shape == (5, 3)
    assert "widened" in network.notes[0]


@pytest.mark.parametrize("target", [[1, 6], [1, -1], [6]])
def test_a_constant_reshape_keeps_the_batch_of_the_file(tmp_path: Path, target: list[int]) -> None:
    model = model_of([Node("Reshape", ["x", "to"], ["y"])], [info("x", [1, 2, 3])], ["y"], [constant("to", target)])
    network = read(save(model, tmp_path), batch=5)
    assert network.batch == 1
    assert network.unknown == {}
    assert "fixes its first axis at 1" in network.notes[0]


def test_a_fixed_batch_stays(tmp_path: Path) -> None:
    network = read(save(relu(8, 3), tmp_path), batch=2)
    assert network.batch == 8
    assert network.inputs[0].shape == (8, 3)


def test_a_recurrent_layer_tells_that_time_comes_first(tmp_path: Path) -> None:
    model = one_layer("LSTM", [(7, 3, 12), (1, 80, 12), (1, 80, 20)], hidden_size=20)
    assert read(save(model, tmp_path)).batch == 3


# constants ------------------------------------------------------------------------------------------------------------


def test_shape_arithmetic_is_folded(tmp_path: Path) -> None:
    """What torch writes for x.flatten(2) with open axes."""
    nodes = [
        Node("Shape", ["x"], ["s"]),
        Node("Gather", ["s", "zero"], ["n"]),
        Node("Mul", ["n", "two"], ["m"]),
        Node("Div", ["m", "two"], ["d"]),
        Node("Unsqueeze", ["d", "axes"], ["u"]),
        Node("Concat", ["u", "rest"], ["to"], axis=0),
        Node("Reshape", ["x", "to"], ["y"]),
    ]
    constants = [constant("zero", 0), constant("two", 2), constant("axes", [0]), constant("rest", [2, -1])]
    network = read(save(model_of(nodes, [info("x", ["N", 2, 3, 4])], ["y"], constants), tmp_path), batch=6)
    assert [layer.op for layer in network.layers] == ["Reshape"]
    assert network.outputs[0].shape == (6, 2, 12)
    assert network.weights["to"].read().tolist() == [6, 2, -1]


def test_constants_are_made_when_they_are_read(tmp_path: Path) -> None:
    nodes = [
        Node("ConstantOfShape", ["shape"], ["w"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5])),
        Node("Constant", [], ["c"], value_floats=[1.0, 2.0]),
        Node("Unsqueeze", ["c", "axes"], ["u"]),
        Node("Transpose", ["t"], ["tt"]),
        Node("Add", ["x", "u"], ["a"]),
        Node("MatMul", ["a", "w"], ["b"]),
        Node("MatMul", ["b", "tt"], ["y"]),
    ]
    constants = [constant("shape", [2, 5]), constant("axes", [0]), constant("t", np.ones((3, 5)), np.float32)]
    network = read(save(model_of(nodes, [info("x", ["N", 2])], ["y"], constants), tmp_path))
    assert [layer.op for layer in network.layers] == ["Add", "MatMul", "MatMul"]
    assert np.array_equal(network.weights["w"].read(), np.full((2, 5), 0.5, np.float32))
    assert network.weights["u"].read().shape == (1, 2)
    assert network.weights["tt"].name == "t"
    assert network.weights["tt"].read().shape == (5, 3)


def test_a_constant_beyond_memory_is_refused_when_it_is_read(tmp_path: Path) -> None:
    model = model_of(
        [Node("ConstantOfShape", ["s"], ["w"]), Node("Relu", ["w"], ["y"])], [], ["y"], [constant("s", [10**6, 10**6])]
    )
    network = read(save(model, tmp_path))
    assert network.weights["w"].element_count == 10**12
    with pytest.raises(ModelError, match="larger than 2 GB"):
        network.weights["w"].read()


def test_a_sparse_constant_stands_for_a_dense_one(tmp_path: Path) -> None:
    model = model_of([Node("MatMul", ["x", "w"], ["y"])], [info("x", ["N", 3])], ["y"])
    values, indices = constant("w", [5.0, 7.0], np.float32), constant("at", [0, 5])
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=values, indices=indices, dims=[3, 2]))
    network = read(save(model, tmp_path))
    assert network.weights["w"].read().tolist() == [[5, 0], [0, 0], [0, 7]]


@pytest.mark.parametrize("kind", ["bfloat16", "float8e4m3fn", "int4", "uint4", "float16"])
def test_narrow_types_are_read(tmp_path: Path, kind: str) -> None:
    code = getattr(TensorProto, kind.upper())
    tensor = helper.make_tensor("w", code, [3], [1, 0, 1])
    model = model_of([Node("Cast", ["x"], ["y"], to=code)], [info("x", ["N"])], ["y"], [tensor], opset=23)
    network = read(save(model, tmp_path))
    assert network.weights["w"].dtype == kind
    assert network.weights["w"].stored_bytes == -(-3 * network.weights["w"].bits // 8)
    assert network.weights["w"].read().astype(np.float32).tolist() == [1, 0, 1]
    assert network.outputs[0].bits == network.weights["w"].bits


# order, functions, branches -------------------------------------------------------------------------------------------


def test_layers_come_in_an_order_in_which_they_run(tmp_path: Path) -> None:
    nodes = [Node("Neg", ["b"], ["y"]), Node("Relu", ["x"], ["a"]), Node("Abs", ["a"], ["b"])]
    network = read(save(model_of(nodes, [info("x", ["N"])], ["y"]), tmp_path))
    assert [layer.op for layer in network.layers] == ["Relu", "Abs", "Neg"]


def test_layers_of_one_name_are_told_apart(tmp_path: Path) -> None:
    nodes = [Node("Relu", ["x"], ["a"], name="same"), Node("Relu", ["a"], ["y"], name="same")]
    network = read(save(model_of(nodes, [info("x", ["N"])], ["y"]), tmp_path))
    assert [layer.name for layer in network.layers] == ["same", "same#2"]


def test_functions_are_inlined_with_their_attributes(tmp_path: Path) -> None:
    body = [Node("Mul", ["a", "a"], ["t"]), Node("Softmax", ["t"], ["b"])]
    body[1].attribute.append(AttributeProto(name="axis", type=AttributeProto.INT, ref_attr_name="way"))
    inner = helper.make_function("local", "Inner", ["a"], ["b"], body, [helper.make_opsetid("", 13)], ["way"])
    calls = [Node("Inner", ["p"], ["t"], domain="local", way=0), Node("Inner", ["t"], ["q"], domain="local", way=1)]
    outer = helper.make_function("local", "Outer", ["p"], ["q"], calls, [helper.make_opsetid("local", 1)])
    nodes = [Node("Outer", ["x"], ["h"], domain="local"), Node("Outer", ["h"], ["y"], domain="local")]
    network = read(save(model_of(nodes, [info("x", ["N", 3])], ["y"], functions=[inner, outer]), tmp_path), batch=2)
    assert [layer.op for layer in network.layers] == ["Mul", "Softmax"] * 4
    assert [layer.attributes["axis"] for layer in network.layers if layer.op == "Softmax"] == [0, 1, 0, 1]
    assert {layer.attributes["opset"] for layer in network.layers} == {13}
    assert len({layer.name for layer in network.layers}) == 8
    assert network.outputs[0].shape == (2, 3)
    assert network.unknown == {}


def branches() -> tuple[onnx.GraphProto, onnx.GraphProto]:
    inner = helper.make_graph([Node("Abs", ["t"], ["deep"])], "inner", [], [onnx.ValueInfoProto(name="deep")])
    then = [Node("Neg", ["x"], ["t"]), Node("If", ["yes"], ["r"], then_branch=inner, else_branch=inner)]
    other = [Node("MatMul", ["x", "w"], ["r"])]
    outputs = [onnx.ValueInfoProto(name="r")]
    return (
        helper.make_graph(then, "then", [], outputs),
        helper.make_graph(other, "else", [], outputs, [zeros("w", 3, 5)]),
    )


@pytest.mark.parametrize(("condition", "ops", "width"), [(True, ["Neg", "Abs"], 3), (False, ["MatMul"], 5)])
def test_a_branch_that_is_known_is_taken(tmp_path: Path, condition: bool, ops: list[str], width: int) -> None:
    then, other = branches()
    nodes = [Node("If", ["yes"], ["y"], then_branch=then, else_branch=other)]
    model = model_of(nodes, [info("x", ["N", 3])], ["y"], [constant("yes", condition, bool)])
    network = read(save(model, tmp_path))
    assert [layer.op for layer in network.layers if layer.op != "Identity"] == ops
    assert network.outputs[0].shape == (1, width)


def test_a_branch_that_data_decide_is_named_unknown(tmp_path: Path) -> None:
    then, other = branches()
    nodes = [Node("If", ["c"], ["y"], name="choice", then_branch=then, else_branch=other), Node("Relu", ["y"], ["z"])]
    inputs = [info("x", ["N", 3]), info("c", [], TensorProto.BOOL)]
    network = read(save(model_of(nodes, inputs, ["z"], [constant("yes", True, bool)]), tmp_path))
    assert "data decide" in network.unknown["choice"]
    assert network.tensors["z"].shape is None


def test_a_loop_waits_for_what_its_body_reads(tmp_path: Path) -> None:
    """The body reads 'a', which is made after the loop stands in the file."""
    body = helper.make_graph(
        [Node("Add", ["v", "a"], ["w"]), Node("Identity", ["k"], ["k2"])],
        "body",
        [info("i", [], TensorProto.INT64), info("k", [], TensorProto.BOOL), info("v", [3])],
        [info("k2", [], TensorProto.BOOL), info("w", [3])],
    )
    nodes = [Node("Loop", ["n", "", "x"], ["y"], name="loop", body=body), Node("Relu", ["x"], ["a"])]
    model = model_of(nodes, [info("x", [3])], ["y"], [constant("n", 4)])
    network = read(save(model, tmp_path))
    assert [layer.op for layer in network.layers] == ["Relu", "Loop"]
    assert "loop" in network.unknown


# what cannot be understood --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "shapes", "attributes"),
    [
        ("Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], {"strides": [0, 1]}),
        ("Conv", [(1, 3, 8, 8), (4, 3, 3, 3)], {"dilations": [1, -1]}),
        ("MaxPool", [(1, 3, 8, 8)], {}),
        ("DepthToSpace", [(1, 4, 2, 2)], {"blocksize": 0}),
        ("Einsum", [(2, 3)], {"equation": "i..j"}),
        ("Softmax", [(2, 3)], {"axis": 2**40}),
        ("GatherND", [(2, 3), (2, 1)], {"batch_dims": -2}),
        ("MatMul", [(2, 3), (4, 5)], {}),
        ("MatMul", [(2, 3)], {}),
        ("Transpose", [(2, 3)], {"perm": [0, 0]}),
    ],
)
def test_layers_that_make_no_sense_are_named_unknown(
    tmp_path: Path, op: str, shapes: list[tuple[int, ...]], attributes: dict[str, object]
) -> None:
    network: Network = read(save(one_layer(op, shapes, **attributes), tmp_path))
    assert list(network.unknown) == ["layer"]
    assert "\n" not in network.unknown["layer"]


def test_a_custom_operator_keeps_what_the_file_declares(tmp_path: Path) -> None:
    model = model_of(
        [Node("Odd", ["x"], ["a"], domain="local"), Node("Relu", ["a"], ["y"])], [info("x", ["N", 3])], ["y"]
    )
    model.graph.value_info.append(info("a", ["N", 7]))
    assert read(save(model, tmp_path), batch=4).outputs[0].shape == (4, 7)


def test_sequences_have_no_shape(tmp_path: Path) -> None:
    nodes = [Node("SplitToSequence", ["x"], ["s"], axis=0), Node("SequenceAt", ["s", "i"], ["y"])]
    network = read(save(model_of(nodes, [info("x", [4, 3])], ["y"], [constant("i", 0)]), tmp_path))
    assert network.tensors["s"].dtype == "sequence"
    assert network.tensors["s"].shape is None


def test_the_reader_opens_any_ending(tmp_path: Path) -> None:
    assert read(save(relu(1, 3), tmp_path, "model.bin")).layers[0].op == "Relu"
    assert read(str(save(relu(1, 3), tmp_path, "model"))).name == "test"
