"""Running a converted model: samples in chunks, layer by layer, all timesteps; spikes and events are counted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError, counted
from twentywatts.forms.limits import check_simulation
from twentywatts.forms.lowering import Floats, Kind, apply
from twentywatts.forms.protocol import Inputs
from twentywatts.forms.runtime import sample_count, threads
from twentywatts.forms.spiking.calibration import as_signal
from twentywatts.forms.spiking.conversion import LIMIT, MAX_TIMESTEPS, Converted, Group
from twentywatts.forms.spiking.engine import Spikes, deliver, fire, largest

__all__ = ["Chunk", "Counts", "Run", "constant_of", "run", "signals_of", "spike_trains"]

_CHUNK_BYTES = 2**22
_NOT_KEPT = np.zeros((0, 0), dtype=np.uint8)


@dataclass(kw_only=True)
class Counts:
    """Totals over samples of one group, each of shape (timesteps,)."""

    events: NDArray[np.int64]
    updates: NDArray[np.int64]
    spikes: NDArray[np.int64]
    spikes_in: NDArray[np.int64]

    def __add__(self, other: Counts) -> Counts:
        """Return both, summed."""
        return Counts(
            events=self.events + other.events,
            updates=self.updates + other.updates,
            spikes=self.spikes + other.spikes,
            spikes_in=self.spikes_in + other.spikes_in,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What a run gives: by number of timesteps the readout's value (samples, neurons), and counts by group."""

    outputs: Mapping[int, Floats]
    counts: Sequence[Counts]
    sample_count: int
    timesteps: int


