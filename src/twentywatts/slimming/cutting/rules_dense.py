"""How axes go through layers that hold weights, and through normalisation, pooling and reduction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from twentywatts.network import Layer
from twentywatts.slimming.cutting.atoms import Axis
from twentywatts.slimming.cutting.spread import Axes, NotUnderstoodError, Spread

__all__ = ["DENSE_RULES", "Rule"]

Rule = Callable[[Spread, Layer], Axes]
_PIN_ALL_BEFORE = 13  # softmax works on one axis from this opset on, before on all from its axis


def _has(layer: Layer, index: int) -> bool:
    return len(layer.inputs) > index and bool(layer.inputs[index])


def _weight(state: Spread, layer: Layer, index: int) -> str:
    name = layer.inputs[index] if _has(layer, index) else ""
    if not state.is_weight(name):
        raise NotUnderstoodError("its weights are computed while it runs")
    return name


def _with_bias(state: Spread, layer: Layer, index: int, axis: Axis) -> Axis:
    return state.atoms.same(axis, state.of(layer.inputs[index])[0]) if _has(layer, index) else axis


def _conv(state: Spread, layer: Layer) -> Axes:
    x, name = layer.inputs[0], _weight(state, layer, 1)
    shape, kernel = state.sizes(x), state.sizes(name)
    groups = int(layer.attributes.get("group", 1))
    if len(shape) < 3 or len(kernel) != len(shape) or kernel[1] * groups != shape[1] or kernel[0] % groups:
        raise NotUnderstoodError("its weights do not fit its input")
    axes, own = state.of(x), state.of(name)
    state.pin((*axes[2:], *own[2:]))
    if groups == 1:
        state.read(name, 1, axes[1])
        made = state.make(layer, name, 0)
    else:
        made = _grouped(state, layer, name, axes[1], groups=groups)
    return (axes[0], _with_bias(state, layer, 2, made), *[None] * (len(shape) - 2))


def _grouped(state: Spread, layer: Layer, name: str, given: Axis, *, groups: int) -> Axis:
    """Return the outputs of a convolution in groups: whole groups go, or the same channels of each group."""
    count, width = state.sizes(name)[:2]
    made, inner = state.make(layer, name, 0), state.of(name)[1]
    if given is None or made is None:
        state.pin((given, made, inner))
        return None
    into, out = given.reshape(groups, width), made.reshape(groups, count // groups)
    if groups >= width:  # depthwise among them
        state.pin((inner,))
        state.atoms.tie(state.tie_rows(into), state.tie_rows(out))
    else:
        state.read(name, 1, state.tie_rows(into.T))
        state.tie_rows(out.T)
    return made


def _conv_transpose(state: Spread, layer: Layer) -> Axes:
    x, name = layer.inputs[0], _weight(state, layer, 1)
    shape, kernel = state.sizes(x), state.sizes(name)
    groups = int(layer.attributes.get("group", 1))
    if len(shape) < 3 or len(kernel) != len(shape) or kernel[0] != shape[1] or kernel[0] % groups:
        raise NotUnderstoodError("its weights do not fit its input")
    axes, own = state.of(x), state.of(name)
    state.pin((*axes[2:], *own[2:]))
    if groups == 1:
        state.read(name, 0, axes[1])
        made = state.make(layer, name, 1)
    else:
        given = state.atoms.same(axes[1], own[0])
        made = state.fresh(groups * kernel[1])
        state.pin((own[1],))
        if given is None or made is None:
            state.pin((given, made))
        else:
            into, out = given.reshape(groups, -1), made.reshape(groups, -1)
            state.atoms.tie(state.tie_rows(into), state.tie_rows(out))
    return (axes[0], _with_bias(state, layer, 2, made), *[None] * (len(shape) - 2))


def _gemm(state: Spread, layer: Layer) -> Axes:
    x, name = layer.inputs[0], _weight(state, layer, 1)
    if layer.attributes.get("transA", 0) or len(state.sizes(x)) != 2:
        raise NotUnderstoodError("its input is transposed")
    out_index = 0 if layer.attributes.get("transB", 0) else 1
    rows, columns = state.of(x)
    state.read(name, 1 - out_index, columns)
    axes: Axes = (rows, state.make(layer, name, out_index))
    if _has(layer, 2):
        shape = state.sizes(layer.outputs[0])
        bias = state.broadcast([layer.inputs[2]], shape)
        sizes = (1,) * (2 - len(state.sizes(layer.inputs[2]))) + state.sizes(layer.inputs[2])
        axes = tuple(
            axis if size == 1 and whole != 1 else state.atoms.same(axis, own)
            for axis, own, size, whole in zip(axes, bias, sizes, shape, strict=True)
        )
    return axes


def _matmul(state: Spread, layer: Layer) -> Axes:
    left, right = layer.inputs
    shapes = state.sizes(left), state.sizes(right)
    if min(map(len, shapes)) < 2:
        raise NotUnderstoodError("it multiplies a vector")
    if state.is_weight(right):
        state.read(right, len(shapes[1]) - 2, state.of(left)[-1])
        state.make(layer, right, len(shapes[1]) - 1)
    elif state.is_weight(left):
        state.read(left, len(shapes[0]) - 1, state.of(right)[-2])
        state.make(layer, left, len(shapes[0]) - 2)
    else:  # sums over what both sides compute: nothing there can be made zero by a weight
        state.pin((state.of(left)[-1], state.of(right)[-2]))
    out = state.sizes(layer.outputs[0])
    batch: list[Axis] = []
    for place in range(-len(out), -2):
        parts = [(s[place], state.of(n)[place]) for s, n in zip(shapes, layer.inputs, strict=True) if len(s) >= -place]
        whole = [axis for size, axis in parts if size == out[place]]
        batch.append(whole[0] if len(whole) == 1 else state.atoms.same(whole[0], whole[-1]))
    return (*batch, state.of(left)[-2], state.of(right)[-1])


def _per_channel(state: Spread, layer: Layer) -> Axes:
    """BatchNormalization and InstanceNormalization: each channel by its own constants."""
    if layer.attributes.get("training_mode", 0) or len([name for name in layer.outputs if name]) > 1:
        raise NotUnderstoodError("it is in training mode")
    axes = list(state.of(layer.inputs[0]))
    if len(axes) < 2:
        raise NotUnderstoodError("its input has no channels")
    for index in range(1, len(layer.inputs)):
        axes[1] = state.atoms.same(axes[1], state.of(_weight(state, layer, index))[0])
    if layer.op == "InstanceNormalization":
        state.pin(axes[2:])
    return tuple(axes)


def _normalised(state: Spread, layer: Layer) -> Axes:
    """LayerNormalization and its kin: what shares a mean stays, unless that was asked for."""
    if len([name for name in layer.outputs if name]) > 1:
        raise NotUnderstoodError("its statistics are used")
    axes = list(state.of(layer.inputs[0]))
    first = int(layer.attributes.get("axis", -1)) % len(axes)
    if state.through_norms and first == len(axes) - 1:
        for name in filter(None, layer.inputs[1:]):
            axes[-1] = state.atoms.same(axes[-1], state.of(name)[-1])
        state.shared.append(axes[-1])
        return tuple(axes)
    state.pin(axes[first:])
    for name in filter(None, layer.inputs[1:]):
        state.pin_tensor(name)
    return (*axes[:first], *[None] * (len(axes) - first))


def _softmax(state: Spread, layer: Layer) -> Axes:
    axes = list(state.of(layer.inputs[0]))
    is_new = int(layer.attributes["opset"]) >= _PIN_ALL_BEFORE
    first = int(layer.attributes.get("axis", -1 if is_new else 1)) % len(axes)
    gone = range(first, first + 1) if is_new else range(first, len(axes))
    state.pin([axes[index] for index in gone])
    return tuple(None if index in gone else axis for index, axis in enumerate(axes))


def _pool(state: Spread, layer: Layer) -> Axes:
    axes = state.of(layer.inputs[0])
    if len([name for name in layer.outputs if name]) > 1 or len(axes) < 3:
        raise NotUnderstoodError("it gives more than the pooled values")
    state.pin(axes[2:])
    return (*axes[:2], *[None] * (len(axes) - 2))


def _reduce(state: Spread, layer: Layer) -> Axes:
    axes = state.of(layer.inputs[0])
    given = state.constant(layer, 1)
    found = layer.attributes.get("axes", layer.attributes.get("axis")) if given is None else np.ravel(given).tolist()
    if layer.op.startswith("Arg"):
        found = layer.attributes.get("axis", 0)
    if found is None or (not isinstance(found, int) and not len(found)):
        if layer.attributes.get("noop_with_empty_axes", 0):
            return axes
        found = range(len(axes))
    gone = {int(index) % max(len(axes), 1) for index in ([found] if isinstance(found, int) else found)}
    state.pin([axes[index] for index in gone])
    keeps = layer.attributes.get("keepdims", 1)
    return tuple(None if i in gone else axis for i, axis in enumerate(axes) if keeps or i not in gone)


def _channels_stay(state: Spread, layer: Layer) -> Axes:
    axes = state.of(layer.inputs[0])
    state.pin(axes[1:])
    return (axes[0], *[None] * (len(axes) - 1))


_POOLS = "MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool GlobalLpPool".split()
_REDUCTIONS = "Mean Sum Max Min Prod L1 L2 LogSum LogSumExp SumSquare".split()

DENSE_RULES: Mapping[str, Rule] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _per_channel,
    "InstanceNormalization": _per_channel,
    "LayerNormalization": _normalised,
    "RMSNormalization": _normalised,
    "SimplifiedLayerNormalization": _normalised,
    "LRN": _channels_stay,
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
    **dict.fromkeys(_POOLS, _pool),
    **{f"Reduce{name}": _reduce for name in _REDUCTIONS},
    **dict.fromkeys(("ArgMax", "ArgMin"), _reduce),
}
