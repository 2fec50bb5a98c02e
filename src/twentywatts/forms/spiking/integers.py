"""From float32 weights to int8: one step per projection, powers of two apart where several meet in a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil, log2

import numpy as np

from twentywatts.forms.spiking.quantise import scale_of, to_integers
from twentywatts.network_spiking import Pool, Projection, SpikingLayer, SpikingNetwork

__all__ = ["to_int8"]


def to_int8(network: SpikingNetwork, *, bits: int = 8) -> SpikingNetwork:
    """Return the network with weights in signed integers of ``bits`` bits (2 to 8), held as int8.

    The step of a projection is the one of least squared error; where several projections meet in a layer, the steps
    are powers of two of the smallest. Thresholds, decays and biases stay as they are: the engine counts them in the
    layer's unit. Pools keep their weight of one.
    """
    if not 2 <= bits <= 8:
        from twentywatts.errors import InputError

        raise InputError(f"int8 weights take 2 to 8 bits, got {bits}")
    return replace(network, layers=tuple(_layer(layer, bits) for layer in network.layers))


def _layer(layer: SpikingLayer, bits: int) -> SpikingLayer:
    steps = {
        number: scale_of(np.asarray(p.synapses.weight, np.float64), bits) * p.scale
        for number, p in enumerate(layer.projections)
        if not isinstance(p.synapses, Pool)
    }
    least = min(steps.values(), default=1.0)
    steps = {number: least * 2.0 ** max(0, ceil(log2(step / least) - 1e-9)) for number, step in steps.items()}
    return replace(
        layer, projections=tuple(_held(p, number, steps, bits) for number, p in enumerate(layer.projections))
    )


def _held(projection: Projection, number: int, steps: Mapping[int, float], bits: int) -> Projection:
    if isinstance(projection.synapses, Pool):
        return projection
    step = steps[number]
    whole = to_integers(np.asarray(projection.synapses.weight, np.float64) * projection.scale, step, bits)
    return replace(projection, synapses=replace(projection.synapses, weight=whole.astype(np.int8)), scale=step)
