"""How axes go through elementwise arithmetic, and through layers that only move values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twentywatts.network import Layer
from twentywatts.slimming.cutting.atoms import PINNED, Axis
from twentywatts.slimming.cutting.regroup import reshaped
from twentywatts.slimming.cutting.rules_dense import Rule
from twentywatts.slimming.cutting.spread import Axes, NotUnderstoodError, Spread

__all__ = ["SHAPE_RULES", "split_axes"]


def _elementwise(state: Spread, layer: Layer) -> Axes:
    return state.broadcast([name for name in layer.inputs if name], state.sizes(layer.outputs[0]))


def _first_only(state: Spread, layer: Layer) -> Axes:
    if layer.op == "Dropout" and len(layer.inputs) > 2 and layer.inputs[2]:
        raise NotUnderstoodError("it may be in training mode")
    return state.of(layer.inputs[0])


def _reshape(state: Spread, layer: Layer) -> Axes:
    if layer.op == "Reshape" and state.constant(layer, 1) is None:
        raise NotUnderstoodError("its shape is an attribute of an old format")
    return reshaped(state, layer, layer.inputs[0], layer.outputs[0])


def _transpose(state: Spread, layer: Layer) -> Axes:
    axes = state.of(layer.inputs[0])
    order = layer.attributes.get("perm", range(len(axes))[::-1])
    return tuple(axes[int(index)] for index in order)


def _concat(state: Spread, layer: Layer) -> Axes:
    parts = [state.of(name) for name in layer.inputs]
    sizes = [state.sizes(name) for name in layer.inputs]
    axis = int(layer.attributes.get("axis", 1)) % len(sizes[0])
    made: list[Axis] = list(parts[0])
    for other in parts[1:]:
        for index in range(len(made)):
            if index != axis:
                made[index] = state.atoms.same(made[index], other[index])
    along = [_or_pinned(part[axis], size[axis]) for part, size in zip(parts, sizes, strict=True)]
    made[axis] = np.concatenate(along) if any(part[axis] is not None for part in parts) else None
    return tuple(made)


def _or_pinned(axis: Axis, size: int) -> Any:
    return np.full(size, PINNED, dtype=np.int64) if axis is None else axis


def split_axes(state: Spread, layer: Layer) -> list[Axes]:
    """Return the axes of every output of a Split."""
    state.constant(layer, 1)  # sizes that are computed cannot be followed
    axes = state.of(layer.inputs[0])
    axis = int(layer.attributes.get("axis", 0)) % len(axes)
    made, start = [], 0
    for name in layer.outputs:
        size = state.sizes(name)[axis]
        own = axes[axis]
        part = None if own is None else own[start : start + size]
        made.append((*axes[:axis], part, *axes[axis + 1 :]))
        start += size
    state.parted.append([part[axis] for part in made])
    return made


def _slice(state: Spread, layer: Layer) -> Axes:
    axes = list(state.of(layer.inputs[0]))
    if len(layer.inputs) < 3:
        raise NotUnderstoodError("its bounds are attributes of an old format")
    sizes = state.sizes(layer.inputs[0])
    starts, ends = state.numbers(layer, 1), state.numbers(layer, 2)
    given, steps = state.constant(layer, 3), state.constant(layer, 4)
    places = range(len(starts)) if given is None else np.ravel(given).tolist()
    strides = [1] * len(starts) if steps is None else np.ravel(steps).tolist()
    for start, end, place, step in zip(starts, ends, places, strides, strict=True):
        own = axes[place]
        if own is None:
            continue
        if step == 1:
            low, high, _ = slice(start, min(end, sizes[place])).indices(sizes[place])
            axes[place] = own[low:high]
            state.parted.append([own[:low], own[low:high], own[high:]])
        else:
            state.pin((own,))
            axes[place] = None
    return tuple(axes)


def _gather(state: Spread, layer: Layer) -> Axes:
    data, where = layer.inputs
    axes = state.of(data)
    axis = int(layer.attributes.get("axis", 0)) % len(axes)
    state.pin((axes[axis],))
    if state.is_weight(data):
        for index in range(len(axes)):
            if index != axis:
                state.make(layer, data, index)
    if state.is_weight(where):
        state.pin_tensor(where)
    inner = (None,) * len(state.sizes(where)) if state.is_weight(where) else state.of(where)
    return (*axes[:axis], *inner, *axes[axis + 1 :])


def _expand(state: Spread, layer: Layer) -> Axes:
    if state.constant(layer, 1) is None:
        raise NotUnderstoodError("its shape is not given")
    return state.broadcast([layer.inputs[0]], state.sizes(layer.outputs[0]))


def _where_unchanged(state: Spread, layer: Layer) -> Axes:
    """Tile, Pad and Resize: an axis that keeps its positions passes, any other stays as it is."""
    axes = state.of(layer.inputs[0])
    if layer.op == "Tile":
        changes = np.array(state.numbers(layer, 1)) != 1
    elif layer.op == "Pad":
        changes = _padded(state, layer, len(axes))
    else:
        changes = _resized(state, layer, len(axes))
    state.pin([axis for axis, change in zip(axes, changes, strict=True) if change])
    return tuple(None if change else axis for axis, change in zip(axes, changes, strict=True))


def _padded(state: Spread, layer: Layer, rank: int) -> Any:
    given = state.constant(layer, 1)
    pads = np.ravel(layer.attributes.get("pads", layer.attributes.get("paddings", ())) if given is None else given)
    places = state.constant(layer, 3)
    where = range(rank) if places is None else np.ravel(places).tolist()
    changes = np.zeros(rank, dtype=bool)
    changes[list(where)] = pads.reshape(2, -1).any(axis=0)
    return changes


def _resized(state: Spread, layer: Layer, rank: int) -> Any:
    scales = state.constant(layer, 1 if layer.op == "Upsample" or len(layer.inputs) == 2 else 2)
    if scales is None or scales.size != rank or (len(layer.inputs) > 3 and layer.inputs[3]):
        raise NotUnderstoodError("it is resized to a fixed size")
    return np.ravel(scales) != 1


def _no_axes(state: Spread, layer: Layer) -> Axes:
    """Return the axes of a Shape that is left in the graph; nobody follows what hangs on it, so its input stays."""
    state.pin_tensor(layer.inputs[0])
    return (None,) * len(state.sizes(layer.outputs[0]))


_ELEMENTWISE = """Add Sub Mul Div Pow Max Min Sum Mean Mod And Or Xor Not Equal Greater GreaterOrEqual Less LessOrEqual
Where PRelu Abs Neg Sign Sqrt Reciprocal Exp Log Erf Ceil Floor Round Sin Cos Tan Sinh Cosh Tanh Asin Acos Atan Sigmoid
HardSigmoid HardSwish Relu LeakyRelu ThresholdedRelu Elu Selu Celu Softplus Softsign Gelu FastGelu QuickGelu Mish Swish
BiasGelu Clip IsNaN IsInf Identity""".split()

SHAPE_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(("Cast", "Dropout"), _first_only),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
    **dict.fromkeys(("Tile", "Pad", "Resize", "Upsample"), _where_unchanged),
    **dict.fromkeys(("Shape", "Size"), _no_axes),
}
