"""Weights back into the file that they came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.slimming.cutting.settle import serialised
from twentywatts.slimming.learning.trainable.graph import array_of

if TYPE_CHECKING:
    from twentywatts.slimming.learning.trainable.module import GraphModule

__all__ = ["weights_of", "with_weights", "written"]


def weights_of(module: GraphModule) -> dict[str, NDArray[Any]]:
    """Return weights and statistics by name of the constant, axes as the file has them."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    found = {}
    for name, (path, turned) in module.slots.items():
        array = tensors[path].detach().cpu().numpy()
        found[name] = np.ascontiguousarray(array.T if turned else array).copy()
    return found


def written(module: GraphModule) -> bytes:
    """Return the model with the module's weights; the very same bytes where none has changed.

    A constant keeps its element type. Where shapes have changed, the sizes that the file notes for tensors between
    layers are left out: they would be wrong.
    """
    return with_weights(module.content, weights_of(module)) or module.content


def with_weights(content: bytes, arrays: Mapping[str, NDArray[Any]]) -> bytes | None:
    """Return a model with constants replaced by name, the same bytes where all are alike; None where one is missing."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    stored = [(tensor, tensor.name) for tensor in model.graph.initializer]
    for node in model.graph.node:
        stored += [(a.t, node.output[0]) for a in node.attribute if node.op_type == "Constant" and a.name == "value"]
    if not set(arrays) <= {name for _, name in stored}:
        return None
    changed = [_replaced(tensor, arrays[name]) for tensor, name in stored if name in arrays]
    if not any(changed):
        return content
    if "shape" in changed:
        del model.graph.value_info[:]
    return serialised(model)


def _replaced(tensor: Any, array: NDArray[Any]) -> str:
    """Put values into a stored tensor and return what has changed: its shape, its values, or nothing."""
    from onnx import helper, numpy_helper

    before = array_of(tensor)
    if before.shape == array.shape and before.tobytes() == array.astype(before.dtype).tobytes():
        return ""
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    tensor.CopyFrom(numpy_helper.from_array(array.astype(kind), tensor.name))
    return "values" if before.shape == array.shape else "shape"
