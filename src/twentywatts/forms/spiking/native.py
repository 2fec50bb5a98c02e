"""From a run of the event engine to a SpikingWorkload: any spiking network has a price, not a converted one alone.

    run = engine.run(spikes)
    ledger = price(workload_of_run(engine, run, spikes), tw.machine("loihi"), tw.Scenario())

Counts are those of the run, a mean over its samples: one sample with all its steps is one inference. A linear map that
only hands its sums to neurons (the recurrent map of a NIR graph) is no layer of a chip: its events are those neurons'.
Any other map or pooling stays a layer that holds its sums, as an average pooling of a converted network does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.forms.spiking.network_engine import SpikingEngine, SpikingRun
from twentywatts.forms.spiking.plan import LayerPlan
from twentywatts.network_spiking import Conv, Dense, Emission, OneToOne, Projection, SpikingNetwork, is_relay
from twentywatts.workload import SpikingWorkload

__all__ = ["workload_of_run"]

Floats = NDArray[np.float64]


def workload_of_run(
    engine: SpikingEngine, run: SpikingRun, inputs: NDArray[Any] | Mapping[str, NDArray[Any]]
) -> SpikingWorkload:
    """Return the work of one inference, the mean over the samples of a run of ``engine.run(inputs)``.

    Raises InputError for inputs that are no whole numbers of spikes, and for layers that send graded events: what a
    chip would do for a number is not counted here.
    """
    network = engine.network
    _check(network, inputs)
    works = {plan.layer.name: _work(plan, run, network) for plan in engine.plan.layers}
    for name, projection, target in _handed_on(network):
        works[target].take(works.pop(name), projection)
    layers = list(works)
    return SpikingWorkload(
        layers=tuple(layers),
        timesteps=run.timesteps,
        neuron_count=np.array([works[name].neurons for name in layers]),
        fan_in_count=np.array([works[name].fan_in for name in layers]),
        weight_count=np.array([works[name].weights for name in layers]),
        synapse_count=np.array([works[name].synapses for name in layers]),
        shared_weights=tuple(works[name].shares for name in layers),
        synaptic_events=np.stack([works[name].events for name in layers]),
        updates=np.stack([works[name].updates for name in layers]),
        spikes=np.stack([works[name].spikes for name in layers]),
        spikes_in=np.stack([works[name].arriving for name in layers]),
        mac_count=np.zeros(len(layers)),
        op_count=np.zeros(len(layers)),
        depth_count=_depth(network, set(layers)),
    )


def _check(network: SpikingNetwork, inputs: NDArray[Any] | Mapping[str, NDArray[Any]]) -> None:
    arrays = inputs if isinstance(inputs, Mapping) else dict.fromkeys(network.inputs, inputs)
    for name in network.inputs:
        array = np.asarray(arrays.get(name, np.nan))
        if np.any(array < 0) or not np.all(array == np.rint(array)):
            raise InputError(
                f"input '{name}' must hold spikes, 0, 1 or how many: a chip's price is of events, not of numbers; "
                "encode it first"
            )
    for layer in network.layers:
        if layer.neurons.emission is Emission.GRADED and not is_relay(layer.neurons):
            raise InputError(
                f"layer '{layer.name}' sends graded events: how many bits a chip sends for one is not told"
            )


@dataclass(slots=True, kw_only=True, eq=False)
class _Work:
    """One layer's counts; arrays of shape (steps,), means per sample."""

    neurons: float
    fan_in: float
    weights: float
    synapses: float
    shares: bool
    events: Floats
    updates: Floats
    spikes: Floats
    arriving: Floats

    def take(self, map_: _Work, projection: Projection) -> None:
        """Take over the events of a map that hands its sums to these neurons one to one, which were events too."""
        delay = int(np.min(projection.delay_steps))
        handed = _later(map_.spikes, delay)
        self.events = np.maximum(self.events - handed, 0.0) + _later(map_.events, delay)
        self.arriving = np.maximum(self.arriving - handed, 0.0) + _later(map_.arriving, delay)
        self.fan_in += map_.fan_in - 1.0
        self.weights += map_.weights - self.neurons
        self.synapses += map_.synapses - self.neurons
        self.shares = self.shares or map_.shares


def _later(counts: Floats, steps: int) -> Floats:
    """Return counts that arrive so many steps later; what would come behind the end does not."""
    return np.concatenate([np.zeros(steps), counts])[: len(counts)]


def _work(plan: LayerPlan, run: SpikingRun, network: SpikingNetwork) -> _Work:
    layer, counts = plan.layer, run.counts[plan.layer.name]
    shapes = [network.shape_of(projection.source) for projection in layer.projections]
    sizes = [_sizes(one, shape, layer.neurons.count) for one, shape in zip(layer.projections, shapes, strict=True)]
    return _Work(
        neurons=float(layer.neurons.count),
        fan_in=float(sum(fan_in for fan_in, _ in sizes)),
        weights=float(sum(weights for _, weights in sizes)),
        synapses=float(sum(packed.synapse_count for packed in plan.packed)),
        shares=any(not isinstance(one.synapses, Dense | OneToOne) for one in layer.projections),
        events=counts.synaptic_events / run.sample_count,
        updates=counts.neurons_touched / run.sample_count,
        spikes=counts.spikes_out / run.sample_count,
        arriving=counts.events_in / run.sample_count,
    )


def _sizes(projection: Projection, source: tuple[int, ...], neurons: int) -> tuple[int, int]:
    """Return the inputs of one neuron, and how many weights are stored."""
    synapses = projection.synapses
    if isinstance(synapses, Dense):
        return prod(source), synapses.weight.size
    if isinstance(synapses, Conv):
        return prod(synapses.weight.shape[1:]), synapses.weight.size
    return (1, neurons) if isinstance(synapses, OneToOne) else (prod(synapses.kernel), 1)


def _handed_on(network: SpikingNetwork) -> list[tuple[str, Projection, str]]:
    """Return the maps that only hand their sums to one layer of neurons: map, projection, layer."""
    found = []
    for layer in network.layers:
        heard = [(one, other) for other in network.layers for one in other.projections if one.source == layer.name]
        if is_relay(layer.neurons) and len(heard) == 1 and layer.name not in network.results:
            (projection, target) = heard[0]
            if _is_identity(projection) and not is_relay(target.neurons):
                found.append((layer.name, projection, target.name))
    return found


def _is_identity(projection: Projection) -> bool:
    synapses = projection.synapses
    return isinstance(synapses, OneToOne) and bool(np.all(synapses.weight == 1)) and projection.scale == 1.0


def _depth(network: SpikingNetwork, layers: set[str]) -> int:
    """Return how many layers follow one another on the longest way from an input, loops apart."""
    depth = dict.fromkeys(network.inputs, 0)
    for layer in network.in_order():
        before = max((depth.get(projection.source, 0) for projection in layer.projections), default=0)
        depth[layer.name] = before + (layer.name in layers)
    return max(depth.values())
