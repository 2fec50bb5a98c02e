"""The graph: projections into layers, layers into a network, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twentywatts.errors import InputError, nearest
from twentywatts.network_spiking.neurons import Neurons, Shape
from twentywatts.network_spiking.synapses import Synapses

__all__ = ["Projection", "SpikingLayer", "SpikingNetwork"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection:
    """Synapses from ``source``, an input or a layer (its own for recurrence), into the layer that lists it.

    delay_steps: steps from the spike to its arrival, a number or one per neuron of the source; 0 arrives in the same
    step, and every loop of the graph needs at least 1. scale: what one count of an int8 weight is worth.
    """

    source: str
    synapses: Synapses
    delay_steps: int | NDArray[np.int64] = 0
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError for a delay or scale that cannot be."""
        delays = np.asarray(self.delay_steps)
        if delays.dtype.kind not in "iu" or delays.size == 0 or delays.min() < 0:
            raise InputError(f"delays from '{self.source}' must be whole steps, at least 0")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"the scale of weights from '{self.source}' must be above 0, got {self.scale}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikingLayer:
    """Neurons and what reaches them. bias: added to X in every step, a number or an array that broadcasts to shape."""

    name: str
    neurons: Neurons
    projections: tuple[Projection, ...]
    bias: ArrayLike | None = None

    def biases(self) -> NDArray[np.float64]:
        """Return the bias of every neuron; raises InputError where it does not fit."""
        array = np.asarray(0.0 if self.bias is None else self.bias, dtype=np.float64)
        if not np.all(np.isfinite(array)):
            raise InputError(f"the bias of layer '{self.name}' holds NaN or infinity")
        try:
            return np.broadcast_to(array, self.neurons.shape)
        except ValueError:
            raise InputError(
                f"the bias of layer '{self.name}' has shape {array.shape}, its neurons {self.neurons.shape}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikingNetwork:
    """A graph of layers. inputs: shape of each input by name, channels first. layers: in any order.

    outputs: the layers whose events or membranes are the result; the last one if none is named. step_s: duration of
    a step [s], where it is known. Raises InputError for unknown sources, shapes that do not fit, loops without delay.
    """

    inputs: Mapping[str, Shape]
    layers: tuple[SpikingLayer, ...]
    outputs: tuple[str, ...] = ()
    step_s: float | None = None
    name: str = field(default="network")

    def __post_init__(self) -> None:
        """Raise InputError where the graph cannot be run."""
        names = [*self.inputs, *(layer.name for layer in self.layers)]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise InputError(f"two inputs or layers are named '{twice[0]}'")
        if not self.layers or not self.inputs:
            raise InputError("a spiking network needs at least one input and one layer")
        for layer in self.layers:
            self._check(layer)
        for name in self.outputs:
            if name not in {layer.name for layer in self.layers}:
                raise InputError(f"output '{name}' is not a layer{nearest(name, names)}")
        list(self.in_order())

    def shape_of(self, source: str) -> Shape:
        """Return the shape of an input or a layer; raises InputError where there is none of that name."""
        if source in self.inputs:
            return tuple(self.inputs[source])
        for layer in self.layers:
            if layer.name == source:
                return layer.neurons.shape
        raise InputError(
            f"no input or layer is named '{source}'{nearest(source, [*self.inputs, *(x.name for x in self.layers)])}"
        )

    @property
    def results(self) -> tuple[str, ...]:
        """Names of the layers that are the result."""
        return self.outputs or (self.layers[-1].name,)

    @property
    def neuron_count(self) -> int:
        """Neurons of all layers."""
        return sum(layer.neurons.count for layer in self.layers)

    def in_order(self) -> Iterator[SpikingLayer]:
        """Yield layers so that what arrives within a step is known; raises InputError for a loop without delay."""
        waiting, done = list(self.layers), set(self.inputs)
        while waiting:
            ready = [x for x in waiting if all(p.source in done for p in x.projections if _least_delay(p) == 0)]
            if not ready:
                names = ", ".join(f"'{layer.name}'" for layer in waiting[:5])
                raise InputError(f"layers {names} form a loop without delay: give one projection delay_steps=1 or more")
            yield from ready
            done |= {layer.name for layer in ready}
            waiting = [layer for layer in waiting if layer.name not in done]

    def _check(self, layer: SpikingLayer) -> None:
        layer.biases()
        for projection in layer.projections:
            source = self.shape_of(projection.source)
            reached = projection.synapses.out_shape(source)
            if prod(reached) != layer.neurons.count:
                raise InputError(
                    f"synapses from '{projection.source}' reach shape {reached}, layer '{layer.name}' has "
                    f"{layer.neurons.shape}"
                )
            if np.ndim(projection.delay_steps) and np.size(projection.delay_steps) != prod(source):
                raise InputError(
                    f"delays from '{projection.source}': {np.size(projection.delay_steps)} given, {prod(source)} wanted"
                )


def _least_delay(projection: Projection) -> int:
    return int(np.min(projection.delay_steps))
