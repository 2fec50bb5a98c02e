"""Weights of 4 bits in blocks, by onnxruntime's MatMulNBits; activations stay float.

onnxruntime's tool touches nothing but MatMul with a constant, and says nothing where there is none, so every Gemm is
written as MatMul and Add first, and the nodes are looked for afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twentywatts.errors import RefusedError
from twentywatts.forms.library import onnxruntime
from twentywatts.forms.runtime import first_line
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.cutting.settle import drop_unused, read_once, serialised, settle

__all__ = ["int4"]

_BITS = 4
_INT8_PRODUCTS = 4  # onnxruntime's "accuracy level": the products may be of 8-bit numbers


def int4(candidate: Candidate, *, block_size: int = 32, int8_products: bool = True) -> Candidate:
    """Return the candidate with the matrices of its dense layers in 4 bits.

    block_size: weights that share a scale: 16, 32, 64, 128 or 256. int8_products: let activations be rounded to 8 bits
    on the way, where the processor's kernel gains by it. Raises RefusedError where there is no matrix to quantise, or
    onnxruntime has no such operator.
    """
    import onnx

    settled = settle(candidate.content)
    model = onnx.ModelProto.FromString(settled.content)
    _open_gemms(model, settled.sound())
    wanted = _constant_products(model.graph)
    if not wanted:
        raise RefusedError("4-bit weights need a dense layer with constant weights, and the model has none")
    made = _quantised(model, block_size=block_size, level=_INT8_PRODUCTS if int8_products else 0)
    count = sum(node.op_type == "MatMulNBits" for node in made.graph.node)
    if not count:
        raise RefusedError("onnxruntime has put no layer into 4 bits")
    notes = () if count == wanted else (f"{wanted - count} of {wanted} dense layers stay in float",)
    settings = {"block_size": block_size, "int8_products": int8_products, "layers": count}
    return candidate.then(Step(name="int4", settings=settings, notes=notes), serialised(made))


def _quantised(model: Any, *, block_size: int, level: int) -> Any:
    from twentywatts.forms.int8 import quiet

    tools = onnxruntime("quantization.matmul_nbits_quantizer")
    try:
        with quiet():
            tool = tools.MatMulNBitsQuantizer(
                model, bits=_BITS, block_size=block_size, is_symmetric=True, accuracy_level=level
            )
            tool.process()
            return tool.model.model
    except Exception as error:  # the tool raises what it likes
        raise RefusedError(f"the model cannot be put into 4 bits: {first_line(error)}") from None


def _constant_products(graph: Any) -> int:
    constants = {tensor.name for tensor in graph.initializer if tensor.data_type == 1 and len(tensor.dims) == 2}
    products = [node for node in graph.node if node.op_type == "MatMul" and not node.domain]
    return sum(not constants.isdisjoint(node.input[1:2]) for node in products)


def _open_gemms(model: Any, sound: set[str]) -> None:
    """Write each Gemm with a constant matrix of its own as MatMul and Add."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    once = read_once(graph)
    nodes = []
    for node in graph.node:
        item = {attribute.name: attribute for attribute in node.attribute}
        tensor = constants.get(node.input[1]) if node.name in sound and _is_plain(node, item) else None
        if tensor is None or tensor.data_type != 1 or tensor.name not in once:
            nodes.append(node)
            continue
        matrix = np.asarray(numpy_helper.to_array(tensor))
        matrix = matrix.T if "transB" in item and item["transB"].i else matrix
        matrix = matrix * np.float32(item["alpha"].f if "alpha" in item else 1.0)
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(matrix), tensor.name))
        bias = node.input[2] if len(node.input) > 2 else ""
        product = f"{node.output[0]}/product" if bias else node.output[0]
        nodes.append(helper.make_node("MatMul", [node.input[0], tensor.name], [product], name=node.name))
        if bias:
            nodes.append(helper.make_node("Add", [product, bias], [node.output[0]], name=f"{node.name}/bias"))
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused(graph)


def _is_plain(node: Any, item: dict[str, Any]) -> bool:
    """Tell whether a node is a Gemm of its input as it stands, which adds its bias once."""
    is_turned = "transA" in item and item["transA"].i
    return node.op_type == "Gemm" and not node.domain and not is_turned and ("beta" not in item or item["beta"].f == 1)
