"""NeuroBench's metrics of a run, by its names and definitions, so that a result stands beside published ones.

Footprint: bytes of weights and biases as they are stored (NeuroBench adds a library's own buffers, such as snnTorch's
constants of each neuron layer; give them as ``buffer_bytes``). Connection sparsity: zero weights over weights.
Activation sparsity: zero activations over neurons, steps and samples. Dense: synapses inside the borders, in each step.
Effective operations: those of them whose event and weight are not zero; accumulations (ACs) where a layer's input is
0 and ±1 only in that step, multiply-accumulates (MACs) otherwise. All operations are per sample. Pooling and
one-to-one connections are not counted, as they are no connection layers there. Where a neuron sends several spikes at
once, which it does not know, each counts as an operation.
Source: Yik et al. 2023 (arXiv 2304.04640); github.com/NeuroBench/neurobench 2.3.0 for the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.network_spiking import Conv, Dense, Emission, Projection, SpikingLayer, SpikingNetwork, is_relay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twentywatts.forms.spiking.network_engine import SpikingRun

__all__ = ["NeuroBench", "neurobench"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuroBench:
    """Metrics of one network on some samples; operations are means per sample over all its steps.

    activation_sparsity: None where neurons send more than single spikes and the run did not record them, or none spike.
    """

    footprint_bytes: int
    connection_sparsity: float
    activation_sparsity: float | None
    dense_count: float
    effective_mac_count: float
    effective_ac_count: float

    def as_results(self) -> dict[str, Any]:
        """Return the metrics under NeuroBench's names, shaped as its benchmark returns them."""
        return {
            "Footprint": self.footprint_bytes,
            "ConnectionSparsity": self.connection_sparsity,
            "ActivationSparsity": self.activation_sparsity,
            "SynapticOperations": {
                "Effective_MACs": self.effective_mac_count,
                "Effective_ACs": self.effective_ac_count,
                "Dense": self.dense_count,
            },
        }


def neurobench(
    network: SpikingNetwork,
    run: SpikingRun,
    inputs: NDArray[Any] | Mapping[str, NDArray[Any]],
    *,
    buffer_bytes: int = 0,
) -> NeuroBench:
    """Return NeuroBench's metrics of a run of ``SpikingEngine``.

    inputs: what was run, (samples, steps, *shape), by name where there are several: whether they are binary decides
    between MACs and ACs. buffer_bytes: constants of a library's neuron layers that its footprint counts [byte].
    Raises InputError where the inputs are not those of the run.
    """
    arrays = dict(inputs) if not isinstance(inputs, np.ndarray) else dict.fromkeys(network.inputs, inputs)
    for name in network.inputs:
        if name not in arrays or arrays[name].shape[:2] != (run.sample_count, run.timesteps):
            raise InputError(f"the inputs of the run are wanted, samples and steps first, for '{name}'")
    binary = {name: _is_binary(arrays[name]) for name in network.inputs}
    sends = {layer.name: _is_spiking(layer) for layer in network.layers}
    macs = acs = dense = 0.0
    for layer in network.layers:
        wired = [p for p in layer.projections if isinstance(p.synapses, Dense | Conv)]
        dense += run.timesteps * sum(_connections(p, network) for p in wired)
        if wired:
            whole = [np.broadcast_to(binary.get(p.source, sends.get(p.source, True)), run.timesteps) for p in wired]
            adds = np.logical_and.reduce(whole)
            events = run.counts[layer.name].synaptic_events
            acs += float(events[adds].sum())
            macs += float(events[~adds].sum())
    return NeuroBench(
        footprint_bytes=_footprint(network) + buffer_bytes,
        connection_sparsity=_connection_sparsity(network),
        activation_sparsity=_activation_sparsity(network, run),
        dense_count=dense,
        effective_mac_count=macs / run.sample_count,
        effective_ac_count=acs / run.sample_count,
    )


def _is_binary(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for each step whether all values of all samples are 0, 1 or −1."""
    whole = (array == 0) | (array == 1) | (array == -1)
    flags: NDArray[np.bool_] = whole.reshape(*whole.shape[:2], -1).all(axis=(0, 2))
    return flags


def _is_spiking(layer: SpikingLayer) -> bool:
    return layer.neurons.emission is Emission.ONE


def _wired(network: SpikingNetwork) -> list[Projection]:
    """Return the projections that NeuroBench calls connection layers."""
    every = (p for layer in network.layers for p in layer.projections)
    return [p for p in every if isinstance(p.synapses, Dense | Conv)]


def _connections(projection: Projection, network: SpikingNetwork) -> int:
    """Return the synapses of a projection inside the borders, zero weights included."""
    synapses, shape = projection.synapses, network.shape_of(projection.source)
    if isinstance(synapses, Dense):
        return int(synapses.weight.size)
    assert isinstance(synapses, Conv)
    strides, pads, dilations = synapses.window()
    pairs = 1
    sizes = zip(
        shape[1:], synapses.weight.shape[2:], synapses.out_shape(shape)[1:], strides, pads, dilations, strict=True
    )
    for size, kernel, outs, stride, (begin, _), dilation in sizes:
        places = np.arange(outs)[:, None] * stride + np.arange(kernel)[None] * dilation - begin
        pairs *= int(np.count_nonzero((places >= 0) & (places < size)))
    return pairs * prod(synapses.weight.shape[:2])


def _footprint(network: SpikingNetwork) -> int:
    """Return the bytes of weights as they are stored, and of biases in float32, one for each channel or neuron."""
    weights = sum(p.synapses.weight.nbytes for p in _wired(network) if isinstance(p.synapses, Dense | Conv))
    return weights + sum(4 * np.size(layer.bias) for layer in network.layers if layer.bias is not None)


def _connection_sparsity(network: SpikingNetwork) -> float:
    weights = [p.synapses.weight for p in _wired(network) if isinstance(p.synapses, Dense | Conv)]
    total = sum(weight.size for weight in weights)
    return round(1.0 - sum(int(np.count_nonzero(weight)) for weight in weights) / total, 4) if total else 0.0


def _activation_sparsity(network: SpikingNetwork, run: SpikingRun) -> float | None:
    firing = [layer for layer in network.layers if _fires(layer)]
    slots = sum(layer.neurons.count for layer in firing) * run.timesteps * run.sample_count
    active = [_active(layer, run) for layer in firing]
    known = [count for count in active if count is not None]
    return (slots - sum(known)) / slots if slots and len(known) == len(firing) else None


def _fires(layer: SpikingLayer) -> bool:
    """Return whether a layer has neurons: relays pass on what they get, integrators send nothing."""
    return layer.neurons.emission is not Emission.NONE and not is_relay(layer.neurons)


def _active(layer: SpikingLayer, run: SpikingRun) -> int | None:
    """Return how often a neuron of the layer was not silent, None where the run does not tell."""
    if layer.name in run.outputs:
        return int(np.count_nonzero(run.outputs[layer.name]))
    return int(run.counts[layer.name].spikes_out.sum()) if _is_spiking(layer) else None
