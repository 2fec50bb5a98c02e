"""Names of a protobuf message are bytes where they are not valid text; such a file is damaged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from onnx import ModelProto

from twentywatts.errors import ModelError

__all__ = ["check_model_texts", "check_texts"]


def check_texts(names: Iterable[Any]) -> None:
    """Raise ModelError for a name that is not valid text."""
    for name in names:
        if not isinstance(name, str):
            raise ModelError(f"the file holds the name {name[:20]!r}, which is not text: it is damaged")


def check_model_texts(model: ModelProto) -> None:
    """Check the names that stand outside of nodes and tensors."""
    graph = model.graph
    check_texts(opset.domain for opset in model.opset_import)
    values = (*graph.input, *graph.output, *graph.value_info)
    check_texts((graph.name, *(value.name for value in values)))
    for value in values:
        if value.type.HasField("tensor_type"):
            check_texts(dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for function in model.functions:
        check_texts((function.name, function.domain, *function.input, *function.output))
        check_texts(opset.domain for opset in function.opset_import)
        check_texts(attribute.name for attribute in function.attribute_proto)
