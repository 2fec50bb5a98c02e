"""What is known while a model is lowered: blocks so far, and the values between layers.

A value is a Signal (non-negative outputs of blocks, or a model's input, each channel with a scale and a shift still to
be folded) or a Pending (a sum of linear maps whose ReLU has not come yet).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf, prod
from typing import NoReturn

import numpy as np

from twentywatts.errors import RefusedError
from twentywatts.forms.lowering.linear import Floats, Linear, apply, diagonal
from twentywatts.network import Layer, Network

__all__ = [
    "Block",
    "Handler",
    "Kind",
    "Lowered",
    "Part",
    "Pending",
    "Projection",
    "Signal",
    "State",
    "has_input",
    "joined",
    "project",
    "refuse",
    "whole_signal",
]


class Kind(StrEnum):
    """What a block does with its sum."""

    FIRE = "fire"
    MAX = "max"
    READOUT = "readout"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection:
    """A linear map of the signal of ``source``, a block or an input of the model."""

    source: str
    linear: Linear


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A group of neurons: kind, maps that are summed, bias of shape (channels, positions), upper bound of the ReLU."""

    name: str
    kind: Kind
    projections: tuple[Projection, ...]
    bias: Floats
    ceiling: float = inf


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lowered:
    """A model as blocks in running order; the last one is the readout.

    inputs: shapes by name, without the batch. output_shape: without the batch. readout: layers applied to the last
    block's sum outside the neurons (Softmax, ArgMax, …).
    """

    inputs: Mapping[str, tuple[int, ...]]
    blocks: tuple[Block, ...]
    output_shape: tuple[int, ...]
    readout: tuple[Layer, ...] = ()


