"""Zeros among the weights, anywhere or two of every four: told as they are.

No kernel of onnxruntime on a processor skips a zero that stands among other numbers, so these steps save nothing there;
they are for machines that do (see docs/method/zeros.md), and the measurement says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, clean
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.cutting.settle import serialised, settle

__all__ = ["zeros"]

_IN_AXIS = {"Conv": 1, "Gemm": 0, "MatMul": 0, "ConvTranspose": 0}
_BLOCK, _KEPT = 4, 2
_PATTERNS = ("any", "2:4")


def zeros(candidate: Candidate, *, share_frac: float = 0.5, pattern: str = "any") -> Candidate:
    """Return the candidate with the smallest weights of every matrix and convolution made zero.

    share_frac: share of the weights of each layer [0..1). pattern: ``any``, or ``2:4`` (the two smallest of every
    four that follow each other along the inputs of one output; a share of one half by its nature, layers whose inputs
    are no multiple of four stay whole). Raises InputError for a share or pattern that cannot be had.
    """
    if pattern not in _PATTERNS:
        raise InputError(f"zeros stand in the pattern {' or '.join(_PATTERNS)}, not '{clean(pattern)}'")
    if not 0 <= share_frac < 1 or (pattern == "2:4" and share_frac != 1 - _KEPT / _BLOCK):
        raise InputError(f"the share of zeros is 0 to below 1, and one half for 2:4, not {clean(share_frac)}")
    import onnx
    from onnx import numpy_helper

    settled = settle(candidate.content)
    model = onnx.ModelProto.FromString(settled.content)
    axes = _weight_axes(model.graph, settled.sound())
    left = []
    for tensor in model.graph.initializer:
        if tensor.name not in axes or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        value = np.array(numpy_helper.to_array(tensor))
        thin = _blocked(value, axes[tensor.name]) if pattern == "2:4" else _any(value, share_frac)
        if thin is None:
            left.append(tensor.name)
            continue
        tensor.CopyFrom(numpy_helper.from_array(thin, tensor.name))
    notes = ["a processor multiplies by zero as by any number: nothing is saved there"]
    notes += [clean(f"{name} stays whole: its inputs are no multiple of {_BLOCK}") for name in left]
    step = Step(name="zeros", settings={"share_frac": share_frac, "pattern": pattern}, notes=tuple(notes))
    return candidate.then(step, serialised(model))


def _weight_axes(graph: Any, sound: set[str]) -> Mapping[str, int]:
    """Return the constants that layers multiply by, and the axis of each along which it is summed."""
    found = {}
    for node in graph.node:
        if node.op_type in _IN_AXIS and not node.domain and node.name in sound:
            turned = any(item.name == "transB" and item.i for item in node.attribute)
            found[node.input[1]] = 1 if turned else _IN_AXIS[node.op_type]
    return found


def _any(value: NDArray[Any], share_frac: float) -> NDArray[Any]:
    count = round(share_frac * value.size)
    flat = value.ravel()
    flat[np.argsort(np.abs(flat), kind="stable")[:count]] = 0
    return flat.reshape(value.shape)


def _blocked(value: NDArray[Any], axis: int) -> NDArray[Any] | None:
    """Return the weights with the two smallest of every four along ``axis`` zero, None where it has no fours."""
    axis = axis if value.ndim > axis else 0
    if value.shape[axis] % _BLOCK:
        return None
    rows = np.ascontiguousarray(np.moveaxis(value, axis, -1))
    blocks = rows.reshape(-1, _BLOCK)
    smallest = np.argsort(np.abs(blocks), axis=1, kind="stable")[:, : _BLOCK - _KEPT]
    np.put_along_axis(blocks, smallest, 0, axis=1)
    return np.ascontiguousarray(np.moveaxis(blocks.reshape(rows.shape), -1, axis))
