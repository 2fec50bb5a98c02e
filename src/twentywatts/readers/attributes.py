"""Attributes of a node as Python values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import AttributeProto, helper

from twentywatts.readers.nodes import Node
from twentywatts.readers.tensors import weight_of

__all__ = ["attributes_of"]

_PLAIN = frozenset(getattr(AttributeProto, name) for name in ("FLOAT", "INT", "STRING", "FLOATS", "INTS", "STRINGS"))


def attributes_of(node: Node, folder: Path) -> dict[str, Any]:
    """Return numbers, texts, tuples of them, and tensors by reference; branches and loop bodies are left out."""
    found: dict[str, Any] = {}
    for key, attribute in node.attributes.items():
        if attribute.type == AttributeProto.TENSOR:
            found[key] = weight_of(attribute.t, folder, f"{node.name}.{key}")
        elif attribute.type in _PLAIN:
            found[key] = _plain(helper.get_attribute_value(attribute))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float | str):
        return value
    return tuple(_plain(item) for item in value)
