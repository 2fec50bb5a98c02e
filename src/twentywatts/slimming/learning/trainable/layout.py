"""Operators that move values without changing them: shapes, slices, lookups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from twentywatts.errors import RefusedError
from twentywatts.slimming.learning.trainable.elementwise import Operator
from twentywatts.slimming.learning.trainable.graph import Call
from twentywatts.slimming.learning.trainable.numbers import ints_of, setting

__all__ = ["LAYOUT"]

_PADDING = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _shape(call: Call, values: Sequence[Any]) -> Any:
    sizes = tuple(values[0].shape)[call.attributes.get("start", 0) : call.attributes.get("end", None)]
    return np.array(sizes, dtype=np.int64 if all(type(size) is int for size in sizes) else object)


def _size(call: Call, values: Sequence[Any]) -> Any:
    return np.array(int(np.prod(tuple(values[0].shape), dtype=object)), dtype=np.int64)


def _reshape(call: Call, values: Sequence[Any]) -> Any:
    wanted = setting(call, values, 1, "shape") or ()
    if not call.attributes.get("allowzero", 0):
        wanted = tuple(
            values[0].shape[index] if type(size) is int and size == 0 else size for index, size in enumerate(wanted)
        )
    return values[0].reshape(wanted)


def _flatten(call: Call, values: Sequence[Any]) -> Any:
    x = values[0]
    axis = call.attributes.get("axis", 1) % (x.ndim + 1) if x.ndim else 0
    if axis == 1:
        return x.flatten(1) if x.ndim > 1 else x.reshape(-1, 1)
    return x.reshape(x.shape[:axis].numel(), -1)


def _transpose(call: Call, values: Sequence[Any]) -> Any:
    x = values[0]
    return x.permute(*call.attributes.get("perm", tuple(reversed(range(x.ndim)))))


def _squeeze(call: Call, values: Sequence[Any]) -> Any:
    axes = setting(call, values, 1, "axes")
    return values[0].squeeze() if axes is None else values[0].squeeze(axes)


def _unsqueeze(call: Call, values: Sequence[Any]) -> Any:
    x = values[0]
    axes = setting(call, values, 1, "axes") or ()
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _concat(call: Call, values: Sequence[Any]) -> Any:
    return torch.cat(list(values), dim=call.attributes.get("axis", 1))


def _split(call: Call, values: Sequence[Any]) -> Any:
    x, axis = values[0], call.attributes.get("axis", 0)
    sizes = setting(call, values, 1, "split")
    if sizes is None:
        sizes = (-(-x.shape[axis] // len(call.outputs)),)
        return tuple(x.split(sizes[0], dim=axis))
    return tuple(x.split(list(sizes), dim=axis))


def _slice(call: Call, values: Sequence[Any]) -> Any:
    x = values[0]
    starts, ends = setting(call, values, 1, "starts") or (), setting(call, values, 2, "ends") or ()
    axes = setting(call, values, 3, "axes") or tuple(range(len(starts)))
    steps = setting(call, values, 4, "steps") or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            kept = range(x.shape[axis])[start : end if end >= -x.shape[axis] else None : step]
            x = x.index_select(axis, torch.tensor(list(kept), dtype=torch.int64))
        else:
            where = [slice(None)] * x.ndim
            where[axis] = slice(start, end, step)
            x = x[tuple(where)]
    return x


def _gather(call: Call, values: Sequence[Any]) -> Any:
    x, index = values
    axis = call.attributes.get("axis", 0) % x.ndim
    if isinstance(index, np.ndarray):
        if index.ndim == 0:
            return x.select(axis, index.item())
        index = torch.from_numpy(index.astype(np.int64))
    index = torch.where(index < 0, index + x.shape[axis], index).long()
    if axis == 0 and x.ndim == 2:
        return functional.embedding(index, x)
    found = x.index_select(axis, index.reshape(-1))
    return found.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _gather_elements(call: Call, values: Sequence[Any]) -> Any:
    x, index = values[0], values[1].long()
    axis = call.attributes.get("axis", 0)
    return torch.gather(x, axis, torch.where(index < 0, index + x.shape[axis], index))


def _gather_nd(call: Call, values: Sequence[Any]) -> Any:
    if call.attributes.get("batch_dims", 0):
        raise RefusedError(f"{call.label} gathers by batch, which is not known here")
    return values[0][tuple(values[1].long().unbind(-1))]


def _expand(call: Call, values: Sequence[Any]) -> Any:
    x, wanted = values[0], ints_of(values[1])
    rank = max(x.ndim, len(wanted))
    own = (1,) * (rank - x.ndim) + tuple(x.shape)
    asked = (1,) * (rank - len(wanted)) + wanted
    return x.expand(*[have if type(ask) is int and ask == 1 else ask for have, ask in zip(own, asked, strict=True)])


def _tile(call: Call, values: Sequence[Any]) -> Any:
    return values[0].repeat(*ints_of(values[1]))


def _pad(call: Call, values: Sequence[Any]) -> Any:
    x = values[0]
    pads = setting(call, values, 1, "pads") or ()
    value = values[2] if len(values) > 2 and values[2] is not None else call.attributes.get("value", 0.0)
    axes = [axis % x.ndim for axis in ints_of(values[3])] if len(values) > 3 and values[3] is not None else None
    axes = list(range(x.ndim)) if axes is None else axes
    mode = call.attributes.get("mode", "constant")
    if mode not in _PADDING:
        raise RefusedError(f"{call.label} pads with mode '{mode}', which torch does not know")
    around = [(0, 0)] * x.ndim
    for place, axis in enumerate(axes):
        around[axis] = (pads[place], pads[place + len(axes)])
    if mode == "constant":
        flat = [size for pair in reversed(around) for size in pair]
        return functional.pad(x, flat, value=float(value))
    return _padded_by_itself(x, around, _PADDING[mode])


def _padded_by_itself(x: Any, around: list[tuple[int, int]], mode: str) -> Any:
    """Return ``x`` padded with its own values, one axis after the other: torch pads the last axes only."""
    for axis, (before, after) in enumerate(around):
        if before or after:
            moved = x.movedim(axis, -1)
            rows = moved.reshape(1, -1, moved.shape[-1])
            padded = functional.pad(rows, (before, after), mode=mode)
            x = padded.reshape(*moved.shape[:-1], padded.shape[-1]).movedim(-1, axis)
    return x


def _filled(call: Call, values: Sequence[Any]) -> Any:
    fill = call.attributes.get("value")
    value = np.zeros(1, dtype=np.float32) if fill is None else fill.read()
    shape = ints_of(values[0])
    if value.dtype.kind in "iu" and all(type(size) is int for size in shape):
        return np.full(shape, value.reshape(-1)[0], dtype=value.dtype)
    return torch.full(shape, value.reshape(-1)[0].item(), dtype=torch.from_numpy(value).dtype)


def _range(call: Call, values: Sequence[Any]) -> Any:
    start, end, step = (value.item() for value in values)
    return torch.arange(start, end, step)


def _depth_to_space(call: Call, values: Sequence[Any]) -> Any:
    x, block = values[0], call.attributes["blocksize"]
    batch, channels, height, width = x.shape
    kept = channels // block**2
    if call.attributes.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, block)
    x = x.reshape(batch, block, block, kept, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(batch, kept, height * block, width * block)


def _space_to_depth(call: Call, values: Sequence[Any]) -> Any:
    x, block = values[0], call.attributes["blocksize"]
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(batch, channels * block**2, height // block, width // block)


def _triangle(call: Call, values: Sequence[Any]) -> Any:
    offset = ints_of(values[1])[0] if len(values) > 1 and values[1] is not None else 0
    return (torch.triu if call.attributes.get("upper", 1) else torch.tril)(values[0], diagonal=offset)


def _cumulative(call: Call, values: Sequence[Any]) -> Any:
    if call.attributes.get("exclusive", 0) or call.attributes.get("reverse", 0):
        raise RefusedError(f"{call.label} sums backwards or without the last value, which is not known here")
    return torch.cumsum(values[0], dim=ints_of(values[1])[0])


def _one_hot(call: Call, values: Sequence[Any]) -> Any:
    index, (depth, *_), pair = values[0].long(), ints_of(values[1]), values[2]
    axis = call.attributes.get("axis", -1)
    hot = functional.one_hot(torch.where(index < 0, index + depth, index), depth).movedim(-1, axis)
    return torch.where(hot.bool(), pair[1], pair[0])


def _top(call: Call, values: Sequence[Any]) -> Any:
    count = ints_of(values[1])[0] if len(values) > 1 else call.attributes["k"]
    found = torch.topk(
        values[0], count, dim=call.attributes.get("axis", -1), largest=bool(call.attributes.get("largest", 1))
    )
    return found.values, found.indices


def _best(function: Any) -> Operator:
    def run(call: Call, values: Sequence[Any]) -> Any:
        if call.attributes.get("select_last_index", 0):
            raise RefusedError(f"{call.label} takes the last of equal values, which torch cannot")
        return function(values[0], dim=call.attributes.get("axis", 0), keepdim=bool(call.attributes.get("keepdims", 1)))

    return run


LAYOUT: dict[str, Operator] = {
    "ArgMax": _best(torch.argmax),
    "ArgMin": _best(torch.argmin),
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "CumSum": _cumulative,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "OneHot": _one_hot,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "TopK": _top,
    "Transpose": _transpose,
    "Trilu": _triangle,
    "Unsqueeze": _unsqueeze,
}
