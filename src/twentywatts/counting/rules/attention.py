"""Attention as one operator (opset 23): two matrix products and a softmax per head."""

from __future__ import annotations

from math import prod

from twentywatts.counting.view import LayerView, UnknownWorkError, Work

__all__ = ["RULES", "attention_work"]


def attention_work(*, rows: int, queries: int, keys: int, query_size: int, value_size: int) -> Work:
    """Return the work of ``rows`` heads (batch × heads).

    queries, keys: sequence lengths. MACs = rows × queries × keys × (query_size + value_size); scale, softmax
    and mask take 7 operations per score. A causal mask does not lessen what is counted: dense kernels compute it.
    """
    scores = rows * queries * keys
    return Work(mac_count=scores * (query_size + value_size), op_count=7 * scores)


def _attention(view: LayerView) -> Work:
    """ai.onnx Attention: (batch, heads, length, size), or (batch, length, heads × size) with the head counts given."""
    query, key, value = view.shape(0), view.shape(1), view.shape(2)
    heads = query[1] if len(query) == 4 else view.attribute("q_num_heads", 0)
    shared = key[1] if len(key) == 4 else view.attribute("kv_num_heads", 0)
    if not heads or not shared or len(query) not in (3, 4) or len(key) != len(query) or len(value) != len(query):
        raise UnknownWorkError("the number of heads is not known")
    past = view.shape(4)[2] if view.has(4) else 0
    sizes = [query[-1], value[-1]] if len(query) == 4 else [query[-1] // heads, value[-1] // shared]
    return attention_work(
        rows=query[0] * heads,
        queries=query[-2],
        keys=key[-2] + past,
        query_size=sizes[0],
        value_size=sizes[1],
    )


def _rotary(view: LayerView) -> Work:
    """RotaryEmbedding: two products and one sum per element."""
    return Work(op_count=3 * prod(view.output_shape()))


RULES = {("", "Attention"): _attention, ("", "RotaryEmbedding"): _rotary}
