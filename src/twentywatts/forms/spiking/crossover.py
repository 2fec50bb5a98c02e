"""From which rate on a dense layer is faster as a matrix product, measured on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from twentywatts.forms.spiking.network_engine import SpikingEngine
from twentywatts.network_spiking import Dense, SpikingLayer, SpikingNetwork

__all__ = ["crossover_rates"]

_STEPS, _ROUNDS = 50, 3


def crossover_rates(
    network: SpikingNetwork, *, rates: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.8), seed: int = 0
) -> dict[str, float]:
    """Return, for each layer with one dense projection, the lowest of ``rates`` at which the matrix product wins.

    Infinity where it never does. This is timed: two calls may differ. Pass the result as ``matrix_above``.
    """
    found = {}
    for layer in network.layers:
        if len(layer.projections) == 1 and isinstance(layer.projections[0].synapses, Dense):
            found[layer.name] = _crossover(network, layer, rates=sorted(rates), seed=seed)
    return found


def _crossover(network: SpikingNetwork, layer: SpikingLayer, *, rates: Sequence[float], seed: int) -> float:
    shape = network.shape_of(layer.projections[0].source)
    alone = replace(layer, name="layer", projections=(replace(layer.projections[0], source="input", delay_steps=0),))
    sole = SpikingNetwork(inputs={"input": shape}, layers=(alone,))
    events, matrix = SpikingEngine(sole), SpikingEngine(sole, matrix_above=0.0)
    rng = np.random.default_rng(seed)
    for rate in rates:
        spikes = rng.random((1, _STEPS, *shape)) < rate
        if _time_s(matrix, spikes) < _time_s(events, spikes):
            return rate
    return float("inf")


def _time_s(engine: SpikingEngine, spikes: np.ndarray) -> float:
    engine.run(spikes)
    took = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        engine.run(spikes)
        took.append(time.perf_counter() - begin)
    return statistics.median(took)
