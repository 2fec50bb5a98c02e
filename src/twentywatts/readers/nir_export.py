"""A SpikingNetwork as a NIR graph: what NIR has a primitive for; anything else is refused by the layer's name.

NIR does not say how its equations are stepped. Those choices are written beside each neuron node as metadata
(``twentywatts``), which this package reads back and others ignore; the duration of a step is the graph's metadata.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, MissingExtraError
from twentywatts.network_spiking import (
    Conv,
    Dense,
    Emission,
    Neurons,
    OneToOne,
    Pool,
    Projection,
    Reset,
    SpikingLayer,
    SpikingNetwork,
    is_relay,
)

__all__ = ["to_nir", "write_nir"]

_STEP_S = 1e-4  # where the network does not know its own


def write_nir(network: SpikingNetwork, path: str | Path) -> None:
    """Write a spiking network as a .nir file; raises InputError naming the layer that NIR cannot hold."""
    graph = to_nir(network)
    import nir

    try:
        nir.write(str(path), graph)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror or error}") from None


def to_nir(network: SpikingNetwork) -> Any:
    """Return a spiking network as a nir.NIRGraph; int8 weights become float32. Errors as of ``write_nir``."""
    try:
        import nir
    except ImportError:
        raise MissingExtraError("nir", "lab") from None
    writer = _Writer(nir, network)
    for layer in network.layers:
        writer.add(layer)
    for name in network.results:
        shape = np.array(network.shape_of(name))
        writer.put(f"{name}_output" if len(network.results) > 1 else "output", nir.Output({"output": shape}), [name])
    metadata = {"twentywatts_step_s": np.float64(writer.step_s)}
    return nir.NIRGraph(nodes=writer.nodes, edges=writer.edges, metadata=metadata, type_check=False)


def _refuse(layer: str, reason: str) -> NoReturn:
    raise InputError(f"layer '{layer}' has no NIR primitive: {reason}")


class _Writer:
    """Nodes and edges so far."""

    def __init__(self, nir: Any, network: SpikingNetwork) -> None:
        self.nir, self.network = nir, network
        self.step_s = network.step_s or _STEP_S
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.taken = {*network.inputs, *(layer.name for layer in network.layers)}
        for name, shape in network.inputs.items():
            self.nodes[name] = nir.Input({"input": np.array(shape)})

    def put(self, wanted: str, node: Any, sources: list[str]) -> str:
        """Add a node under a name that is free, fed by others; return that name."""
        name = wanted
        while name in self.taken or name in self.nodes:
            name += "_"
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def add(self, layer: SpikingLayer) -> None:
        """Add a layer with its maps, flattenings and delays."""
        bias: NDArray[np.float64] | None = layer.biases() if np.any(layer.biases()) else None
        relays = is_relay(layer.neurons)
        maps = []
        for index, projection in enumerate(layer.projections):
            node, bias = self._map(projection, layer, bias)
            source = self._source(projection, layer.name, index)
            if node is None:
                maps.append(source)
            elif relays and len(layer.projections) == 1:
                self.nodes[layer.name] = node
                self.edges.append((source, layer.name))
            else:
                maps.append(self.put(f"{layer.name}_map{index or ''}", node, [source]))
        if bias is not None:
            _refuse(layer.name, "a bias that is neither a channel's of a convolution nor of dense synapses")
        if layer.name not in self.nodes:
            self.nodes[layer.name] = self._relay(layer) if relays else self._neurons(layer)
            self.edges += [(name, layer.name) for name in maps]

    def _relay(self, layer: SpikingLayer) -> Any:
        return self.nir.Scale(np.ones(layer.neurons.shape, dtype=np.float32))

    def _source(self, projection: Projection, name: str, index: int) -> str:
        """Return the node that feeds a map: the source, behind a Delay and a Flatten where there are."""
        source, shape = projection.source, self.network.shape_of(projection.source)
        if np.any(np.asarray(projection.delay_steps)):
            delays = np.broadcast_to(np.ravel(projection.delay_steps), (int(np.prod(shape)),)).reshape(shape)
            source = self.put(f"{name}_delay{index or ''}", self.nir.Delay(delays * self.step_s), [source])
        if isinstance(projection.synapses, Dense) and len(shape) > 1:
            node = self.nir.Flatten({"input": np.array(shape)}, 0, -1)
            source = self.put(f"{name}_flat{index or ''}", node, [source])
        return source

    def _map(
        self, projection: Projection, layer: SpikingLayer, bias: NDArray[np.float64] | None
    ) -> tuple[Any, NDArray[np.float64] | None]:
        """Return the linear node of a projection (None for one to one by 1), and the bias that is still to be held."""
        synapses, shape = projection.synapses, self.network.shape_of(projection.source)
        if isinstance(synapses, Pool):
            return self._pool(synapses, projection, layer.name), bias
        weight = synapses.weight.astype(np.float32) * np.float32(projection.scale)
        if isinstance(synapses, OneToOne):
            plain = bool(np.all(weight == 1))
            return None if plain else self.nir.Scale(np.broadcast_to(weight, shape).copy()), bias
        if isinstance(synapses, Dense):
            if bias is None:
                return self.nir.Linear(weight), None
            return self.nir.Affine(weight, bias.ravel().astype(np.float32)), None
        return self._conv(synapses, weight, layer, bias=bias, in_shape=shape)

    def _conv(
        self,
        synapses: Conv,
        weight: NDArray[np.float32],
        layer: SpikingLayer,
        *,
        bias: NDArray[np.float64] | None,
        in_shape: tuple[int, ...],
    ) -> tuple[Any, NDArray[np.float64] | None]:
        rank = weight.ndim - 2
        if rank > 2:
            _refuse(layer.name, "a convolution over three axes")
        stride, pads, dilation = synapses.window()
        if any(begin != end for begin, end in pads):
            _refuse(layer.name, f"a convolution with uneven padding {pads}")
        own = np.zeros(len(weight), dtype=np.float32)
        if bias is not None:
            spread = np.broadcast_to(bias.reshape(len(weight), -1)[:, :1], (len(weight), bias.size // len(weight)))
            if np.array_equal(spread, bias.reshape(len(weight), -1)):
                own, bias = spread[:, 0].astype(np.float32), None
        window: dict[str, Any] = {"stride": stride, "padding": tuple(p for p, _ in pads), "dilation": dilation}
        if rank == 1:
            window = {key: value[0] for key, value in window.items()}
        kind = self.nir.Conv1d if rank == 1 else self.nir.Conv2d
        size = in_shape[1] if rank == 1 else tuple(in_shape[1:])
        return kind(input_shape=size, weight=weight, groups=synapses.groups, bias=own, **window), bias

    def _pool(self, synapses: Pool, projection: Projection, name: str) -> Any:
        stride, pads, _ = synapses.window()
        if len(synapses.kernel) != 2 or any(begin != end for begin, end in pads):
            _refuse(name, "a pooling that is not over two axes with even padding")
        if projection.scale != 1.0:
            _refuse(name, "a pooling with a scale")
        kind = self.nir.AvgPool2d if synapses.mean else self.nir.SumPool2d
        return kind(
            kernel_size=np.array(synapses.kernel), stride=np.array(stride), padding=np.array([p for p, _ in pads])
        )

    def _neurons(self, layer: SpikingLayer) -> Any:
        """Return the neuron node of a layer with the choices that NIR cannot hold as metadata."""
        neurons, name = layer.neurons, layer.name
        if neurons.emission is Emission.GRADED or neurons.signed:
            _refuse(name, "graded or signed events")
        get = neurons.values
        decay, kappa, gain = get("decay"), get("synapse_decay"), get("input_gain")
        leaks = bool(np.any(decay < 1))
        if (leaks and np.any(decay == 1)) or (np.any(kappa) and not (leaks and np.all(kappa < 1))):
            _refuse(name, "neurons with and without leak in one layer, or a synaptic current without leak")
        firing = {} if neurons.emission is Emission.NONE else self._firing(neurons)
        metadata = _metadata(neurons)
        if not leaks:
            kind = self.nir.IF if firing else self.nir.I
            return kind(r=gain / self.step_s, metadata=metadata, **firing)
        tau = self.step_s / (1.0 - decay)
        if not np.any(kappa) and _has_no_memory(neurons):
            return self.nir.Threshold(threshold=np.array(get("threshold")), metadata=metadata)
        leak = {"r": gain * tau / self.step_s, "v_leak": np.array(get("rest")), "metadata": metadata, **firing}
        if not np.any(kappa):
            return (self.nir.LIF if firing else self.nir.LI)(tau=tau, **leak)
        tau_syn = self.step_s / (1.0 - kappa)
        kind = self.nir.CubaLIF if firing else self.nir.CubaLI
        return kind(tau_syn=tau_syn, tau_mem=tau, w_in=tau_syn / self.step_s, **leak)

    def _firing(self, neurons: Neurons) -> dict[str, NDArray[np.float64]]:
        return {
            "v_threshold": np.array(neurons.values("threshold")),
            "v_reset": np.array(neurons.values("reset_value")),
        }


def _has_no_memory(neurons: Neurons) -> bool:
    zeros = ("decay", "rest", "reset_value")
    plain = bool(np.all(neurons.values("input_gain") == 1)) and not any(np.any(neurons.values(x)) for x in zeros)
    return plain and neurons.reset is Reset.ZERO and neurons.emission is Emission.ONE


def _metadata(neurons: Neurons) -> dict[str, Any]:
    choices = {
        "reset": neurons.reset.value,
        "delayed_reset": neurons.delayed_reset,
        "strict": neurons.strict,
        "emission": neurons.emission.value,
        "most_spikes": neurons.most_spikes,
    }
    found: dict[str, Any] = {"twentywatts": json.dumps(choices)}
    if not np.array_equal(neurons.values("start"), neurons.values("rest")):
        found["start"] = np.array(neurons.values("start"))
    return found
