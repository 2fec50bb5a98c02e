"""How linear and elementwise operators become part of a block: a handler takes a layer and returns its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf

import numpy as np

from twentywatts.forms.lowering.linear import Floats, convolution, dense
from twentywatts.forms.lowering.pool import POOL_HANDLERS, window
from twentywatts.forms.lowering.state import Handler, Part, Pending, Signal, State, has_input, joined, project, refuse
from twentywatts.network import Layer

__all__ = ["HANDLERS", "READOUT_OPS"]

READOUT_OPS = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "ArgMax"})


def _conv(state: State, layer: Layer) -> Pending:
    signal = state.signal(layer.inputs[0], layer)
    weight = state.constant(layer.inputs[1], layer)
    groups = int(layer.attributes.get("group", 1))
    if weight.ndim != len(signal.shape) + 1 or weight.shape[1] * groups != signal.shape[0]:
        refuse(
            layer, f"weights of shape {weight.shape} do not fit an input of shape {signal.shape}: export the model anew"
        )
    frame = window(layer, signal.spatial, weight.shape[2:])
    linear = convolution(weight, signal.spatial, frame=frame, groups=groups)
    bias = state.constant(layer.inputs[2], layer) if has_input(layer, 2) else np.zeros(len(weight))
    return project(layer, signal, linear, bias)


def _gemm(state: State, layer: Layer) -> Pending:
    take = layer.attributes.get
    if take("transA", 0):
        refuse(layer, "its input is transposed, so that samples would mix: export the model with samples first")
    weight = state.constant(layer.inputs[1], layer) * float(take("alpha", 1.0))
    pending = _dense(state, layer, weight.T if take("transB", 0) else weight)
    if not has_input(layer, 2):
        return pending
    bias = state.constant(layer.inputs[2], layer) * float(take("beta", 1.0))
    return replace(pending, bias=pending.bias + np.broadcast_to(bias, (1, len(pending.bias))).T)


def _matmul(state: State, layer: Layer) -> Pending:
    if layer.inputs[1] not in state.network.weights:
        refuse(
            layer,
            "it multiplies two computed values, as attention does: compare such a model on processors and crossbars",
        )
    return _dense(state, layer, state.constant(layer.inputs[1], layer))


def _dense(state: State, layer: Layer, weight: Floats) -> Pending:
    signal = state.signal(layer.inputs[0], layer)
    if weight.ndim != 2 or signal.spatial or len(weight) != signal.shape[0]:
        refuse(
            layer,
            f"weights of shape {weight.shape} on an input of shape {signal.shape}: flatten it, or use a convolution",
        )
    return project(layer, signal, dense(weight), np.zeros(weight.shape[1]))


def _batch_norm(state: State, layer: Layer) -> Signal | Pending:
    scale, shift, mean, variance = (state.constant(name, layer) for name in layer.inputs[1:5])
    factor = scale / np.sqrt(variance + float(layer.attributes.get("epsilon", 1e-5)))
    value = state.value(layer.inputs[0], layer)
    ones = (len(factor),) + (1,) * (len(value.shape) - 1)
    return _shifted(layer, _scaled(layer, value, factor.reshape(ones)), (shift - mean * factor).reshape(ones))


def _full(layer: Layer, constant: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a constant that acts on a value of a shape (without batch), broadcast to it."""
    try:
        return (
            np.broadcast_to(constant, (1, *shape))[0]
            if constant.ndim > len(shape)
            else np.broadcast_to(constant, shape)
        )
    except ValueError:
        return refuse(
            layer, f"a constant of shape {constant.shape} does not fit a value of shape {shape}: export the model anew"
        )


def _by_channel(layer: Layer, full: Floats, rows: int) -> Floats:
    """Return one number per channel; raises RefusedError where positions differ."""
    table = full.reshape(rows, -1)
    if np.any(table != table[:, :1]):
        refuse(layer, "its constant differs between positions of one channel: use one number a channel")
    return table[:, 0]


def _scaled(layer: Layer, value: Signal | Pending, constant: Floats) -> Signal | Pending:
    full = _full(layer, constant, value.shape)
    if isinstance(value, Pending):
        factor = _by_channel(layer, full, len(value.bias))
        projections = tuple(replace(p, linear=p.linear.scaled_outputs(factor)) for p in value.projections)
        still = value.is_nonnegative and bool(np.all(factor >= 0))
        return replace(value, projections=projections, bias=value.bias * factor[:, None], is_nonnegative=still)
    factor = _by_channel(layer, full, value.shape[0])
    return _each(
        value, lambda part, rows: replace(part, scale=part.scale * factor[rows], shift=part.shift * factor[rows])
    )


