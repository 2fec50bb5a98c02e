"""The fair dense twin: the same weights as a network of few-bit integers, run once instead of for T timesteps.

T timesteps tell T + 1 values apart, which b = ceil(log2(T + 1)) bits hold. The twin has the chip's own whole weights
and thresholds; each activation is clipped at its threshold, rounded to b bits and sent once, as one event with a
payload; zeros are not sent. Beating it is what spikes are for. Source: Yan et al. 2024 (arXiv 2409.08290).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.lowering import Floats, Kind, Linear, apply, largest
from twentywatts.forms.protocol import Inputs
from twentywatts.forms.spiking.conversion import Converted, Group, Synapses
from twentywatts.forms.spiking.simulation import Chunk, constant_of, signals_of
from twentywatts.forms.spiking.workload import output_of
from twentywatts.workload import SpikingWorkload, twin_bits

__all__ = ["Twin", "run_twin"]

_CHUNK = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Twin:
    """Outputs of the dense network of ``bits``, shape (samples, …), and the work of one inference."""

    bits: int
    outputs: NDArray[np.float32]
    workload: SpikingWorkload


def run_twin(converted: Converted, workload: SpikingWorkload, inputs: Inputs) -> Twin:
    """Return what the twin of a converted model gives on samples.

    workload: what the spiking network did; sizes, and the work of the analog first layer, are the same.
    """
    bits = twin_bits(workload.timesteps)
    signals = signals_of(converted, inputs)
    count = len(next(iter(signals.values())))
    parts = [
        _run_part(converted, {name: x[i : i + _CHUNK] for name, x in signals.items()}, levels=2**bits - 1)
        for i in range(0, count, _CHUNK)
    ]
    totals = sum((counts for _, counts in parts), start=np.zeros((4, len(converted.groups)))) / count
    events, updates, spikes, spikes_in = (row[:, None] for row in totals)
    return Twin(
        bits=bits,
        outputs=output_of(converted.lowered, np.concatenate([value for value, _ in parts])),
        workload=replace(
            workload,
            timesteps=1,
            synaptic_events=events,
            updates=updates,
            spikes=spikes,
            spikes_in=spikes_in,
            graded_bits=bits,
        ),
    )


def _run_part(converted: Converted, signals: Mapping[str, Floats], *, levels: int) -> tuple[Floats, Floats]:
    """Return the readout's value (samples, channels, positions) and counts (events, updates, spikes, arrivals)."""
    chunk = Chunk(signals=signals, steps=1, samples=len(next(iter(signals.values()))))
    values: dict[str, Floats] = {}
    counts = np.zeros((4, len(converted.groups)))
    for index, group in enumerate(converted.groups):
        for synapses in group.synapses:
            sent = values[synapses.source] != 0
            counts[0, index] += float((sent.reshape(chunk.samples, -1) @ _fan_out(synapses)).sum())
            counts[3, index] += np.count_nonzero(sent)
        counts[1, index] = chunk.samples * group.bias.size
        value = _pooled(group, values) if group.kind is Kind.MAX else _sum(group, chunk, values)
        if group.kind is Kind.READOUT:
            return value * group.unit, counts
        if group.kind is Kind.FIRE:
            value = np.floor(np.clip(value / group.threshold, 0.0, 1.0) * levels + 0.5) / levels
        values[group.name] = value
        counts[2, index] = np.count_nonzero(value)
    raise AssertionError("a converted model ends in a readout")


def _sum(group: Group, chunk: Chunk, values: Mapping[str, Floats]) -> Floats:
    """Return what each neuron receives, in the group's unit, shape (samples, channels, positions)."""
    fixed = constant_of(group, chunk).astype(np.float64)
    total = fixed.reshape(chunk.samples, group.positions, group.channels).transpose(0, 2, 1)
    for synapses in group.synapses:
        total = total + apply(_linear(synapses), values[synapses.source])
    return total


def _linear(synapses: Synapses) -> Linear:
    return Linear(geometry=synapses.geometry, weight=synapses.wiring.weight.astype(np.float64))


def _pooled(group: Group, values: Mapping[str, Floats]) -> Floats:
    synapses = group.synapses[0]
    return largest(synapses.geometry, values[synapses.source])


def _fan_out(synapses: Synapses) -> Floats:
    """Return how many synapses, zero weights left out, each neuron of the source reaches (as a flattened tensor)."""
    geometry, nonzero = synapses.geometry, synapses.wiring.nonzero
    reached = np.zeros((geometry.in_channels, geometry.in_positions))
    np.add.at(reached, (slice(None), geometry.taps_in), nonzero[:, geometry.taps_kernel])  # type: ignore[arg-type]
    return reached.ravel()
