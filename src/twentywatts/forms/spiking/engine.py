"""Kernels of the spiking form (converted ReLU networks): whole numbers, and nothing but the spikes that occurred.

A frame is one step of one sample. All sums are integers, so that neither the order nor the number of threads can
change a spike. Kernels release the GIL and are compiled once, then kept on disk where the folder can be written. Any
other spiking network runs in ``network_engine``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Spikes", "Wiring", "deliver", "fire", "largest"]

_F = TypeVar("_F", bound=Callable[..., Any])


def _compiled(function: _F) -> _F:
    try:
        return njit(cache=True, nogil=True, boundscheck=False)(function)
    except RuntimeError:  # no folder for the cache can be written
        return njit(nogil=True, boundscheck=False)(function)


class Spikes(NamedTuple):
    """Spikes of a group of neurons: those of frame f are ``neuron[first[f]:first[f + 1]]``.

    neuron counts channel by channel, position by position (the order of a flattened tensor).
    """

    first: NDArray[np.int64]
    neuron: NDArray[np.int32]


class Wiring(NamedTuple):
    """Synapses of one projection.

    Input position p reaches the output positions ``target[k]`` by kernel entries ``entry[k]``, for k from ``first[p]``
    up to ``first[p + 1]``.
    weight: (in channels, entries, out channels of the group); nonzero: how many of its last axis are not zero.
    sizes: input positions, in channels of a group, out channels in all, out positions.
    """

    first: NDArray[np.int32]
    entry: NDArray[np.int32]
    target: NDArray[np.int32]
    weight: NDArray[np.int32]
    nonzero: NDArray[np.int32]
    sizes: tuple[int, int, int, int]


@_compiled
def deliver(
    spikes: Spikes, wiring: Wiring, current: NDArray[np.int32], touched: NDArray[np.uint8], events: NDArray[np.int64]
) -> None:
    """Add the weights of every spike to ``current`` (frames, positions × channels) and count them in ``events``.

    touched: (frames, positions × channels), set where an event arrived; with no rows it is not kept.
    """
    positions, group_in, channels, _ = wiring.sizes
    group_out = wiring.weight.shape[2]
    keep = touched.shape[0] > 0
    for frame in range(current.shape[0]):
        row = current[frame]
        count = 0
        for spike in range(spikes.first[frame], spikes.first[frame + 1]):
            channel = spikes.neuron[spike] // positions
            position = spikes.neuron[spike] - channel * positions
            offset = channel // group_in * group_out
            for tap in range(wiring.first[position], wiring.first[position + 1]):
                entry = wiring.entry[tap]
                weight = wiring.weight[channel, entry]
                count += wiring.nonzero[channel, entry]
                start = wiring.target[tap] * channels + offset
                into = row[start : start + group_out]
                for out in range(group_out):
                    into[out] += weight[out]
                if keep:
                    marks = touched[frame, start : start + group_out]
                    for out in range(group_out):
                        if weight[out] != 0:
                            marks[out] = 1
        events[frame] += count


@_compiled
def fire(
    current: NDArray[np.int32], threshold: int, steps: int, positions: int, index: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Integrate and fire with soft reset from half the threshold; fill ``index`` and return ``first`` of the spikes."""
    frames, neurons = current.shape
    channels = neurons // positions
    first = np.zeros(frames + 1, dtype=np.int64)
    membrane = np.empty(neurons, dtype=np.int32)
    found = 0
    for frame in range(frames):
        if frame % steps == 0:
            membrane[:] = threshold // 2
        row = current[frame]
        for neuron in range(neurons):
            membrane[neuron] += row[neuron]
        for neuron in range(neurons):
            if membrane[neuron] >= threshold:
                membrane[neuron] -= threshold
                position = neuron // channels
                index[found] = (neuron - position * channels) * positions + position
                found += 1
        first[frame + 1] = found
    return first


@_compiled
def largest(
    spikes: Spikes, wiring: Wiring, steps: int, index: NDArray[np.int32], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Spike where the largest spike count of a window grows; fill ``index`` and return ``first`` of the spikes.

    counts: (2, frames), events and touched windows of each frame. A count grows by at most one in a step, so the
    output's count equals the largest count of its window after every step.
    """
    positions, _, channels, out_positions = wiring.sizes
    frames = spikes.first.shape[0] - 1
    first = np.zeros(frames + 1, dtype=np.int64)
    own = np.zeros(channels * positions, dtype=np.int32)
    best = np.zeros(channels * out_positions, dtype=np.int32)
    seen = np.full(channels * out_positions, -1, dtype=np.int64)
    found = 0
    for frame in range(frames):
        if frame % steps == 0:
            own[:] = 0
            best[:] = 0
        for spike in range(spikes.first[frame], spikes.first[frame + 1]):
            neuron = spikes.neuron[spike]
            own[neuron] += 1
            channel = neuron // positions
            position = neuron - channel * positions
            for tap in range(wiring.first[position], wiring.first[position + 1]):
                window = channel * out_positions + wiring.target[tap]
                counts[0, frame] += 1
                if seen[window] != frame:
                    seen[window] = frame
                    counts[1, frame] += 1
                if own[neuron] > best[window]:
                    best[window] = own[neuron]
                    index[found] = window
                    found += 1
        first[frame + 1] = found
    return first
