"""Which operators become products on arrays: their weight matrix, bias and geometry, or the reason for a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import RefusedError
from twentywatts.forms.crossbar.geometry import Convolution, Dense, Geometry, TransposedConvolution

__all__ = ["DYNAMIC_OPS", "Product", "product_of", "refusal_of"]

DYNAMIC_OPS = ("MatMul", "Gemm", "Einsum", "Attention", "MultiHeadAttention")  # digital where no operand is constant

_HIDDEN = frozenset(
    """LSTM GRU RNN QLinearConv QLinearMatMul QGemm ConvInteger MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul
    MatMulNBits DeformConv FusedConv FusedGemm FusedMatMul QAttention NhwcConv""".split()
)
_BODIES = ("If", "Loop", "Scan")
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Product:
    """A matrix product with constant weights.

    source, output: tensors. matrix: float32, shape (groups, rows, columns). bias: added to the output tensor: an
    array that broadcasts, or the name of a tensor and its factor, or None.
    """

    name: str
    source: str
    output: str
    matrix: NDArray[np.float32]
    bias: Array | tuple[str, float] | None
    geometry: Geometry


def refusal_of(node: Any, attributes: Mapping[str, Any], constants: Mapping[str, Array]) -> str:
    """Return why an operator cannot be carried, or an empty text."""
    if node.op_type in _HIDDEN:
        return "its products are not simulated on arrays: compare such a model on processors"
    if node.op_type in ("Attention", "Einsum") and any(name in constants for name in node.input[1:3]):
        return "it holds weights that are not simulated on arrays: export it as MatMul"
    if node.op_type in ("Conv", "ConvTranspose") and node.input[1] not in constants:
        return "its weights are not constant: export the model with constants folded"
    if node.op_type in _BODIES and _holds_product(attributes):
        return "matrix products inside control flow are not simulated on arrays: export it unrolled"
    if node.op_type == "ConvTranspose" and (
        attributes.get("output_shape") or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
    ):
        return "only explicit padding is simulated: export it with pads"
    return ""


def _holds_product(attributes: Mapping[str, Any]) -> bool:
    """Return whether a body holds matrix products, at any depth."""
    import onnx

    for body in attributes.values():
        if not isinstance(body, onnx.GraphProto):
            continue
        for node in body.node:
            inner = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
            if node.op_type in _PRODUCTS or node.op_type in _HIDDEN or _holds_product(inner):
                return True
    return False


def product_of(
    node: Any, attributes: Mapping[str, Any], constants: Mapping[str, Array], *, name: str
) -> Product | None:
    """Return the product of an operator with constant weights, or None where it runs digitally."""
    if node.op_type in ("Conv", "ConvTranspose"):
        return _convolution(node, attributes, constants, name=name)
    if node.op_type == "Gemm":
        return _gemm(node, attributes, constants, name=name)
    return _matmul(node, constants, name=name) if node.op_type == "MatMul" else None


def _convolution(node: Any, attributes: Mapping[str, Any], constants: Mapping[str, Array], *, name: str) -> Product:
    weights = constants[node.input[1]].astype(np.float32)
    kernel, groups = weights.shape[2:], int(attributes.get("group", 1))
    rank = len(kernel)
    pads = attributes.get("pads", [0] * (2 * rank))
    shared: dict[str, Any] = {
        "group_count": groups,
        "kernel": kernel,
        "strides": tuple(attributes.get("strides", [1] * rank)),
        "dilations": tuple(attributes.get("dilations", [1] * rank)),
        "pads": tuple(zip(pads[:rank], pads[rank:], strict=True)),
    }
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic != "NOTSET":
        shared["pads"] = ((0, 0),) * rank
    geometry: Geometry
    if node.op_type == "Conv":
        geometry = Convolution(**shared, same=automatic.removeprefix("SAME_").lower() if "SAME" in automatic else "")
        matrix = weights.reshape(groups, weights.shape[0] // groups, -1).swapaxes(1, 2)
    else:
        extra = tuple(attributes.get("output_padding", [0] * rank))
        geometry = TransposedConvolution(**shared, output_padding=extra)
        matrix = weights.reshape(groups, weights.shape[0] // groups, -1)
    bias = _bias(node.input[2] if len(node.input) > 2 else "", constants, 1.0)
    if isinstance(bias, np.ndarray):
        bias = bias.reshape(1, -1, *[1] * rank)
    elif bias is not None:
        raise RefusedError(f"layer '{name}' ({node.op_type}): its bias is not constant: export with constants folded")
    return _product(node, 0, name=name, matrix=matrix, bias=bias, geometry=geometry)


def _gemm(node: Any, attributes: Mapping[str, Any], constants: Mapping[str, Array], *, name: str) -> Product | None:
    if node.input[1] not in constants:
        return None
    weights = constants[node.input[1]].astype(np.float32)
    matrix = (weights.T if attributes.get("transB", 0) else weights) * np.float32(attributes.get("alpha", 1.0))
    bias = _bias(node.input[2] if len(node.input) > 2 else "", constants, float(attributes.get("beta", 1.0)))
    geometry = Dense(transposed=bool(attributes.get("transA", 0)))
    return _product(node, 0, name=name, matrix=matrix[None], bias=bias, geometry=geometry)


def _matmul(node: Any, constants: Mapping[str, Array], *, name: str) -> Product | None:
    for position in (1, 0):
        weights = constants.get(node.input[position])
        if weights is None or weights.ndim < 2:
            continue
        if weights.ndim > 2:
            if max(weights.shape[:-2]) > 1:
                raise RefusedError(
                    f"layer '{name}' (MatMul): a stack of weight matrices is not simulated: export one MatMul each"
                )
            return None
        left = position == 0
        matrix = (weights.T if left else weights).astype(np.float32)
        geometry = Dense(transposed=left, left=left)
        return _product(node, 1 - position, name=name, matrix=matrix[None], bias=None, geometry=geometry)
    return None


def _bias(name: str, constants: Mapping[str, Array], factor: float) -> Array | tuple[str, float] | None:
    if not name:
        return None
    return constants[name].astype(np.float32) * np.float32(factor) if name in constants else (name, factor)


def _product(
    node: Any,
    source: int,
    *,
    name: str,
    matrix: Array,
    bias: Array | tuple[str, float] | None,
    geometry: Geometry,
) -> Product:
    return Product(
        name=name,
        source=node.input[source],
        output=node.output[0],
        matrix=np.ascontiguousarray(matrix, dtype=np.float32),
        bias=bias,
        geometry=geometry,
    )
