"""A spiking network stepped in the plainest way: what importers and engines are held against."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from twentywatts.network_spiking import Conv, Dense, Emission, Neurons, OneToOne, Pool, Reset, SpikingNetwork, Synapses

__all__ = ["membranes_and_events"]

Trains = dict[str, np.ndarray]


def membranes_and_events(network: SpikingNetwork, inputs: Mapping[str, Any]) -> tuple[Trains, Trains]:
    """Return membranes and events by layer, shape (steps, *shape), of one sample; inputs (steps, *shape) by name."""
    events = {name: [np.asarray(x, dtype=np.float64) for x in array] for name, array in inputs.items()}
    steps = len(next(iter(events.values())))
    order = list(network.in_order())
    state = {layer.name: _start(layer.neurons) for layer in order}
    membranes: dict[str, list[np.ndarray]] = {layer.name: [] for layer in order}
    events |= {layer.name: [] for layer in order}
    for step in range(steps):
        for layer in order:
            total = np.array(layer.biases())
            for projection in layer.projections:
                shape = tuple(network.shape_of(projection.source))
                arrived = _arrived(events[projection.source], np.asarray(projection.delay_steps), step, shape)
                total += (_apply(projection.synapses, arrived) * projection.scale).reshape(total.shape)
            events[layer.name].append(_step(layer.neurons, state[layer.name], total))
            membranes[layer.name].append(state[layer.name]["v"].copy())
    named = {layer.name for layer in order}
    return {k: np.array(v) for k, v in membranes.items()}, {k: np.array(v) for k, v in events.items() if k in named}


def _start(neurons: Neurons) -> dict[str, np.ndarray]:
    zeros = np.zeros(neurons.shape)
    return {"v": neurons.values("start").copy(), "i": zeros, "due": zeros.copy()}


def _arrived(sent: list[np.ndarray], delays: np.ndarray, step: int, shape: tuple[int, ...]) -> np.ndarray:
    delay_of = np.broadcast_to(delays.ravel(), (int(np.prod(shape)),))
    found = np.zeros(delay_of.shape)
    for delay in np.unique(delay_of):
        if step - delay >= 0:
            found[delay_of == delay] = sent[step - int(delay)].ravel()[delay_of == delay]
    return found.reshape(shape)


def _step(neurons: Neurons, state: dict[str, np.ndarray], total: np.ndarray) -> np.ndarray:
    rest, threshold = neurons.values("rest"), neurons.values("threshold")
    state["i"] = neurons.values("synapse_decay") * state["i"] + total
    v = rest + neurons.values("decay") * (state["v"] - rest) + neurons.values("input_gain") * state["i"]
    if neurons.delayed_reset:
        subtracted = v - threshold * state["due"]
        v = (
            subtracted
            if neurons.reset is Reset.SUBTRACT
            else np.where(state["due"] > 0, neurons.values("reset_value"), v)
        )
    sent = np.zeros(v.shape)
    if neurons.emission is not Emission.NONE:
        over = v > threshold if neurons.strict else v >= threshold
        sent[over] = 1.0
        if neurons.emission is Emission.MANY:
            sent = np.where(over, np.floor(v / threshold), 0.0)
            sent = np.minimum(sent, neurons.most_spikes or np.inf)
        if neurons.signed:
            under = v < -threshold if neurons.strict else v <= -threshold
            sent = np.where(under, -1.0, sent)
        if neurons.emission is Emission.GRADED:
            sent = np.where(sent != 0, v, 0.0)
    state["due"] = sent
    if not neurons.delayed_reset and neurons.emission is not Emission.NONE:
        is_zero = neurons.reset is Reset.ZERO or neurons.emission is Emission.GRADED
        v = np.where(sent != 0, neurons.values("reset_value"), v) if is_zero else v - threshold * sent
    state["v"] = v
    return sent


def _apply(synapses: Synapses, x: np.ndarray) -> np.ndarray:
    if isinstance(synapses, Dense):
        return synapses.weight.astype(np.float64) @ x.ravel()
    if isinstance(synapses, OneToOne):
        return synapses.weight.astype(np.float64) * x
    strides, pads, dilations = synapses.window()
    padded = np.pad(x, ((0, 0), *pads))
    out = np.zeros(synapses.out_shape(x.shape))
    kernel = synapses.kernel if isinstance(synapses, Pool) else synapses.weight.shape[2:]
    for place in product(*(range(size) for size in out.shape[1:])):
        window = tuple(
            slice(p * s, p * s + d * (k - 1) + 1, d)
            for p, s, d, k in zip(place, strides, dilations, kernel, strict=True)
        )
        seen = padded[(slice(None), *window)]
        out[(slice(None), *place)] = _window(synapses, seen)
    return out


def _window(synapses: Conv | Pool, seen: np.ndarray) -> np.ndarray:
    """Return what one window gives to each out channel."""
    if isinstance(synapses, Pool):
        flat = seen.reshape(len(seen), -1)
        return flat.mean(axis=1) if synapses.mean else flat.sum(axis=1)
    weight = synapses.weight.astype(np.float64)
    group_out, group_in = len(weight) // synapses.groups, weight.shape[1]
    return np.array(
        [
            (weight[c] * seen[c // group_out * group_in : (c // group_out + 1) * group_in]).sum()
            for c in range(len(weight))
        ]
    )
