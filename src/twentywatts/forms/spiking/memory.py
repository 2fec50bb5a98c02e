"""How much memory a spiking network takes, estimated before anything is made, held against what there is."""

from __future__ import annotations

from math import prod

import numpy as np

from twentywatts.errors import InputError
from twentywatts.forms.limits import available_bytes
from twentywatts.network_spiking import Conv, Dense, OneToOne, Projection, SpikingLayer, SpikingNetwork

__all__ = ["bytes_per_neuron", "check_memory", "needed_bytes"]

_PARAMETERS = 8 * 4 + 8  # seven parameters and a start in 32 bits, a resting value in 64
_STATES = 3 * 4 + 2  # membrane, current, sum; bits and marks
_LISTS = (
    4 * 8
)  # of a step of delay and sample, where its events begin: what is kept, what comes, the two merged, the late ones
_SOME = 2**20


def needed_bytes(network: SpikingNetwork, *, samples: int = 1) -> int:
    """Return the memory that an engine takes besides the network's own arrays [bytes].

    samples: run at the same time. Lists of events and tables of sums are bounded and counted as one MiB per layer and
    sample.
    """
    layers = sum(_layer_bytes(network, layer, samples) for layer in network.layers)
    return layers + _SOME


def bytes_per_neuron(*, samples: int = 1) -> float:
    """Return the memory of parameters and states per neuron, weights and their tables apart [bytes]."""
    return float(_PARAMETERS + samples * _STATES)


def _layer_bytes(network: SpikingNetwork, layer: SpikingLayer, samples: int) -> int:
    count = layer.neurons.count
    tables = sum(
        _table_bytes(projection, network.shape_of(projection.source), count) for projection in layer.projections
    )
    late = sum(_LISTS * samples * int(np.max(projection.delay_steps)) for projection in layer.projections)
    return count * (_PARAMETERS + samples * _STATES) + tables + late + samples * _SOME


def _table_bytes(projection: Projection, source: tuple[int, ...], count: int) -> int:
    """Return the size of weights in rows, their marks and taps; dense layers are kept in blocks too."""
    synapses = projection.synapses
    fan_out = 16 * prod(source)
    if isinstance(synapses, Dense):
        return 2 * synapses.weight.nbytes + synapses.weight.size // 4 + fan_out
    if isinstance(synapses, OneToOne):
        return 9 * 8 * count + fan_out
    kernel = synapses.weight.shape[2:] if isinstance(synapses, Conv) else tuple(synapses.kernel)
    taps = prod(kernel) * prod(source[1:]) * (8 + 24)
    weights = 2 * synapses.weight.nbytes if isinstance(synapses, Conv) else 8 * 4 * source[0] * prod(kernel)
    return taps + weights + fan_out


def check_memory(network: SpikingNetwork, *, samples: int, limit_bytes: int | None, outputs_bytes: int = 0) -> None:
    """Raise InputError where the network does not fit, or what it is to return.

    limit_bytes: what there is, asked from the system if None. outputs_bytes: of the outputs, which are held twice
    while the windows are put together.
    """
    limit = available_bytes() if limit_bytes is None else limit_bytes
    needed = needed_bytes(network, samples=samples) + 2 * outputs_bytes
    if limit is not None and needed > limit:
        outputs = f" and {2 * outputs_bytes / 2**30:.3g} GiB of it for what it returns" if outputs_bytes else ""
        raise InputError(
            f"a network of {network.neuron_count:,} neurons needs about {needed / 2**30:.3g} GiB for {samples} samples "
            f"at once{outputs}, and {limit / 2**30:.3g} GiB can be had: use a smaller network, shorter delays, fewer "
            "samples or steps, or a larger machine"
        )
