"""The equations step by step in NumPy: slow, obvious, and what SpikingEngine must equal bit for bit.

Nothing is skipped, packed or blocked: every neuron is updated in every step, and every event adds its weights one by
one, in the order of its position and then of its channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.spiking.kernel_general import PAYLOAD
from twentywatts.forms.spiking.lane_neurons import DECAY_BITS, LARGEST
from twentywatts.forms.spiking.plan import LayerPlan, plan_of
from twentywatts.network_spiking import Conv, Dense, Emission, OneToOne, Reset, SpikingNetwork, Synapses

__all__ = ["PlainRun", "plain_run"]

Array = NDArray[Any]


@dataclass(kw_only=True, eq=False)
class PlainRun:
    """Payloads (or membranes) of every layer, lists of arrays by step; counts by layer: five lists as LayerCounts."""

    trains: dict[str, list[Array]] = field(default_factory=dict)
    counts: dict[str, list[list[int]]] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class _Layer:
    plan: LayerPlan
    membrane: Array
    current: Array


def plain_run(network: SpikingNetwork, inputs: Mapping[str, Array]) -> PlainRun:
    """Run one sample; inputs: by name (steps, *shape). Payloads of int8 networks are the integers that are sent."""
    plan = plan_of(network, None)
    layers = {layer.layer.name: _fresh(layer) for layer in plan.layers}
    sent: dict[str, list[Array]] = {name: list(np.asarray(array)) for name, array in inputs.items()}
    steps = min(len(array) for array in sent.values())
    sent |= {name: [] for name in layers}
    done = PlainRun(counts={name: [[] for _ in range(5)] for name in layers})
    for step in range(steps):
        for name, layer in layers.items():
            sums, tally, reached = _sums(network, layer, sent, step, plan.number)
            payload, touched = _step(layer, sums, reached, whole=plan.number is np.int32)
            sent[name].append(payload)
            several = layer.plan.layer.neurons.emission is not Emission.GRADED
            silent = layer.plan.layer.neurons.emission is Emission.NONE
            out = 0 if silent else int(np.abs(payload).sum() if several else np.count_nonzero(payload))
            for row, value in zip(done.counts[name], (*tally, touched, out), strict=True):
                row.append(value)
    done.trains = {name: sent[name] for name in layers}
    return done


def _fresh(plan: LayerPlan) -> _Layer:
    start = _placed(plan, plan.parameters.start)
    return _Layer(plan=plan, membrane=start.copy(), current=np.zeros_like(start))


def _placed(plan: LayerPlan, lanes: Array) -> Array:
    """Return numbers by lane as an array of the layer's shape."""
    return lanes[plan.layout.places()].reshape(plan.layout.shape)


def _sums(
    network: SpikingNetwork, layer: _Layer, sent: Mapping[str, list[Array]], step: int, number: type
) -> tuple[Array, tuple[int, int, int], Array]:
    """Return what arrives in a step, (events, over weights not zero, over zero weights), and whom it reaches."""
    shape = layer.plan.layout.shape
    total: Array = np.zeros(shape, number)
    reached, tally = np.zeros(shape, bool), np.zeros(3, int)
    factors = layer.plan.parameters.factors
    for projection, factor in zip(layer.plan.layer.projections, factors, strict=True):
        source = network.shape_of(projection.source)
        delays = np.broadcast_to(np.asarray(projection.delay_steps).reshape(-1), (prod(source),)).reshape(source)
        graded = _is_graded(network, projection.source, sent)
        scale = number(projection.scale) if number is np.float32 else 1
        for place in _in_order(source):
            then = step - delays[place]
            if then < 0 or sent[projection.source][then][place] == 0:
                continue
            value = sent[projection.source][then][place]
            many = 1 if graded else abs(int(value))
            tally[0] += many
            for into, weight in _reach(projection.synapses, place, source, shape, number):
                total[into] += weight * scale * number(value) * factor
                reached[into] |= weight != 0
                tally[1] += many * np.count_nonzero(weight)
                tally[2] += many * (weight.size - np.count_nonzero(weight))
    return total, (int(tally[0]), int(tally[1]), int(tally[2])), reached


def _is_graded(network: SpikingNetwork, source: str, sent: Mapping[str, list[Array]]) -> bool:
    for layer in network.layers:
        if layer.name == source:
            return layer.neurons.emission is Emission.GRADED
    return any(np.any(frame != np.rint(frame)) for frame in sent[source])


