"""Windows and views: how pooling and reshaping operators become part of a block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from twentywatts.forms.lowering.linear import Frame, Linear, apply, mean_after, pooling
from twentywatts.forms.lowering.state import (
    Handler,
    Kind,
    Part,
    Pending,
    Projection,
    Signal,
    State,
    has_input,
    joined,
    project,
    refuse,
    whole_signal,
)
from twentywatts.network import Layer

__all__ = ["POOL_HANDLERS", "window"]


def window(layer: Layer, spatial: tuple[int, ...], kernel: tuple[int, ...]) -> Frame:
    """Return how a convolution's or pooling's window moves, as its attributes say."""
    rank = len(spatial)
    strides = tuple(layer.attributes.get("strides") or [1] * rank)
    dilations = tuple(layer.attributes.get("dilations") or [1] * rank)
    ends = list(layer.attributes.get("pads") or [0] * (2 * rank))
    pads = list(zip(ends[:rank], ends[rank:], strict=True))
    auto = _text(layer.attributes.get("auto_pad", "NOTSET"))
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for size, taps, stride, dilation in zip(spatial, kernel, strides, dilations, strict=True):
            missing = max((-(-size // stride) - 1) * stride + dilation * (taps - 1) + 1 - size, 0)
            small, large = missing // 2, missing - missing // 2
            pads.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return Frame(strides=strides, pads=tuple(pads), dilations=dilations)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _pool_window(layer: Layer, shape: tuple[int, ...]) -> tuple[Linear, int]:
    """Return the map that sums each window, and the number of positions of a whole window."""
    kernel, frame = shape[1:], Frame.plain(len(shape) - 1)
    if layer.op in ("MaxPool", "AveragePool"):
        kernel = tuple(layer.attributes["kernel_shape"])
        frame = window(layer, shape[1:], kernel)
        if layer.attributes.get("ceil_mode", 0):
            frame = replace(frame, pads=_ceil_pads(shape[1:], kernel, frame))
    return pooling(shape[0], shape[1:], kernel=kernel, frame=frame), prod(kernel)


def _ceil_pads(spatial: tuple[int, ...], kernel: tuple[int, ...], frame: Frame) -> tuple[tuple[int, int], ...]:
    """Return pads whose end takes in the last, partial window; one that starts in the end padding is dropped."""
    found = []
    for axis, (size, (begin, end), stride) in enumerate(zip(spatial, frame.pads, frame.strides, strict=True)):
        room = size + begin + end - frame.dilations[axis] * (kernel[axis] - 1) - 1
        rest, count = room % stride, -(-room // stride)
        found.append((begin, end + stride - rest if rest and count * stride < size + begin else end))
    return tuple(found)


def _average_pool(state: State, layer: Layer) -> Signal | Pending:
    value = state.value(layer.inputs[0], layer)
    pool, count = _pool_window(layer, value.shape)
    whole = np.bincount(pool.geometry.taps_out, minlength=pool.geometry.out_positions) == count
    if not whole.all() and (not layer.attributes.get("count_include_pad", 0) or layer.attributes.get("ceil_mode", 0)):
        refuse(layer, "its windows at the border hold fewer values than the others: let them fit, or count the padding")
    if isinstance(value, Pending):
        return _averaged(layer, value, pool, count)
    scaled = Linear(geometry=pool.geometry, weight=pool.weight / count)
    if len(value.parts) == 1:
        return _average_of_part(state, layer, value, scaled)
    sums = [_part_average(state, layer, value, part) for part in value.parts]
    return joined(sums)


def _average_of_part(state: State, layer: Layer, value: Signal, pool: Linear) -> Pending:
    pending = project(layer, value, pool, np.zeros(value.shape[0]))
    return replace(pending, is_nonnegative=state.is_spiking(value) and value.is_growing)


def _part_average(state: State, layer: Layer, value: Signal, part: Part) -> Signal:
    own = replace(value, parts=(part,))
    pool, count = _pool_window(layer, own.shape)
    pending = _average_of_part(state, layer, own, Linear(geometry=pool.geometry, weight=pool.weight / count))
    if not pending.is_nonnegative:
        refuse(layer, "it averages a signed concatenation: put a ReLU before it and train the model so")
    return state.fire(pending)


def _averaged(layer: Layer, value: Pending, pool: Linear, count: int) -> Pending:
    """Return a sum followed by a mean over windows, as one sum."""
    if prod(value.shape[1:]) != value.bias.shape[1]:
        refuse(layer, "it averages a value that was reshaped: put a ReLU between the two, or average first")
    bias = apply(pool, value.bias[None])[0] / count
    return Pending(
        name=value.name,
        projections=tuple(replace(p, linear=mean_after(p.linear, pool.geometry, count)) for p in value.projections),
        bias=bias,
        shape=(value.shape[0], *pool.geometry.out_shape),
        is_nonnegative=value.is_nonnegative,
    )


def _reduce_mean(state: State, layer: Layer) -> Signal | Pending:
    value = state.value(layer.inputs[0], layer)
    axes = layer.attributes.get("axes")
    if axes is None and has_input(layer, 1):
        axes = state.constant(layer.inputs[1], layer).astype(int).tolist()
    rank = len(value.shape) + 1
    if axes is None or {int(axis) % rank for axis in axes} != set(range(2, rank)):
        refuse(layer, f"it averages over axes {axes}: average over all positions and nothing else (GlobalAveragePool)")
    pooled = _average_pool(state, layer)
    return pooled if layer.attributes.get("keepdims", 1) else viewed(layer, pooled, pooled.shape[:1])


def _max_pool(state: State, layer: Layer) -> Signal:
    value = state.value(layer.inputs[0], layer)
    if isinstance(value, Pending) and _only_rectified(state, layer):
        value = state.fire(value)  # the largest of rectified values is the rectified largest value
    elif isinstance(value, Pending):
        value = state.signal(layer.inputs[0], layer)
    if not state.is_spiking(value):
        refuse(layer, "it takes the largest of the model's analog input: average instead, or put a convolution first")
    if any(np.any(part.scale <= 0) for part in value.parts):
        refuse(layer, "a scale before it turns the largest value into the smallest: put the scale behind it")
    return joined([_max_part(state, layer, replace(value, parts=(part,))) for part in value.parts])


def _max_part(state: State, layer: Layer, value: Signal) -> Signal:
    (part,) = value.parts
    pool, _ = _pool_window(layer, value.shape)
    shape = (value.shape[0], *pool.geometry.out_shape)
    pending = Pending(
        name=layer.name,
        projections=(Projection(source=part.source, linear=pool),),
        bias=np.zeros((shape[0], prod(shape[1:]))),
        shape=shape,
    )
    source = state.add(Kind.MAX, pending, name=layer.name)
    return Signal(parts=(replace(part, source=source),), spatial=shape[1:])


def _only_rectified(state: State, layer: Layer) -> bool:
    users = [user for user in state.network.layers if layer.outputs[0] in user.inputs]
    return bool(users) and all(user.op == "Relu" for user in users)


def _view(state: State, layer: Layer) -> Signal | Pending:
    """Flatten, reshape, squeeze: the order of the numbers stays."""
    value = state.value(layer.inputs[0], layer)
    shape = state.network.shape(layer.outputs[0])
    if layer.op == "Flatten" and int(layer.attributes.get("axis", 1)) == 1:
        return viewed(layer, value, (prod(value.shape),))
    sizes = None if shape is None else tuple(size for size in shape[1:] if isinstance(size, int))
    if shape is None or sizes is None or not sizes or prod(sizes) != prod(value.shape):
        refuse(
            layer,
            f"it turns samples of shape {value.shape} into {shape}: keep the samples first and the number of values",
        )
    return viewed(layer, value, sizes)


def viewed(layer: Layer, value: Signal | Pending, shape: tuple[int, ...]) -> Signal | Pending:
    if shape == value.shape:
        return value
    if isinstance(value, Pending):
        return replace(value, shape=shape)
    positions = prod(value.spatial)
    if len(shape) == 1:
        return Signal(
            parts=tuple(
                replace(part, scale=np.repeat(part.scale, positions), shift=np.repeat(part.shift, positions))
                for part in value.parts
            ),
            spatial=(),
        )
    if len(value.parts) == 1 and value.is_plain:
        return whole_signal(value.parts[0].source, shape)
    return refuse(
        layer, f"it regroups the channels of {value.shape} into {shape}: put a ReLU or a linear layer before it"
    )


def _concat(state: State, layer: Layer) -> Signal:
    signals = [state.signal(name, layer) for name in layer.inputs]
    rank = len(signals[0].shape) + 1
    if int(layer.attributes.get("axis", 1)) % rank != 1 or any(s.spatial != signals[0].spatial for s in signals):
        refuse(layer, "it joins values along another axis than the channels: join channels")
    return joined(signals)


def _same(state: State, layer: Layer) -> Signal | Pending:
    return state.value(layer.inputs[0], layer)


POOL_HANDLERS: Mapping[str, Handler] = {
    "AveragePool": _average_pool,
    "Concat": _concat,
    "Flatten": _view,
    "GlobalAveragePool": _average_pool,
    "GlobalMaxPool": _max_pool,
    "MaxPool": _max_pool,
    "ReduceMean": _reduce_mean,
    "Reshape": _view,
    "Squeeze": _view,
    "Unsqueeze": _view,
}