def _shifted(layer: Layer, value: Signal | Pending, constant: Floats) -> Signal | Pending:
    full = _full(layer, constant, value.shape)
    if isinstance(value, Pending):
        still = value.is_nonnegative and bool(np.all(full >= 0))
        return replace(value, bias=value.bias + full.reshape(value.bias.shape), is_nonnegative=still)
    shift = _by_channel(layer, full, value.shape[0])
    return _each(value, lambda part, rows: replace(part, shift=part.shift + shift[rows]))


def _each(signal: Signal, change: Callable[[Part, slice], Part]) -> Signal:
    parts, first = [], 0
    for part in signal.parts:
        parts.append(change(part, slice(first, first + len(part.scale))))
        first += len(part.scale)
    return replace(signal, parts=tuple(parts))


def _add(state: State, layer: Layer) -> Signal | Pending:
    names = [name for name in layer.inputs if name not in state.network.weights]
    if len(names) == 2:
        return _sum(layer, state.pending(names[0], layer), state.pending(names[1], layer))
    if len(names) != 1:
        refuse(layer, "it adds constants alone: export the model with constants folded")
    other = next(name for name in layer.inputs if name in state.network.weights)
    constant, value = state.constant(other, layer), state.value(names[0], layer)
    if layer.op == "Sub" and other == layer.inputs[0]:
        value = _scaled(layer, value, np.array(-1.0))
    return _shifted(layer, value, -constant if layer.op == "Sub" and other == layer.inputs[1] else constant)


def _sum(layer: Layer, left: Pending, right: Pending) -> Pending:
    if left.bias.shape != right.bias.shape or left.shape != right.shape:
        refuse(layer, f"it adds values of shapes {left.shape} and {right.shape}: bring both to one shape")
    if layer.op == "Sub":
        flipped = _scaled(layer, right, np.array(-1.0))
        right = flipped if isinstance(flipped, Pending) else right
    return Pending(
        name=layer.name,
        projections=left.projections + right.projections,
        bias=left.bias + right.bias,
        shape=left.shape,
        is_nonnegative=left.is_nonnegative and right.is_nonnegative,
    )


def _multiply(state: State, layer: Layer) -> Signal | Pending:
    constants = [name for name in layer.inputs if name in state.network.weights]
    if len(constants) != 1 or (layer.op == "Div" and constants[0] != layer.inputs[1]):
        refuse(
            layer,
            "it multiplies or divides by a computed value (a gate): a synapse needs a constant; leave the gate out",
        )
    data = layer.inputs[1 - list(layer.inputs).index(constants[0])]
    factor = state.constant(constants[0], layer)
    return _scaled(layer, state.value(data, layer), 1.0 / factor if layer.op == "Div" else factor)


def _relu(state: State, layer: Layer) -> Signal:
    value = state.value(layer.inputs[0], layer)
    if isinstance(value, Signal) and state.is_spiking(value) and value.is_growing:
        return value
    return _rectified(state, layer, value, inf)


def _rectified(state: State, layer: Layer, value: Signal | Pending, ceiling: float) -> Signal:
    if isinstance(value, Pending):
        return state.fire(value, ceiling=ceiling)
    sums = [state.pass_on(replace(value, parts=(part,)), layer.name) for part in value.parts]
    return joined([state.fire(pending, ceiling=ceiling) for pending in sums])


def _clip(state: State, layer: Layer) -> Signal:
    bounds = []
    for index, key in ((1, "min"), (2, "max")):
        if has_input(layer, index):
            bounds.append(float(state.constant(layer.inputs[index], layer)))
        else:
            bounds.append(float(layer.attributes.get(key, (-inf, inf)[index - 1])))
    if bounds[0] != 0.0 or bounds[1] <= 0.0:
        refuse(
            layer,
            f"it clips to {bounds[0]:g}…{bounds[1]:g}, and a firing rate lies between 0 and a bound: use ReLU or ReLU6",
        )
    return _rectified(state, layer, state.value(layer.inputs[0], layer), bounds[1])


def _same(state: State, layer: Layer) -> Signal | Pending:
    return state.value(layer.inputs[0], layer)


HANDLERS: Mapping[str, Handler] = {
    **POOL_HANDLERS,
    "Add": _add,
    "BatchNormalization": _batch_norm,
    "Cast": _same,
    "Clip": _clip,
    "Conv": _conv,
    "Div": _multiply,
    "Dropout": _same,
    "Gemm": _gemm,
    "Identity": _same,
    "MatMul": _matmul,
    "Mul": _multiply,
    "Relu": _relu,
    "Sub": _add,
    "Sum": _add,
}
