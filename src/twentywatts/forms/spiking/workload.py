"""From counts to a SpikingWorkload, and from the readout's sums to the model's output."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.lowering import Floats, Geometry, Lowered
from twentywatts.forms.spiking.conversion import Converted, Group
from twentywatts.forms.spiking.simulation import Run
from twentywatts.network import Layer
from twentywatts.operation_counts import OPS_PER_VALUE
from twentywatts.workload import SpikingWorkload

__all__ = ["output_of", "workload_of"]


def workload_of(converted: Converted, done: Run, timesteps: int) -> SpikingWorkload:
    """Return the work of one inference of ``timesteps`` steps, at most those that were run."""
    groups, counts = converted.groups, done.counts

    def by_step(field: str) -> Floats:
        table = np.stack([getattr(count, field)[:timesteps] for count in counts])
        return table / done.sample_count

    return SpikingWorkload(
        layers=tuple(group.name for group in groups),
        timesteps=timesteps,
        neuron_count=np.array([float(group.bias.size) for group in groups]),
        fan_in_count=np.array([float(sum(g.fan_in_count for g in _geometries(group))) for group in groups]),
        weight_count=np.array([float(sum(_weight_count(g) for g in _geometries(group))) for group in groups]),
        synapse_count=np.array([float(_synapse_count(group)) for group in groups]),
        shared_weights=tuple(group.positions > 1 for group in groups),
        synaptic_events=by_step("events"),
        updates=by_step("updates"),
        spikes=by_step("spikes"),
        spikes_in=by_step("spikes_in"),
        mac_count=np.array([float(_mac_count(group)) for group in groups]),
        op_count=_op_count(converted),
        weight_bits=converted.weight_bits,
    )


def _geometries(group: Group) -> list[Geometry]:
    return [s.geometry for s in group.synapses] + [a.linear.geometry for a in group.analog]


def _weight_count(geometry: Geometry) -> int:
    return geometry.fan_in_count * geometry.out_channels


def _mac_count(group: Group) -> int:
    """Return multiply-accumulates of the analog input, padding included as is usual."""
    return sum(a.linear.geometry.fan_in_count * group.bias.size for a in group.analog)


def _synapse_count(group: Group) -> int:
    """Return connections inside the borders whose weight is not zero."""
    spiking = [(s.geometry, s.wiring.nonzero) for s in group.synapses]
    analog = [(a.linear.geometry, np.count_nonzero(a.linear.weight, axis=2)) for a in group.analog]
    return sum(int(nonzero.sum(axis=0)[geometry.taps_kernel].sum()) for geometry, nonzero in spiking + analog)


def _op_count(converted: Converted) -> Floats:
    """Return digital operations: one division for each output, and those of the readout's layers."""
    counts = np.zeros(len(converted.groups))
    outputs = prod(converted.lowered.output_shape)
    counts[-1] = outputs * (1 + sum(OPS_PER_VALUE.get(layer.op, 1) for layer in converted.lowered.readout))
    return counts


def output_of(lowered: Lowered, value: Floats) -> NDArray[np.float32]:
    """Return the model's output from the readout's values; a final Softmax or ArgMax is applied outside the neurons."""
    shaped = value.reshape(len(value), *lowered.output_shape)
    for layer in lowered.readout:
        shaped = _applied(layer, shaped)
    return np.asarray(shaped, dtype=np.float32)


def _applied(layer: Layer, value: Floats) -> Floats:
    if layer.op == "Sigmoid":
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * value)))
    axis = int(layer.attributes.get("axis", 0 if layer.op == "ArgMax" else -1))
    if layer.op == "ArgMax":
        best = value.argmax(axis=axis).astype(np.float64)
        return np.expand_dims(best, axis) if layer.attributes.get("keepdims", 1) else best
    shifted = value - value.max(axis=axis, keepdims=True)
    logarithm = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return logarithm if layer.op == "LogSoftmax" else np.exp(logarithm)
