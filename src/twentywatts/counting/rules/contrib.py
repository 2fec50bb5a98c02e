"""Operators of ONNX Runtime (domain com.microsoft) that optimised and quantised files hold."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from twentywatts.counting.rules.attention import attention_work
from twentywatts.counting.rules.product import matmul_macs
from twentywatts.counting.view import LayerView, UnknownWorkError, Work

__all__ = ["RULES"]

_DOMAIN = "com.microsoft"


def _matmul(view: LayerView) -> Work:
    """FusedMatMul: either operand may be transposed."""
    left, right = view.shape(0), view.shape(1)
    if view.attribute("transBatchA", 0) or view.attribute("transBatchB", 0):
        raise UnknownWorkError("batch axes are transposed")
    inner = left[-2] if view.attribute("transA", 0) else left[-1]
    other = right[-1] if view.attribute("transB", 0) else right[-2]
    if inner != other:
        raise UnknownWorkError(f"{list(left)} times {list(right)} is no matrix product")
    return Work(
        mac_count=view.output_size() * inner, op_count=(view.attribute("alpha", 1.0) != 1.0) * view.output_size()
    )


def _integer_to_float(view: LayerView) -> Work:
    """MatMulIntegerToFloat: 8-bit products, scaled and shifted to float."""
    size = view.output_size()
    return Work(mac_count=matmul_macs(view.shape(0), view.shape(1), size), op_count=2 * size, mac_bits=8)


def _dynamic(view: LayerView) -> Work:
    """DynamicQuantizeMatMul: the input is quantised first, 6 operations per element."""
    work = _integer_to_float(view)
    return Work(mac_count=work.mac_count, op_count=work.op_count + 6 * view.size(0), mac_bits=8)


def _quantized_gemm(view: LayerView) -> Work:
    left, size = view.shape(0), view.output_size()
    inner = left[-2] if view.attribute("transA", 0) else left[-1]
    return Work(mac_count=size * inner, op_count=4 * size, mac_bits=8)


def _few_bits(view: LayerView) -> Work:
    """MatMulNBits: weights of few bits are widened (2 operations each) and multiplied at the width of the data."""
    inner, columns = view.attribute("K", 0), view.attribute("N", 0)
    if view.shape(0)[-1] != inner:
        raise UnknownWorkError(f"data of shape {list(view.shape(0))} do not fit K = {inner}")
    macs = view.output_size() * inner
    return Work(mac_count=macs, op_count=2 * inner * columns, mac_bits=view.tensor(0).bits)


def _per_output(cost: int) -> Callable[[LayerView], Work]:
    return lambda view: Work(op_count=cost * view.output_size())


def _skip_norm(view: LayerView) -> Work:
    """SkipLayerNormalization: one sum, then the normalisation with its affine pair."""
    simplified = view.layer.op.startswith("SkipSimplified")
    return Work(op_count=(5 if simplified else 8) * view.output_size())


def _attention(view: LayerView) -> Work:
    """Attention with packed weights: the projections of the input, then the heads."""
    data, weights = view.shape(0), view.shape(1)
    heads = view.attribute("num_heads", 0)
    if len(data) != 3 or len(weights) != 2 or data[2] != weights[0] or not heads:
        raise UnknownWorkError("data and weights do not fit")
    sizes = view.attribute("qkv_hidden_sizes") or (weights[1] // 3,) * 3
    past = view.shape(4)[3] if view.has(4) else 0
    inner = attention_work(
        rows=data[0] * heads,
        queries=data[1],
        keys=data[1] + past,
        query_size=sizes[0] // heads,
        value_size=sizes[2] // heads,
    )
    projection = prod(data) * weights[1]
    bias = data[0] * data[1] * weights[1]
    return Work(mac_count=projection + inner.mac_count, op_count=bias + inner.op_count)


def _multi_head(view: LayerView) -> Work:
    """MultiHeadAttention on separate query, key and value of shape (batch, length, size)."""
    heads = view.attribute("num_heads", 0)
    if not heads or not view.has(1) or not view.has(2):
        raise UnknownWorkError("query, key and value are packed")
    query, key, value = view.shape(0), view.shape(1), view.shape(2)
    if not len(query) == len(key) == len(value) == 3:
        raise UnknownWorkError("query, key and value are packed")
    past = view.shape(6)[2] if view.has(6) else 0
    return attention_work(
        rows=query[0] * heads,
        queries=query[1],
        keys=key[1] + past,
        query_size=query[2] // heads,
        value_size=value[2] // heads,
    )


RULES: dict[tuple[str, str], Callable[[LayerView], Work]] = {
    (_DOMAIN, "FusedMatMul"): _matmul,
    (_DOMAIN, "MatMulIntegerToFloat"): _integer_to_float,
    (_DOMAIN, "DynamicQuantizeMatMul"): _dynamic,
    (_DOMAIN, "QGemm"): _quantized_gemm,
    (_DOMAIN, "MatMulNBits"): _few_bits,
    (_DOMAIN, "SkipLayerNormalization"): _skip_norm,
    (_DOMAIN, "SkipSimplifiedLayerNormalization"): _skip_norm,
    (_DOMAIN, "Attention"): _attention,
    (_DOMAIN, "MultiHeadAttention"): _multi_head,
}
_COSTS = {"Gelu": 5, "FastGelu": 8, "BiasGelu": 6, "QuickGelu": 6, "QLinearAdd": 7, "QLinearMul": 7}
_COSTS |= {"QuantizeLinear": 4, "DequantizeLinear": 2, "RotaryEmbedding": 3, "QLinearSigmoid": 1, "QLinearLeakyRelu": 1}
RULES |= {(_DOMAIN, op): _per_output(cost) for op, cost in _COSTS.items()}
