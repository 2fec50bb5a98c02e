"""Shapes for operators that the onnx library has no rules for, most of them of ONNX Runtime (com.microsoft)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twentywatts.network import TensorSpec
from twentywatts.readers.axes import Shape
from twentywatts.readers.nodes import Node
from twentywatts.readers.specs import Kind, tensor_kind

__all__ = ["contrib_kinds"]

Specs = Sequence[TensorSpec | None]
Rule = Callable[[Specs, Mapping[str, Any]], tuple[str, Shape] | None]


def contrib_kinds(node: Node, attributes: Mapping[str, Any], inputs: Specs) -> dict[str, Kind]:
    """Return the kind of the first output where a rule is known; nothing otherwise."""
    rule = _RULES.get(node.op) if node.domain in ("", "com.microsoft") else None
    if rule is None or not node.outputs or not node.outputs[0]:
        return {}
    try:
        found = rule(inputs, attributes)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return {}  # inputs are missing or of another rank: the shape is not known
    if found is None or found[0] in ("unknown", "sequence"):
        return {}
    return {node.outputs[0]: tensor_kind(node.outputs[0], *found)}


def _spec(inputs: Specs, index: int) -> tuple[str, Shape]:
    spec = inputs[index]
    if spec is None or spec.shape is None:
        raise ValueError("not known")
    return spec.dtype, spec.shape


def _like(index: int, *, dtype_of: int | None = None, dtype: str = "") -> Rule:
    """Return a rule for operators whose result has the shape of one input."""

    def rule(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
        own, shape = _spec(inputs, index)
        return dtype or (_spec(inputs, dtype_of)[0] if dtype_of is not None else own), shape

    return rule


def _broadcast(left: Shape, right: Shape) -> Shape:
    length = max(len(left), len(right))
    pairs = zip((1,) * (length - len(left)) + left, (1,) * (length - len(right)) + right, strict=True)
    return tuple(b if a == 1 else a for a, b in pairs)


def _matmul(first: int, second: int, dtype: str = "") -> Rule:
    def rule(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
        own, left = _spec(inputs, first)
        right = _spec(inputs, second)[1]
        if attributes.get("transA", 0):
            left = (*left[:-2], left[-1], left[-2])
        if attributes.get("transB", 0):
            right = (*right[:-2], right[-1], right[-2])
        if len(left) < 2 or len(right) < 2 or attributes.get("transBatchA", 0) or attributes.get("transBatchB", 0):
            raise ValueError("not known")
        return dtype or own, (*_broadcast(left[:-2], right[:-2]), left[-2], right[-1])

    return rule


def _elementwise(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
    dtype, left = _spec(inputs, 0)
    return dtype, _broadcast(left, _spec(inputs, 3)[1])


def _matmul_bits(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
    dtype, left = _spec(inputs, 0)
    return dtype, (*left[:-1], int(attributes["N"]))


def _attention(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
    """Attention with packed weights (hidden, query + key + value sizes)."""
    dtype, data = _spec(inputs, 0)
    columns = _spec(inputs, 1)[1][1]
    sizes = attributes.get("qkv_hidden_sizes")
    width = sizes[2] if sizes else columns // 3  # type: ignore[operator]
    return dtype, (data[0], data[1], int(width))


def _multi_head(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
    """MultiHeadAttention: query (batch, length, size), value (batch, length, size) or (batch, heads, length, size)."""
    dtype, query = _spec(inputs, 0)
    value = _spec(inputs, 2)[1]
    if len(query) != 3:
        raise ValueError("packed")
    width = value[2] if len(value) == 3 else value[1] * value[3]  # type: ignore[operator]
    return dtype, (query[0], query[1], width)


def _group_query(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
    dtype, query = _spec(inputs, 0)
    if len(inputs) < 3 or inputs[1] is None:  # query, key and value are packed into one
        heads, shared = attributes["num_heads"], attributes["kv_num_heads"]
        return dtype, (query[0], query[1], query[2] * heads // (heads + 2 * shared))
    return dtype, query


def _deformable(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
    """DeformConv: the offsets (batch, …, height, width) say where each output looks."""
    dtype, data = _spec(inputs, 0)
    return dtype, (data[0], _spec(inputs, 1)[1][0], *_spec(inputs, 2)[1][2:])


def _embedding(inputs: Specs, attributes: Mapping[str, Any]) -> tuple[str, Shape]:
    dtype, table = _spec(inputs, 2)
    return dtype, (*_spec(inputs, 0)[1], table[1])


_SAME = (
    "Gelu FastGelu BiasGelu QuickGelu SkipLayerNormalization SkipSimplifiedLayerNormalization "
    "SimplifiedLayerNormalization RotaryEmbedding QLinearLeakyRelu QLinearSigmoid QLinearSoftmax GroupNorm "
    "GroupNormalization MeanVarianceNormalization"
)
_RULES: Mapping[str, Rule] = {op: _like(0) for op in _SAME.split()} | {
    "QuantizeLinear": _like(0, dtype_of=2),
    "DequantizeLinear": _like(0, dtype_of=1),
    "FusedMatMul": _matmul(0, 1),
    "FusedGemm": _matmul(0, 1),
    "QGemm": _matmul(0, 3),
    "MatMulIntegerToFloat": _matmul(0, 1, "float32"),
    "DynamicQuantizeMatMul": _matmul(0, 1, "float32"),
    "MatMulNBits": _matmul_bits,
    "QLinearAdd": _elementwise,
    "QLinearMul": _elementwise,
    "DeformConv": _deformable,
    "Attention": _attention,
    "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _group_query,
    "EmbedLayerNormalization": _embedding,
}
