"""Events: who spiked in which frame, as lists; made from dense arrays, from bits, and shifted by delays.

A frame is one step of one sample, frame = sample × steps + step. Neurons are numbered position by position, channel by
channel within a position (``Layout``), which is the order in which their weights are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.spiking import lanes as vec
from twentywatts.forms.spiking.lanes import compiled

__all__ = [
    "Events",
    "Layout",
    "events_of",
    "from_bits",
    "from_dense",
    "late",
    "listed",
    "merged",
    "sum_up",
    "tally",
    "to_dense",
]

Array = NDArray[Any]
_AT_ONCE = 4  # bits of a word
_ALL_ONES: dict[Any, Array] = {kind: np.zeros(0, kind) for kind in (np.int32, np.float32)}


class Events(NamedTuple):
    """Events of frames: those of frame f are ``neuron[first[f]:first[f + 1]]``; value: payloads, empty if all are 1."""

    first: NDArray[np.int64]
    neuron: NDArray[np.int32]
    value: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How neurons of a shape (channels first) are numbered: position × width + channel.

    width: channels, padded to whole vectors in layers; inputs have no padding. lanes: of all positions, padded.
    """

    shape: tuple[int, ...]
    width: int
    lanes: int

    @classmethod
    def of_input(cls, shape: tuple[int, ...]) -> Layout:
        """Return the layout of an input, without padding."""
        return cls(shape=shape, width=shape[0], lanes=prod(shape))

    @classmethod
    def of_layer(cls, shape: tuple[int, ...]) -> Layout:
        """Return the layout of a layer: channels padded to 8, all lanes to 32."""
        width = -(-shape[0] // 8) * 8
        return cls(shape=shape, width=width, lanes=-(-width * prod(shape[1:]) // 32) * 32)

    @property
    def positions(self) -> int:
        """Number of positions: 1 for neurons in a row."""
        return prod(self.shape[1:])

    def places(self) -> NDArray[np.int64]:
        """Return the lane of every neuron, flattened channels first."""
        return _places(self.shape, self.width)

    def spread(self, values: Array, fill: Any = 0) -> Array:
        """Return values of all neurons (``shape``) by lane, with ``fill`` where there is no neuron."""
        lanes = np.full(self.lanes, fill, values.dtype)
        lanes[self.places()] = values.ravel()
        return lanes


@lru_cache(maxsize=64)
def _places(shape: tuple[int, ...], width: int) -> NDArray[np.int64]:
    channel, position = np.divmod(np.arange(prod(shape)), prod(shape[1:]))
    found = position * width + channel
    found.flags.writeable = False
    return found


@compiled
def listed(words: Array) -> tuple[Array, Array]:
    """Return first and index of the bits that are set in words (frames, words).

    Most words hold few: their bits are written at once, without asking how many there are, which no machine foresees.
    """
    frames, width = words.shape
    first = np.zeros(frames + 1, np.int64)
    for frame in range(frames):
        count: Any = 0
        for word in range(width):
            count += np.int64(vec.ones(words[frame, word]))
        first[frame + 1] = first[frame] + count
    index = np.empty(first[frames] + _AT_ONCE, np.int32)
    found: Any = 0
    for frame in range(frames):
        for word in range(width):
            rest = words[frame, word]
            end = found + np.int64(vec.ones(rest))
            while found < end:
                for place in range(_AT_ONCE):
                    index[found + place] = word * 64 + np.int64(vec.lowest(rest))
                    rest &= rest - np.uint64(1)
                found += _AT_ONCE
            found = end
    return first, index[: first[frames]]


@compiled
def flagged(flags: Array) -> Array:
    """Return words (frames, words) of which a bit is set for each byte of flags (frames, bytes) that is not zero."""
    frames, width = flags.shape
    words = np.zeros((frames, (width + 63) // 64), np.uint64)
    place = vec.pointer(flags)
    for frame in range(frames):
        for word in range(width // 64):
            words[frame, word] = vec.flags64(place, frame * width + word * 64)
        for byte in range(width // 64 * 64, width):
            if flags[frame, byte] != 0:
                words[frame, byte // 64] |= np.uint64(1) << np.uint64(byte % 64)
    return words


def from_bits(spikes: NDArray[np.uint8], payloads: Array) -> Events:
    """Return the events of bits (frames, bytes), with the payloads of a table (frames, lanes) unless it is empty."""
    first, index = listed(spikes.view(np.uint64))
    if not payloads.size:
        return Events(first, index, _ALL_ONES[payloads.dtype.type])
    frame = np.repeat(np.arange(len(spikes)), np.diff(first))
    return Events(first, index, payloads[frame, index])


def from_dense(array: Array, layout: Layout, kind: type) -> Events:
    """Return the events of an array (samples, steps, *shape): one for each number that is not zero."""
    frames = array.shape[0] * array.shape[1]
    parted = array.reshape(frames, layout.shape[0], layout.positions)
    active = parted if parted.dtype == np.bool_ else parted != 0
    first, index = listed(flagged(_by_position(active)))
    if parted.dtype == np.bool_ or _all_ones(parted, active):
        return Events(first, index, _ALL_ONES[kind])
    return Events(first, index, parted.swapaxes(1, 2)[active.swapaxes(1, 2)].astype(kind))


def _by_position(active: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return flags (frames, channels, positions) as bytes (frames, neurons), position by position."""
    frames, channels, positions = active.shape
    flags = np.ascontiguousarray(active).view(np.uint8)
    if positions == 1 or channels == 1:
        return flags.reshape(frames, channels * positions)
    if channels == 2:  # the two polarities of a sensor: words of two bytes
        words = flags[:, 1].astype("<u2") << 8
        words |= flags[:, 0]
        return words.view(np.uint8)
    return np.ascontiguousarray(flags.swapaxes(1, 2)).reshape(frames, channels * positions)


def _all_ones(flat: Array, active: Array) -> bool:
    return (
        bool(flat.max(initial=0) <= 1)
        and bool(flat.sum(dtype=np.float64) == np.count_nonzero(active))
        and bool(flat.min(initial=0) >= 0)
    )


def events_of(frame: Array, neuron: Array, frames: int, layout: Layout) -> Events:
    """Return events given by frame and neuron (numbered flattened, channels first); equal ones add up."""
    lane = layout.places()[neuron]
    keys, counts = np.unique(frame.astype(np.int64) * layout.lanes + lane, return_counts=True)
    where, index = np.divmod(keys, layout.lanes)
    first = np.searchsorted(where, np.arange(frames + 1))
    value = counts.astype(np.int32) if np.any(counts > 1) else _ALL_ONES[np.int32]
    return Events(first.astype(np.int64), index.astype(np.int32), value)


def to_dense(events: Events, samples: int, layout: Layout) -> Array:
    """Return the array (samples, steps, *shape) of events, of booleans where all payloads are 1."""
    frames = len(events.first) - 1
    if not events.value.size:
        flags = np.zeros((frames, prod(layout.shape)), np.bool_)
        _set_flags(events.first, events.neuron, (layout.width, layout.positions), flags)
        return flags.reshape(samples, frames // samples, *layout.shape)
    table = np.zeros((frames, layout.lanes), events.value.dtype)
    table[np.repeat(np.arange(frames), np.diff(events.first)), events.neuron] = events.value
    return table[:, layout.places()].reshape(samples, frames // samples, *layout.shape)


@compiled
def _set_flags(first: Array, index: Array, sizes: tuple[int, int], flags: Array) -> None:
    """Set the flags (frames, neurons), flattened channels first, of all events; sizes: width and positions."""
    width, positions = sizes
    for frame in range(flags.shape[0]):
        for event in range(first[frame], first[frame + 1]):
            position = np.int64(index[event]) // width
            flags[frame, (index[event] - position * width) * positions + position] = True


def late(history: Events, samples: int, delays: Any, steps: int) -> Events:
    """Return the last ``steps`` steps of a history, each event ``delays`` (one, or by lane) steps later than it was.

    history: events of (samples, more steps), whose last ``steps`` are the window.
    """
    frames = len(history.first) - 1
    whole = frames // samples
    sample, step = np.divmod(np.repeat(np.arange(frames), np.diff(history.first)), whole)
    by_lane = np.broadcast_to(delays, (1,)) if np.ndim(delays) == 0 else delays
    arrives = step + (by_lane[0] if by_lane.size == 1 else by_lane[history.neuron]) - (whole - steps)
    kept = (arrives >= 0) & (arrives < steps)
    frame, index = (sample * steps + arrives)[kept], history.neuron[kept]
    order = np.lexsort((index, frame))
    first = np.searchsorted(frame[order], np.arange(samples * steps + 1))
    value = history.value[kept][order] if history.value.size else history.value
    return Events(first.astype(np.int64), index[order], value)


def merged(past: Events, window: Events, samples: int) -> Events:
    """Return the events of two windows that follow each other, each of whole steps of all samples."""
    lengths = [(len(part.first) - 1) // samples for part in (past, window)]
    steps, keys = sum(lengths), []
    for part, begin, length in zip((past, window), (0, lengths[0]), lengths, strict=True):
        frame = np.repeat(np.arange(len(part.first) - 1), np.diff(part.first))
        keys.append(frame // max(1, length) * steps + begin + frame % max(1, length))
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    first = np.searchsorted(key[order], np.arange(samples * steps + 1))
    index = np.concatenate([past.neuron, window.neuron])[order]
    return Events(
        first.astype(np.int64), index, _values(past, window)[order] if _valued(past, window) else window.value
    )


def _valued(past: Events, window: Events) -> bool:
    return bool(past.value.size or window.value.size)


def _values(past: Events, window: Events) -> Array:
    kind = (window if window.value.size else past).value.dtype
    return np.concatenate(
        [part.value if part.value.size else np.ones(len(part.neuron), kind) for part in (past, window)]
    )


def tally(first: Array, index: Array, many: Array, fan_out: Array, steps: int, counts: Array) -> None:
    """Add to counts (5, steps): events, those over weights that are not zero, and those over zero weights.

    many: how often each event counts, or empty. fan_out: (lanes of the source, 2), synapses of both kinds.
    """
    step = np.repeat(np.arange(len(first) - 1) % steps, np.diff(first))
    times = many.astype(np.float64) if many.size else np.ones(len(index))
    for row, each in enumerate((times, times * fan_out[index, 0], times * fan_out[index, 1])):
        counts[row] += np.bincount(step, weights=each, minlength=steps).astype(np.int64)  # exact below 2^53


def sum_up(first: Array, many: Array, touched: Array, counts: Array) -> None:
    """Add to counts (5, steps): neurons touched (frames,) in row 3, and spikes sent in row 4."""
    steps = counts.shape[1]
    sent = np.diff(first)
    if many.size:
        sent = np.diff(np.concatenate([[0], np.cumsum(many, dtype=np.int64)])[first])
    counts[3] += touched.reshape(-1, steps).sum(axis=0)
    counts[4] += sent.reshape(-1, steps).sum(axis=0)


@compiled
def finish(
    words: Array, touched: Array, arriving: tuple[Array, Array], fan_out: Array, steps: int
) -> tuple[Array, Array, Array]:
    """Return first and index of the spikes in words (frames, words), and counts (5, steps) as ``tally``, ``sum_up``.

    arriving: first and index of the events that came, each of one spike.
    """
    first, index = listed(words)
    counts = np.zeros((5, steps), np.int64)
    for frame in range(touched.shape[0]):
        useful, idle = np.int64(0), np.int64(0)
        for event in range(arriving[0][frame], arriving[0][frame + 1]):
            neuron = np.uint64(arriving[1][event])
            useful += fan_out[neuron, 0]
            idle += fan_out[neuron, 1]
        step = frame % steps
        counts[0, step] += arriving[0][frame + 1] - arriving[0][frame]
        counts[1, step] += useful
        counts[2, step] += idle
        counts[3, step] += touched[frame]
        counts[4, step] += first[frame + 1] - first[frame]
    return first, index, counts