def refuse(layer: Layer, reason: str) -> NoReturn:
    """Raise RefusedError naming the layer and its operator."""
    raise RefusedError(f"layer '{layer.name}' ({layer.op}) has no spiking form: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Channels of one source; scale and shift of shape (channels,)."""

    source: str
    scale: Floats
    shift: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """Parts one after another along the channels; ``spatial`` holds the other sizes."""

    parts: tuple[Part, ...]
    spatial: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes without the batch."""
        return (sum(len(part.scale) for part in self.parts), *self.spatial)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is left to fold."""
        return all(np.all(part.scale == 1) and np.all(part.shift == 0) for part in self.parts)

    @property
    def is_growing(self) -> bool:
        """Whether scales and shifts keep a non-negative source non-negative."""
        return all(np.all(part.scale >= 0) and np.all(part.shift >= 0) for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pending:
    """A sum of maps and a bias of shape (channels, positions); ``shape`` may be a flattened view of it."""

    name: str
    projections: tuple[Projection, ...]
    bias: Floats
    shape: tuple[int, ...]
    is_nonnegative: bool = False


@dataclass(kw_only=True)
class State:
    """What is known while a model is lowered: values by tensor name, and the blocks so far."""

    network: Network
    inputs: Mapping[str, tuple[int, ...]]
    values: dict[str, Signal | Pending] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, shape in self.inputs.items():
            self.values[name] = whole_signal(name, shape or (1,))

    def used_inputs(self) -> list[str]:
        """Return the inputs that some block reads."""
        used = {projection.source for block in self.blocks for projection in block.projections}
        return [name for name in self.inputs if name in used]

    def constant(self, name: str, layer: Layer) -> Floats:
        """Return a weight's values; raises RefusedError where it is computed instead."""
        if name not in self.network.weights:
            refuse(
                layer,
                f"'{name}' is computed, and a synapse needs a constant weight: export the model with constants folded",
            )
        return np.asarray(self.network.weights[name].read(), dtype=np.float64)

    def is_spiking(self, signal: Signal) -> bool:
        """Whether every part comes from a block."""
        return all(part.source not in self.inputs for part in signal.parts)

    def signal(self, name: str, layer: Layer) -> Signal:
        """Return a value that can be sent on; raises RefusedError where it is signed."""
        value = self.value(name, layer)
        if isinstance(value, Pending):
            if not value.is_nonnegative:
                refuse(
                    layer,
                    f"its input '{name}' is signed, and spikes have no sign: put a ReLU before it and train it so",
                )
            value = self.values[name] = self.fire(value)
        return value

    def pending(self, name: str, layer: Layer | None) -> Pending:
        """Return a value as a sum that can be added to; a concatenation cannot."""
        value = self.value(name, layer)
        if isinstance(value, Pending):
            return value
        if len(value.parts) > 1 and layer is not None:
            refuse(
                layer,
                "its input is a concatenation that no linear layer reads: let a dense layer or a convolution read it",
            )
        return self.pass_on(value, name)

    def value(self, name: str, layer: Layer | None) -> Signal | Pending:
        """Return a value by tensor name."""
        if name not in self.values:
            if layer is None:
                raise RefusedError(f"the model's output '{name}' is computed by no layer")
            refuse(layer, f"its input '{name}' carries no data of the model: export the model with constants folded")
        return self.values[name]

    def pass_on(self, signal: Signal, name: str) -> Pending:
        """Return a one-part signal as a sum, neuron by neuron."""
        (part,) = signal.parts
        return Pending(
            name=name,
            projections=(Projection(source=part.source, linear=diagonal(part.scale, signal.spatial)),),
            bias=np.repeat(part.shift[:, None], prod(signal.spatial), axis=1),
            shape=signal.shape,
            is_nonnegative=signal.is_growing and self.is_spiking(signal),
        )

    def fire(self, pending: Pending, *, ceiling: float = inf) -> Signal:
        """Add a block of integrate-and-fire neurons and return its spikes."""
        return whole_signal(self.add(Kind.FIRE, pending, name=pending.name, ceiling=ceiling), pending.shape)

    def add(self, kind: Kind, pending: Pending, *, name: str, ceiling: float = inf) -> str:
        """Add a block under a name that is still free, and return that name."""
        taken = {block.name for block in self.blocks} | set(self.inputs)
        free = name if name not in taken else next(f"{name}#{i}" for i in range(2, 10**6) if f"{name}#{i}" not in taken)
        self.blocks.append(
            Block(name=free, kind=kind, projections=pending.projections, bias=pending.bias, ceiling=ceiling)
        )
        return free


Handler = Callable[[State, Layer], Signal | Pending]


def whole_signal(source: str, shape: tuple[int, ...]) -> Signal:
    """Return a value as it is: one part, neither scaled nor shifted; its shape is without batch."""
    return Signal(parts=(Part(source=source, scale=np.ones(shape[0]), shift=np.zeros(shape[0])),), spatial=shape[1:])


def project(layer: Layer, signal: Signal, linear: Linear, bias: Floats) -> Pending:
    """Return a linear map of a signal, its scales and shifts folded; bias of shape (out channels,)."""
    geometry = linear.geometry
    if len(signal.parts) > 1 and geometry.groups > 1:
        refuse(layer, "it has groups and reads a concatenation: convolve without groups there")
    total = np.repeat(bias[:, None], geometry.out_positions, axis=1)
    projections, first = [], 0
    for part in signal.parts:
        count = len(part.scale)
        own = linear.for_inputs(first, count)
        first += count
        if np.any(part.shift):
            shift = np.repeat(part.shift[None, :, None], geometry.in_positions, axis=2)
            total = total + apply(own, shift)[0]
        projections.append(Projection(source=part.source, linear=own.scaled_inputs(part.scale)))
    shape = (geometry.out_channels, *geometry.out_shape)
    return Pending(name=layer.name, projections=tuple(projections), bias=total, shape=shape)


def has_input(layer: Layer, index: int) -> bool:
    """Tell whether an optional input is given: ONNX leaves its name out, or empty."""
    return len(layer.inputs) > index and bool(layer.inputs[index])


def joined(signals: Sequence[Signal]) -> Signal:
    """Return a concatenation of channels."""
    return replace(signals[0], parts=tuple(part for signal in signals for part in signal.parts))
