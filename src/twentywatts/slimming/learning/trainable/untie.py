"""Vectors that an exporter stored once because they were alike: each layer gets its own, or they could not part.

Biases of zero, scales and variances of one are alike before training, never by intent. Matrices that are stored once
are tied on purpose, and stay so.
"""

from __future__ import annotations

from typing import Any

from twentywatts.slimming.cutting.settle import drop_unused, serialised
from twentywatts.slimming.learning.trainable.graph import LEARNED

__all__ = ["untied"]

_STATISTICS = {"BatchNormalization": (3, 4)}
_FLOATS = (1, 10, 11, 16)  # element types of ONNX


def untied(content: bytes) -> bytes:
    """Return the model with a vector for each layer that learns one; the same bytes where none is shared."""
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf raises its own kinds; who reads the graph says so
        return content
    vectors = {t.name: t for t in model.graph.initializer if len(t.dims) == 1 and t.data_type in _FLOATS}
    roots = _roots(model.graph, vectors)
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)} | {
        tensor.name for tensor in model.graph.initializer
    }
    changed = False
    seen = {name for node in model.graph.node for name in node.input if name in vectors and not _places(node)}
    for node in model.graph.node:
        for place in _places(node):
            name = roots.get(node.input[place]) if place < len(node.input) else None
            if name is None:
                continue
            own = name if name not in seen else _fresh(name, taken)
            if own != name:
                copy = model.graph.initializer.add()
                copy.CopyFrom(vectors[name])
                copy.name = own
            changed |= node.input[place] != own
            node.input[place] = own
            seen.add(own)
    if not changed:
        return content
    drop_unused(model.graph)
    return serialised(model)


def _places(node: Any) -> tuple[int, ...]:
    return LEARNED.get(node.op_type, ()) + _STATISTICS.get(node.op_type, ())


def _roots(graph: Any, vectors: dict[str, Any]) -> dict[str, str]:
    """Return which vector a name stands for, looking through nodes that hand it on as it is."""
    roots = {name: name for name in vectors}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in roots:
            roots[node.output[0]] = roots[node.input[0]]
    return roots


def _fresh(name: str, taken: set[str]) -> str:
    index = 1
    while f"{name}_{index}" in taken:
        index += 1
    taken.add(f"{name}_{index}")
    return f"{name}_{index}"
