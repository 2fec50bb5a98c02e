"""Graphs in torch: random ones against onnxruntime, weights there and back, refusals by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.support.onnx_models import constant, info, model_of

from twentywatts.errors import DataError, ModelError, RefusedError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from tests.support.trainable import F, I, agree, array, compare, ran  # noqa: E402

from twentywatts.slimming.learning.trainable import trainable, weights_of, written  # noqa: E402

DIGITS = Path(__file__).parents[3] / "examples" / "digits.onnx"
FLAT, IMAGE, KERNEL = array(3, 5), array(2, 3, 7, 9, seed=5), array(6, 3, 3, 3, seed=1)


def test_the_bundled_network_runs_learns_and_is_written() -> None:
    module = agree(DIGITS.read_bytes(), {"image": array(7, 1, 8, 8)})
    kinds = [type(layer).__mro__[1].__name__ for layer in module.layers.values()]
    assert kinds == ["_ConvNd", "BatchNorm2d", "_ConvNd", "BatchNorm2d", "Module", "Module"]
    stored = {tensor.name: tuple(tensor.dims) for tensor in onnx.load(DIGITS).graph.initializer}
    assert {name: value.shape for name, value in weights_of(module).items()} == stored


def test_statistics_of_a_normalisation_are_learned_and_written() -> None:
    module = trainable(DIGITS.read_bytes())
    before = weights_of(module)
    module.train()
    module({"image": torch.from_numpy(array(16, 1, 8, 8))})
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(written(module)).graph.initializer}
    changed = {name for name, value in stored.items() if not np.array_equal(value, before[name])}
    assert changed == {f"batchnorm{n}.running_{what}" for n in (1, 4) for what in ("mean", "var")}


def attention(length: int = 5, width: int = 8, heads: int = 2) -> onnx.ModelProto:
    """Self-attention as exporters write it: sizes taken from the input, a mask, scores scaled, a residual."""
    text = f"""
    <ir_version: 9, opset_import: ["" : 18]>
    attend (float[batch, {length}, {width}] x) => (float[batch, {length}, {width}] y)
    <float[{width}, {3 * width}] w, float[{3 * width}] b, float[{width}, {width}] o, float[{width}] s, float[{width}] t,
     float mask[1, 1, {length}, {length}], float scale = {{0.5}}, int64[1] zero = {{0}}, int64[1] one = {{1}},
     int64[1] two = {{2}}, int64[2] split = {{{heads}, {width // heads}}}, int64[1] whole = {{-1}}> {{
      sizes = Shape (x)
      lead = Slice (sizes, zero, two)
      parted = Concat <axis = 0> (lead, split)
      joined = Concat <axis = 0> (lead, whole)
      packed = MatMul (x, w)
      shifted = Add (packed, b)
      q, k, v = Split <axis = 2, num_outputs = 3> (shifted)
      q4 = Reshape (q, parted)
      k4 = Reshape (k, parted)
      v4 = Reshape (v, parted)
      qh = Transpose <perm = [0, 2, 1, 3]> (q4)
      kh = Transpose <perm = [0, 2, 3, 1]> (k4)
      vh = Transpose <perm = [0, 2, 1, 3]> (v4)
      raw = MatMul (qh, kh)
      scaled = Mul (raw, scale)
      hidden = Add (scaled, mask)
      share = Softmax <axis = -1> (hidden)
      mixed = MatMul (share, vh)
      back = Transpose <perm = [0, 2, 1, 3]> (mixed)
      flat = Reshape (back, joined)
      out = MatMul (flat, o)
      sum = Add (out, x)
      y = LayerNormalization <axis = -1> (sum, s, t)
    }}"""
    text = text.replace(f"float mask[1, 1, {length}, {length}]", f"float[1, 1, {length}, {length}] mask")
    model = onnx.parser.parse_model(text)
    values = {"w": array(width, 3 * width), "b": array(3 * width), "o": array(width, width), "s": array(width)}
    values |= {"t": array(width), "mask": np.triu(np.full((length, length), -1e9, F), 1)[None, None]}
    del model.graph.initializer[:]
    numbers = {"scale": np.array(0.5, F), "zero": [0], "one": [1], "two": [2], "split": [heads, width // heads]}
    for name, value in (values | numbers | {"whole": [-1]}).items():
        kept = np.asarray(value) if isinstance(value, np.ndarray) else np.array(value, I)
        model.graph.initializer.append(numpy_helper.from_array(kept, name))
    return model


def test_attention_runs_on_any_batch_and_its_mask_is_no_weight() -> None:
    content = attention().SerializeToString()
    for batch in (1, 3):
        module = agree(content, {"x": array(batch, 5, 8, seed=batch)})
    assert set(module.slots) == {"w", "b", "o", "s", "t"}


def test_a_weight_in_two_places_stays_one_weight() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
    model = model_of(nodes, [info("x", ["n", 5])], ["y"], [constant("w", array(5, 5), F)])
    module = agree(model.SerializeToString(), {"x": FLAT})
    assert len(list(module.parameters())) == 1


def test_a_weight_behind_a_change_of_layout_learns() -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"]),
        helper.make_node("Constant", [], ["b"], value=constant("", array(4, seed=1), F)),
        helper.make_node("MatMul", ["x", "t"], ["h"]),
        helper.make_node("Add", ["h", "b"], ["y"]),
    ]
    model = model_of(nodes, [info("x", ["n", 5])], ["y"], [constant("w", array(4, 5), F)])
    assert set(agree(model.SerializeToString(), {"x": FLAT}).slots) == {"w", "b"}


def test_numbers_of_a_formula_do_not_learn() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "half"], ["a"]),
        helper.make_node("Add", ["a", "one"], ["b"]),
        helper.make_node("Mul", ["b", "mask"], ["y"]),
    ]
    mask = np.array([1, 0, 1, 1, 0], F)
    stored = [constant("half", 0.5, F), constant("one", 1.0, F), constant("mask", mask, F)]
    module = agree(model_of(nodes, [info("x", ["n", 5])], ["y"], stored).SerializeToString(), {"x": FLAT})
    assert not list(module.parameters())


def test_half_precision_learns_in_32_bits_and_is_written_in_16() -> None:
    weight = array(5, 4).astype(np.float16)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = model_of([node], [info("x", ["n", 5], TensorProto.FLOAT16)], ["y"], [constant("w", weight, np.float16)])
    module = trainable(model.SerializeToString())
    assert module({"x": torch.from_numpy(FLAT)})["y"].dtype == torch.float32
    with torch.no_grad():
        next(module.parameters()).add_(1.0)
    (stored,) = onnx.load_from_string(written(module)).graph.initializer
    assert stored.data_type == TensorProto.FLOAT16
    np.testing.assert_allclose(numpy_helper.to_array(stored), weight + np.float16(1.0), rtol=1e-3)


def test_inner_tensors_are_given_on_request() -> None:
    module = trainable(DIGITS.read_bytes())
    image = torch.from_numpy(array(2, 1, 8, 8))
    found = module({"image": image}, names=("relu5.out",))
    assert list(found) == ["logits", "relu5.out"]
    assert tuple(found["relu5.out"].shape) == (2, 16, 4, 4)
    with pytest.raises(DataError, match=r"no tensor 'relu6\.out'"):
        module({"image": image}, names=("relu6.out",))
    with pytest.raises(DataError, match="needs the input 'image'"):
        module({"x": image})


@pytest.mark.parametrize("op", ["GRU", "If", "QuantizeLinear", "NonMaxSuppression"])
def test_what_torch_cannot_run_is_refused_by_name(op: str) -> None:
    node = helper.make_node(op, ["x", "w", "r"], ["y"], name="encoder")
    stored = [constant("w", array(1, 6, 5), F), constant("r", array(1, 6, 2), F)]
    model = model_of([node], [info("x", [4, 3, 5])], ["y"], stored)
    with pytest.raises(RefusedError, match=rf"layer 'encoder' \({op}\)"):
        trainable(model.SerializeToString())


def test_a_layer_that_does_not_fit_its_input_is_named() -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="dense")
    model = model_of([node], [info("x", ["n", "m"])], ["y"], [constant("w", array(5, 4), F)])
    with pytest.raises(RefusedError, match=r"layer 'dense' \(MatMul\) does not run in torch"):
        trainable(model.SerializeToString())({"x": torch.zeros(2, 3)})


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(ModelError):
        trainable(b"not a model")


ACTIVATIONS = "Relu Sigmoid Tanh HardSwish Elu LeakyRelu Softplus Identity".split()


@st.composite
def graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """Small networks of convolutions, normalisations, poolings, residuals and a dense end; some with an open batch."""
    nodes, stored, channels, size, name = [], [], 3, 8, "x"
    for index in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from("Conv Depthwise Norm Pool Residual Gate".split()))
        out, act, w = f"t{index}", draw(st.sampled_from(ACTIVATIONS)), f"w{index}"
        if kind == "Conv":
            wide = draw(st.integers(1, 6))
            stored.append(constant(w, array(wide, channels, 3, 3, seed=index), F))
            stride = draw(st.integers(1, 2)) if size > 3 else 1
            nodes.append(helper.make_node("Conv", [name, w], [f"{out}c"], pads=[1] * 4, strides=[stride] * 2))
            channels, size = wide, -(-size // stride)
        elif kind == "Depthwise":
            stored.append(constant(w, array(channels, 1, 3, 3, seed=index), F))
            nodes.append(helper.make_node("Conv", [name, w], [f"{out}c"], pads=[1] * 4, group=channels))
        elif kind == "Norm":
            parts = [f"{w}{key}" for key in "smvb"]
            stored += [constant(p, array(channels, seed=n, low=0.5, high=2.0), F) for n, p in enumerate(parts)]
            nodes.append(helper.make_node("BatchNormalization", [name, *parts], [f"{out}c"]))
        elif kind == "Pool" and size > 3:
            op = draw(st.sampled_from(["MaxPool", "AveragePool"]))
            nodes.append(helper.make_node(op, [name], [f"{out}c"], kernel_shape=[2, 2], strides=[2, 2]))
            size //= 2
        else:
            nodes.append(helper.make_node(draw(st.sampled_from(ACTIVATIONS)), [name], [f"{out}a"]))
            op = "Add" if kind == "Residual" else "Mul"
            nodes.append(helper.make_node(op, [name, f"{out}a"], [f"{out}c"]))
        nodes.append(helper.make_node(act, [f"{out}c"], [out]))
        name = out
    stored += [constant("last", array(4, channels * size * size), F), constant("bias", array(4), F)]
    nodes.append(helper.make_node("Flatten", [name], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "last", "bias"], ["y"], transB=1))
    return model_of(nodes, [info("x", [draw(st.sampled_from(["n", 2])), 3, 8, 8])], ["y"], stored)


@settings(max_examples=15)
@given(graphs())
def test_any_small_network_runs_as_in_onnxruntime(model: onnx.ModelProto) -> None:
    agree(model.SerializeToString(), {"x": array(2, 3, 8, 8, seed=9)}, within=1e-4)


@pytest.mark.parametrize("change", [{"group": 0}, {"strides": [0, 1]}, {"pads": [-90, 0, 0, 0]}, {"dilations": [0, 1]}])
def test_a_convolution_that_makes_no_sense_is_refused_by_name(change: dict[str, Any]) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="first", **change)
    model = model_of([node], [info("x", IMAGE.shape)], ["y"], [constant("w", KERNEL, F)])
    with pytest.raises(RefusedError, match="layer 'first'"):
        trainable(model.SerializeToString())({"x": torch.from_numpy(IMAGE)})


def test_texts_are_refused() -> None:
    text = helper.make_tensor("t", TensorProto.STRING, [1], [b"a"])
    model = model_of([helper.make_node("Identity", ["t"], ["y"])], [info("x", [1])], ["y"], [text])
    with pytest.raises(RefusedError, match="texts"):
        trainable(model.SerializeToString())({"x": torch.zeros(1)})


def test_a_window_larger_than_its_image_is_refused() -> None:
    node = helper.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2**33], strides=[1])
    model = model_of([node], [info("x", [2, 3, 11])], ["y"])
    with pytest.raises(RefusedError, match=r"layer 'pool'.*larger than what it slides over"):
        trainable(model.SerializeToString())({"x": torch.zeros(2, 3, 11)})


def test_vectors_that_an_exporter_stored_once_part_when_they_learn() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k", "zero"], ["c"]),
        helper.make_node("Identity", ["one"], ["variance"]),
        helper.make_node("BatchNormalization", ["c", "one", "zero", "zero", "variance"], ["n"]),
        helper.make_node("Conv", ["n", "k2", "zero"], ["y"]),
    ]
    stored = [constant("k", array(4, 3, 3, 3), F), constant("k2", array(4, 4, 1, 1), F)]
    stored += [constant("zero", np.zeros(4), F), constant("one", np.ones(4), F)]
    content = model_of(nodes, [info("x", ["n", *IMAGE.shape[1:]])], ["y"], stored).SerializeToString()
    module = trainable(content)
    assert len(module.layers) == 3
    assert len(module.slots) == 2 + 6
    module.train()
    module({"x": torch.from_numpy(IMAGE)})["y"].square().sum().backward()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(parameter.grad, alpha=-0.01)
    feeds = {"x": torch.from_numpy(IMAGE)}
    compare(module.eval(), feeds, ran(written(module), {"x": IMAGE}), 1e-4)