def _in_order(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield neurons position by position, channel by channel."""
    for position in product(*(range(size) for size in shape[1:])):
        for channel in range(shape[0]):
            yield channel, *position


def _reach(
    synapses: Synapses, place: tuple[int, ...], source: tuple[int, ...], target: tuple[int, ...], number: type
) -> Iterator[tuple[Any, Array]]:
    """Yield the neurons that an event at ``place`` reaches, and the weights."""
    if isinstance(synapses, Dense):
        column = synapses.weight[:, np.ravel_multi_index(place, source)]
        yield ..., column.reshape(target).astype(number)
    elif isinstance(synapses, OneToOne):
        where = np.unravel_index(np.ravel_multi_index(place, source), target)
        yield where, np.broadcast_to(synapses.weight, source)[place].astype(number)
    else:
        yield from _windows(synapses, place, source, target, number)


def _windows(
    synapses: Any, place: tuple[int, ...], source: tuple[int, ...], target: tuple[int, ...], number: type
) -> Iterator[tuple[Any, Array]]:
    strides, pads, dilations = synapses.window()
    if isinstance(synapses, Conv):
        kernel, groups = synapses.weight, synapses.groups
    else:
        share = 1 / prod(synapses.kernel) if synapses.mean and number is np.float32 else 1
        kernel, groups = np.full((source[0], 1, *synapses.kernel), share), source[0]
    width, outs = source[0] // groups, kernel.shape[0] // groups
    group = place[0] // width
    channels = slice(group * outs, (group + 1) * outs)
    for tap in product(*(range(size) for size in kernel.shape[2:])):
        moved = [p + a - t * d for p, (a, _), t, d in zip(place[1:], pads, tap, dilations, strict=True)]
        if any(m % s for m, s in zip(moved, strides, strict=True)):
            continue
        at = tuple(m // s for m, s in zip(moved, strides, strict=True))
        if all(0 <= a < size for a, size in zip(at, target[1:], strict=True)):
            where: Any = (channels, place[0] % width, *tap)
            yield (channels, *at), kernel[where].astype(number)


def _step(layer: _Layer, sums: Array, reached: Array, *, whole: bool) -> tuple[Array, int]:
    """Update all neurons; return payloads (membranes of an integrator) and how many neurons were touched."""
    neurons, cells, odd = layer.plan.layer.neurons, layer.plan.parameters.cells, layer.plan.parameters.odd
    threshold, drop, decay, gain, bias, current_decay, exact = (
        _placed(layer.plan, x)
        for x in (cells.threshold, cells.drop, cells.decay, cells.gain, cells.bias, odd.current_decay, odd.whole)
    )
    silent, v = neurons.emission is Emission.NONE, layer.membrane
    over = np.zeros(v.shape, bool) if silent else _beyond(v, threshold, signed=neurons.signed)
    touched = int(np.count_nonzero(reached | over | cells.biased | odd.keeps_current))
    sign = np.where(v < 0, -1, 1).astype(v.dtype)
    if neurons.delayed_reset and neurons.reset is Reset.ZERO:
        v = np.where(over, drop, v)
    v = _leak(v, decay, whole=whole)
    if odd.keeps_current:
        arriving = sums.astype(np.int64) * gain + bias if whole else sums + bias
        layer.current = _clipped(_leak(layer.current, current_decay, whole=whole) + arriving, whole=whole)
        v = _clipped(v + (layer.current if whole else layer.current * gain), whole=whole)
    else:
        v = _clipped(v + (sums.astype(np.int64) * gain + bias if whole else (sums + bias) * gain), whole=whole)
    if neurons.delayed_reset and neurons.reset is Reset.SUBTRACT:
        v = v - np.where(over, sign * drop, 0).astype(v.dtype)
    if silent:
        layer.membrane = v
        return v, touched
    payload, layer.membrane = _emitted(layer.plan, v, _beyond(v, threshold, signed=neurons.signed), drop, exact)
    return payload, touched


def _emitted(plan: LayerPlan, v: Array, fires: Array, drop: Array, exact: Array) -> tuple[Array, Array]:
    """Return payloads and the membranes after the reset."""
    neurons, whole = plan.layer.neurons, v.dtype.kind == "i"
    sign = np.where(neurons.signed & (v < 0), -1, 1).astype(v.dtype)
    if neurons.emission is Emission.GRADED:
        payload = v
        if whole:
            shift = plan.parameters.odd.shift
            payload = np.clip((v.astype(np.int64) + (1 << shift >> 1)) >> shift, -PAYLOAD, PAYLOAD)
        return np.where(fires, payload, 0).astype(v.dtype), np.where(fires, drop, v)
    spikes = sign
    if neurons.emission is Emission.MANY:
        count = (v * sign) // exact if whole else np.floor((v * sign) / exact)
        spikes = (sign * np.minimum(count, plan.parameters.odd.most)).astype(v.dtype)
    payload = np.where(fires, spikes, 0).astype(v.dtype)
    if neurons.delayed_reset:
        return payload, v
    if neurons.reset is Reset.ZERO:
        return payload, np.where(fires, drop, v)
    return payload, np.where(fires, v - spikes * drop, v).astype(v.dtype)


def _beyond(v: Array, threshold: Array, *, signed: bool) -> Array:
    return (v >= threshold) | (v <= -threshold) if signed else v >= threshold


def _leak(v: Array, decay: Array, *, whole: bool) -> Array:
    if not whole:
        return v * decay
    return ((v.astype(np.int64) * decay + 2 ** (DECAY_BITS - 1)) >> DECAY_BITS).astype(np.int32)


def _clipped(v: Array, *, whole: bool) -> Array:
    return np.clip(v, -LARGEST, LARGEST).astype(np.int32) if whole else v
