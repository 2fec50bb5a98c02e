"""Mapping: how a spiking network is laid out on the cores of a chip. Pure functions, no energy.

Every layer gets cores of its own. A core holds at most its published number of neurons, synapses and input axons:
where weights are stored per synapse it holds the synapses of its neurons, where a convolution's weights are shared it
holds the kernels of its channels once. Neurons of different positions are taken to have no inputs in common, which is
the safe side where inputs bind (TrueNorth). Limits: no layer is packed beside another, and splitting one neuron over
several cores is not tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twentywatts.errors import RefusedError
from twentywatts.machines import Machine
from twentywatts.uncertain import Array
from twentywatts.workload import SpikingWorkload

__all__ = ["Capacity", "Placement", "capacity_of", "place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What one core and one chip hold; inputs is None where no limit is published [counts]."""

    machine: str
    cores: int
    neurons: int
    synapses: int
    inputs: int | None
    shares_weights: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """Where a network lies: arrays of shape (..., layers), and (...) for chips.

    neurons_per_core: neurons of the fullest core of each layer. cores: cores of each layer. chips: chips in all.
    share_frac: part of a layer that lies on its fullest core.
    """

    neurons_per_core: Array
    cores: Array
    chips: Array
    share_frac: Array

    @property
    def core_total(self) -> Array:
        """Cores in use, shape (...)."""
        total: Array = self.cores.sum(axis=-1)
        return total


def capacity_of(machine: Machine) -> Capacity:
    """Return the capacity of a machine's cores at its figures' mid values."""
    inputs = machine.value("fan_in_count")
    return Capacity(
        machine=machine.name,
        cores=_whole(machine, "core_count"),
        neurons=_whole(machine, "neurons_per_core_count"),
        synapses=_whole(machine, "synapses_per_core_count"),
        inputs=round(inputs) if inputs else None,
        shares_weights=machine.traits.get("weight_sharing") == "core",
    )


def _whole(machine: Machine, key: str) -> int:
    return max(1, round(machine.value(key) or 0))


def place(workload: SpikingWorkload, capacity: Capacity) -> Placement:
    """Return the placement of every layer; raises RefusedError naming the layer that no core can hold."""
    neurons, fan_in = _counts(workload.neuron_count), _counts(workload.fan_in_count)
    _refuse(fan_in, capacity.inputs, workload, f"inputs, and a core of {capacity.machine} takes {capacity.inputs}")
    _refuse(
        fan_in, capacity.synapses, workload, f"synapses, and a core of {capacity.machine} holds {capacity.synapses}"
    )
    neurons = np.maximum(neurons, 1.0)
    per_core = np.minimum(_neurons_per_core(workload, capacity, fan_in), neurons)
    cores = np.ceil(neurons / per_core)
    chips = np.ceil(cores.sum(axis=-1) / capacity.cores)
    return Placement(neurons_per_core=per_core, cores=cores, chips=chips, share_frac=per_core / neurons)


def _counts(array: Array) -> Array:
    return np.asarray(array, dtype=np.float64)


def _refuse(fan_in: Array, limit: int | None, workload: SpikingWorkload, reason: str) -> None:
    if limit is None:
        return
    worst = fan_in.reshape(-1, fan_in.shape[-1]).max(axis=0)
    for name, count in zip(workload.layers, worst, strict=True):
        if count > limit:
            raise RefusedError(f"a neuron of layer '{name}' has {count:.0f} {reason}")


def _neurons_per_core(workload: SpikingWorkload, capacity: Capacity, fan_in: Array) -> Array:
    """Return how many neurons of each layer one core can hold, at least 1, shape (..., layers).

    A position is a set of neurons that read the same inputs: one per output channel of a convolution, all neurons of
    a dense layer. Inputs allow ``inputs // fan_in`` positions, and shared kernels ``synapses // fan_in`` channels.
    """
    width = np.maximum(fan_in, 1.0)
    channels = np.maximum(np.floor(_counts(workload.weight_count) / width), 1.0)
    positions = np.full_like(width, np.inf) if capacity.inputs is None else np.floor(capacity.inputs / width)
    rows = np.floor(capacity.synapses / width)
    shared = np.asarray(workload.shared_weights, dtype=bool) & capacity.shares_weights
    by_shared = positions * np.minimum(channels, rows)
    by_synapse = np.minimum(positions * channels, rows)
    return np.clip(np.where(shared, by_shared, by_synapse), 1.0, float(capacity.neurons))
