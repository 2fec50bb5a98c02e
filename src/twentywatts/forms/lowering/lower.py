"""The way from a Network to its blocks, and what the blocks compute.

A block is a sum of linear maps of earlier signals plus a bias, followed by a ReLU (``fire``), by nothing (``readout``,
the last one), or it is a largest-of-window (``max``). BatchNormalization, constant scales and shifts are folded into
the linear map beside them; dropout and reshapes vanish; a final softmax or argmax is kept as a digital readout.
Values between blocks are non-negative: where a signed value would reach another linear map, RefusedError names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from twentywatts.errors import RefusedError
from twentywatts.forms.lowering.linear import Floats, Geometry, apply
from twentywatts.forms.lowering.ops import HANDLERS, READOUT_OPS
from twentywatts.forms.lowering.state import Block, Kind, Lowered, State, refuse
from twentywatts.network import Layer, Network

__all__ = ["evaluate", "largest", "lower", "sum_of"]


def lower(network: Network) -> Lowered:
    """Return the blocks of a model; raises RefusedError naming the first layer that has no spiking form."""
    wanted, readout = _needed(network)
    for layer in wanted:
        if layer.op not in HANDLERS or layer.name in network.unknown or layer.domain not in ("", "ai.onnx"):
            refuse(layer, network.unknown.get(layer.name, "") or _advice(layer))
    state = State(network=network, inputs=_input_shapes(network))
    for layer in wanted:
        state.values[layer.outputs[0]] = HANDLERS[layer.op](state, layer)
    last = readout[0].inputs[0] if readout else network.outputs[0].name
    pending = state.pending(last, wanted[-1] if wanted else None)
    state.add(Kind.READOUT, pending, name=pending.name)
    _check_finite(state.blocks)
    return Lowered(
        inputs={name: state.inputs[name] for name in state.used_inputs()},
        blocks=tuple(state.blocks),
        output_shape=pending.shape,
        readout=readout,
    )


def _check_finite(blocks: Iterable[Block]) -> None:
    """Raise RefusedError for a layer with a NaN or infinite weight: no threshold and no conductance holds it."""
    for block in blocks:
        weights = (projection.linear.weight for projection in block.projections)
        if not all(np.isfinite(values).all() for values in (block.bias, *weights)):
            raise RefusedError(
                f"layer '{block.name}' has weights that are NaN or infinite: train or export the model anew"
            )


def _advice(layer: Layer) -> str:
    if layer.op in ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"):
        return "give the model before quantisation; the conversion quantises for each chip"
    return "spikes carry sums of weights, ReLU and pooling: put those in its place and train the model so"


def _input_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for spec in network.inputs:
        if spec.shape is None or not all(isinstance(size, int) for size in spec.shape[1:]):
            raise RefusedError(
                f"input '{spec.name}' has no fixed shape {spec.shape}, and spiking neurons need one: give the sizes of "
                "its open axes (--axis NAME=SIZE)"
            )
        shapes[spec.name] = tuple(size for size in spec.shape[1:] if isinstance(size, int))
    return shapes


def _data_inputs(network: Network, layer: Layer) -> tuple[str, ...]:
    """Return the inputs of a layer that carry data; shapes, bounds and constants do not."""
    first_only = ("Reshape", "Squeeze", "Unsqueeze", "Clip", "Dropout", "ReduceMean")
    names = layer.inputs[:1] if layer.op in first_only else layer.inputs
    return tuple(name for name in names if name and name not in network.weights)


def _needed(network: Network) -> tuple[list[Layer], tuple[Layer, ...]]:
    """Return the layers that the first output depends on through data, and those at its end that only read it out."""
    makers = {name: layer for layer in network.layers for name in layer.outputs}
    readout: list[Layer] = []
    name = network.outputs[0].name
    while name in makers and makers[name].op in READOUT_OPS:
        readout.insert(0, makers[name])
        name = makers[name].inputs[0]
    open_names, found = [name], set()
    while open_names:
        layer = makers.get(open_names.pop())
        if layer is not None and id(layer) not in found:
            found.add(id(layer))
            open_names.extend(_data_inputs(network, layer))
    return [layer for layer in network.layers if id(layer) in found], tuple(readout)


def evaluate(lowered: Lowered, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the value of every block by name, shape (samples, channels, positions); a readout gives its plain sum."""
    values = {name: np.asarray(inputs[name], dtype=np.float64) for name in lowered.inputs}
    for block in lowered.blocks:
        total = sum_of(block, values)
        values[block.name] = np.clip(total, 0.0, block.ceiling) if block.kind is Kind.FIRE else total
    return {block.name: values[block.name] for block in lowered.blocks}


def sum_of(block: Block, values: Mapping[str, Floats]) -> Floats:
    """Return a block's sum (or largest of windows) before its ReLU, shape (samples, channels, positions)."""
    if block.kind is Kind.MAX:
        return largest(block.projections[0].linear.geometry, values[block.projections[0].source])
    total = block.bias[None]
    for projection in block.projections:
        total = total + apply(projection.linear, values[projection.source])
    return total


def largest(geometry: Geometry, x: Floats) -> Floats:
    """Return the largest value of each window, shape (samples, channels, out positions); values are not negative."""
    samples = len(x)
    parted = x.reshape(samples, geometry.in_channels, geometry.in_positions)
    out = np.zeros((samples, geometry.out_channels, geometry.out_positions))
    np.maximum.at(out, (slice(None), slice(None), geometry.taps_out), parted[:, :, geometry.taps_in])  # type: ignore[arg-type]
    return out