@dataclass(kw_only=True)
class Chunk:
    """Some samples on their way through the layers."""

    signals: Mapping[str, Floats]
    steps: int
    samples: int
    spikes: dict[str, Spikes] = field(default_factory=dict)

    def by_step(self, frames: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return counts of frames summed over samples, shape (timesteps,)."""
        return frames.reshape(self.samples, self.steps).sum(axis=0, dtype=np.int64)

    def spike_counts(self, spikes: Spikes) -> NDArray[np.int64]:
        """Return spikes by step, summed over samples."""
        return self.by_step(np.diff(spikes.first))


def run(converted: Converted, inputs: Inputs, *, timesteps: Iterable[int], workers: int | None = None) -> Run:
    """Return outputs after each of some numbers of timesteps, and counts up to the largest of them.

    workers: threads, as many as there are processors if None; they change nothing but the time.
    """
    wanted = sorted(set(timesteps))
    if not wanted or wanted[0] < 1 or wanted[-1] > MAX_TIMESTEPS:
        raise DataError(f"timesteps must lie between 1 and {MAX_TIMESTEPS}, got {wanted}")
    signals = signals_of(converted, inputs)
    count = sample_count(signals)
    check_simulation(
        count * wanted[-1] * _synapse_count(converted), f"{counted(count, 'sample')} of {wanted[-1]} steps"
    )
    neurons = max(group.bias.size for group in converted.groups)
    size = max(1, min(64, _CHUNK_BYTES // (4 * neurons * wanted[-1])))
    chunks = [{name: x[i : i + size] for name, x in signals.items()} for i in range(0, count, size)]
    work = partial(_run_chunk, converted, wanted)
    with threads(workers or os.cpu_count()) as pool:
        done = list(pool.map(work, chunks))
    counts = [sum(parts[1:], start=parts[0]) for parts in zip(*(counts for _, counts in done), strict=True)]
    outputs = {steps: np.concatenate([values[steps] for values, _ in done]) for steps in wanted}
    return Run(outputs=outputs, counts=counts, sample_count=count, timesteps=wanted[-1])


def _synapse_count(converted: Converted) -> float:
    """Return the connections of all neurons: what one step adds up where every neuron spikes."""
    total = 0.0
    for block in converted.lowered.blocks:
        for projection in block.projections:
            geometry = projection.linear.geometry
            total += float(geometry.fan_in_count) * geometry.out_channels * geometry.out_positions
    return total


def spike_trains(converted: Converted, inputs: Inputs, *, timesteps: int) -> dict[str, NDArray[np.bool_]]:
    """Return which neuron of each group spikes when, shape (samples, timesteps, neurons in a flattened tensor's order).

    For looking at a few samples: nothing is split into chunks.
    """
    signals = signals_of(converted, inputs)
    chunk = Chunk(signals=signals, steps=timesteps, samples=len(next(iter(signals.values()))))
    _run_groups(converted, chunk)
    trains = {}
    for group in converted.groups[:-1]:
        spikes = chunk.spikes[group.name]
        frames = np.zeros((chunk.samples * timesteps, group.bias.size), dtype=np.bool_)
        frames[np.repeat(np.arange(len(frames)), np.diff(spikes.first)), spikes.neuron] = True
        trains[group.name] = frames.reshape(chunk.samples, timesteps, -1)
    return trains


def signals_of(converted: Converted, inputs: Inputs) -> dict[str, Floats]:
    """Return the model's inputs as (samples, channels, positions); raises DataError where one does not fit."""
    signals = {}
    for name, shape in converted.lowered.inputs.items():
        if name not in inputs:
            raise DataError(f"no data for the model's input '{name}' (given: {', '.join(inputs) or 'nothing'})")
        array = np.asarray(inputs[name])
        if array.shape[1:] != shape or not len(array):
            raise DataError(f"input '{name}' needs samples of shape {shape}, got an array of shape {array.shape}")
        signals[name] = as_signal(array, shape)
    sample_count(signals)  # as many of each input
    return signals


def _run_chunk(
    converted: Converted, wanted: Sequence[int], signals: Mapping[str, Floats]
) -> tuple[dict[int, Floats], list[Counts]]:
    chunk = Chunk(signals=signals, steps=wanted[-1], samples=len(next(iter(signals.values()))))
    counts = _run_groups(converted, chunk)
    current, count = _integrate(converted.groups[-1], chunk)
    return _read_out(converted.groups[-1], current, chunk, wanted), [*counts, count]


def _run_groups(converted: Converted, chunk: Chunk) -> list[Counts]:
    """Run all groups but the readout; their spikes stay in the chunk."""
    counts = []
    for group in converted.groups[:-1]:
        step = _pool if group.kind is Kind.MAX else _fire
        chunk.spikes[group.name], count = step(group, chunk)
        counts.append(count)
    return counts


def _integrate(group: Group, chunk: Chunk) -> tuple[NDArray[np.int32], Counts]:
    """Return what each neuron receives, shape (samples × timesteps, positions × channels), and the counts so far."""
    base = constant_of(group, chunk)
    current = np.repeat(base, chunk.steps, axis=0)
    moved = base != 0
    certain = bool(moved.all()) or not group.synapses  # who is updated does not hang on the spikes that arrive
    touched = _NOT_KEPT if certain else np.repeat(moved.astype(np.uint8), chunk.steps, axis=0)
    events = np.zeros(len(current), dtype=np.int64)
    arriving = np.zeros(chunk.steps, dtype=np.int64)
    for synapses in group.synapses:
        spikes = chunk.spikes[synapses.source]
        deliver(spikes, synapses.wiring, current, touched, events)
        arriving += chunk.spike_counts(spikes)
    if certain:
        updates = np.full(chunk.steps, np.count_nonzero(moved), dtype=np.int64)
    else:
        updates = chunk.by_step(touched.sum(axis=1, dtype=np.int64))
    none = np.zeros(chunk.steps, dtype=np.int64)
    return current, Counts(events=chunk.by_step(events), updates=updates, spikes=none, spikes_in=arriving)


def constant_of(group: Group, chunk: Chunk) -> NDArray[np.int32]:
    """Return bias and analog input of every step, computed once per sample, shape (samples, positions × channels).

    Products of whole weights and input levels are summed exactly in floats, so that no order of sums matters.
    """
    total = np.repeat(group.bias[None], chunk.samples, axis=0)
    for analog in group.analog:
        levels = np.rint(chunk.signals[analog.source] / analog.input_step)
        sums = apply(analog.linear, levels).transpose(0, 2, 1).reshape(chunk.samples, -1)
        total = total + np.rint(sums * analog.factor)
    return np.clip(total, -LIMIT, LIMIT).astype(np.int32)


def _fire(group: Group, chunk: Chunk) -> tuple[Spikes, Counts]:
    current, counts = _integrate(group, chunk)
    index = np.empty(current.size, dtype=np.int32)
    first = fire(current, group.threshold, chunk.steps, group.positions, index)
    spikes = Spikes(first, index[: first[-1]].copy())
    counts.spikes = chunk.spike_counts(spikes)
    return spikes, counts


def _pool(group: Group, chunk: Chunk) -> tuple[Spikes, Counts]:
    (synapses,) = group.synapses
    source = chunk.spikes[synapses.source]
    frames = chunk.samples * chunk.steps
    index = np.empty(frames * group.bias.size, dtype=np.int32)
    seen = np.zeros((2, frames), dtype=np.int64)
    first = largest(source, synapses.wiring, chunk.steps, index, seen)
    spikes = Spikes(first, index[: first[-1]].copy())
    return spikes, Counts(
        events=chunk.by_step(seen[0]),
        updates=chunk.by_step(seen[1]),
        spikes=chunk.spike_counts(spikes),
        spikes_in=chunk.spike_counts(source),
    )


def _read_out(group: Group, current: NDArray[np.int32], chunk: Chunk, wanted: Sequence[int]) -> dict[int, Floats]:
    """Return the mean input of the readout's neurons after some numbers of steps, channels first."""
    sums = current.reshape(chunk.samples, chunk.steps, -1).cumsum(axis=1, dtype=np.int64)
    found = {}
    for steps in wanted:
        mean = sums[:, steps - 1] * (group.unit / steps)
        found[steps] = mean.reshape(chunk.samples, group.positions, group.channels).transpose(0, 2, 1)
    return found
