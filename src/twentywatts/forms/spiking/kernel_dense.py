"""Dense layers, fused: sums stay in registers, a block of weights stays in the cache for all frames, then it fires.

A frame is one step of one sample. The layer is cut into blocks of neurons; a block runs through all frames before the
next one, so its weights are read from memory once. int8 rows are summed in 16-bit halves, at most 256 rows at a time,
which cannot overflow (256 × 127 < 2^15); the byte layout is made by ``packing.dense_rows``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from twentywatts.forms.spiking import lanes as v
from twentywatts.forms.spiking.lanes import compiled, inlined

__all__ = [
    "DELAYED",
    "NARROW",
    "SUBTRACT",
    "WIDE_INT8",
    "WIDE_SINGLE",
    "ZERO",
    "Cells",
    "DenseRows",
    "dense",
    "step_lanes",
]

Array = NDArray[Any]
SUBTRACT, ZERO, DELAYED = 0, 1, 2  # what a spike does; DELAYED subtracts in the next step
WIDE_INT8, WIDE_SINGLE, NARROW = 128, 64, 32
_AT_ONCE = 256


class Cells(NamedTuple):
    """Parameters of a layer's neurons, one entry per lane (float32, or int32 in the layer's unit).

    drop: what a spike subtracts, or the value after a reset to zero. leaky, biased: whether decay and bias do anything.
    """

    threshold: Array
    drop: Array
    decay: Array
    gain: Array
    bias: Array
    kind: int
    leaky: bool
    biased: bool


class DenseRows(NamedTuple):
    """Weights of a dense layer, block after block, each of shape (inputs, block).

    marks: (inputs, lanes / 32), a bit for each weight that is not zero. real: a bit for each neuron. neurons: how many.
    """

    weight: Array
    marks: Array
    real: Array
    inputs: int
    neurons: int


@inlined
def _halves64(weight: Any, base: int, events: tuple[Any, int, int], total: Any) -> None:
    """Sum byte rows of 128: neuron k lies in the low (+128) and neuron 64 + k in the high byte of word k."""
    index, first, last = events
    for begin in range(first, last, _AT_ONCE):
        end = min(last, begin + _AT_ONCE)
        every = v.splat64(np.int16(0))
        high = every
        for event in range(begin, end):
            word = v.words64(weight, base + np.int64(index[event]) * 128)
            every = v.add(every, word)
            high = v.add(high, v.shift_right(word, v.splat64(np.int16(8))))
        shifted = v.shift_left(high, v.splat64(np.int16(8)))
        low = v.minus(v.minus(every, shifted), v.splat64(np.int16(128 * (end - begin))))
        if begin == first:
            v.store(total, 0, low)
            v.store(total, 64, high)
        else:
            v.store(total, 0, v.add(v.row64(total, 0), v.widened(low)))
            v.store(total, 64, v.add(v.row64(total, 64), v.widened(high)))
    if first == last:
        for lane in range(0, 128, 8):
            v.store(total, lane, v.zeros8(total))


@inlined
def _plain64(weight: Any, base: int, events: tuple[Any, int, int], total: Any) -> None:
    index, first, last = events
    held = v.zeros64(weight)
    for event in range(first, last):
        held = v.add(held, v.row64(weight, base + np.int64(index[event]) * 64))
    v.store(total, 0, held)


@inlined
def _plain32(weight: Any, base: int, events: tuple[Any, int, int], total: Any) -> None:
    index, first, last = events
    held = v.zeros32(weight)
    for event in range(first, last):
        held = v.add(held, v.row32(weight, base + np.int64(index[event]) * 32))
    v.store(total, 0, held)


def _wide(weight, base, events, total):  # type: ignore[no-untyped-def]
    raise TypeError("for compiled code only")


@overload(_wide)  # type: ignore[untyped-decorator]
def _wide_for(weight, base, events, total):  # type: ignore[no-untyped-def]
    if weight.dtype == types.int8:

        def chosen(weight, base, events, total):  # type: ignore[no-untyped-def]
            _halves64(weight, base, events, total)

    else:

        def chosen(weight, base, events, total):  # type: ignore[no-untyped-def]
            _plain64(weight, base, events, total)

    return chosen


@inlined
def places(cells: Cells) -> Any:
    """Return where the parameters lie, in the order of Cells."""
    arrays = (v.pointer(cells.threshold), v.pointer(cells.drop), v.pointer(cells.decay), v.pointer(cells.gain))
    return (*arrays, v.pointer(cells.bias), cells.kind, cells.leaky, cells.biased)


@inlined
def step_lanes(membrane: Any, cells: Any, place: tuple[int, int], charge: Any) -> Any:
    """Update as many neurons as ``charge`` has lanes; return who spikes, and who stays above threshold.

    membrane: where the states lie. cells: as ``places`` returns. place: first of the lanes in either.
    """
    thresholds, drops, decays, gains, biases, kind, leaky, biased = cells
    where, at = place
    state, threshold = v.as_many(charge, membrane, where), v.as_many(charge, thresholds, at)
    over = v.at_least(state, threshold)
    if leaky:
        state = v.leak(state, v.as_many(charge, decays, at))
    gain = v.as_many(charge, gains, at)
    total = v.drive(charge, v.as_many(charge, biases, at), gain) if biased else v.scaled(charge, gain)
    state = v.charge(state, total)
    drop, none = v.as_many(charge, drops, at), v.none_of(charge)
    if kind == DELAYED:
        state = v.minus(state, v.pick(over, drop, none))
    fires = v.at_least(state, threshold)
    if kind == SUBTRACT:
        state = v.minus(state, v.pick(fires, drop, none))
    elif kind == ZERO:
        state = v.pick(fires, drop, state)
    v.store(membrane, where, state)
    return v.bits(fires), v.bits(v.at_least(state, threshold))


@inlined
def over8(membrane: Any, cells: Any, place: tuple[int, int]) -> Any:
    """Return which of 8 neurons stand at or above their threshold: they change without an event."""
    return v.bits(v.at_least(v.row8(membrane, place[0]), v.row8(cells[0], place[1])))


@inlined
def _touched(rows: DenseRows, cells: Any, membrane: Any, block: tuple[int, int, int], events: Any) -> Any:
    """Return how many neurons of a block an event reaches over a weight that is not zero, or stand above threshold."""
    index, first, last = events
    offset, start, width = block
    found: Any = 0
    for word in range(start // 32, (start + width) // 32):
        marks, event, real = np.uint32(0), first, rows.real[np.uint64(word)]
        while event < last and marks != real:
            marks |= rows.marks[np.uint64(index[event]), np.uint64(word)]
            event += 1
        if marks != real:
            for byte in range(4):
                lane = word * 32 + byte * 8
                marks |= np.uint32(over8(membrane, cells, (offset + lane, lane))) << np.uint32(8 * byte)
        found += np.int64(v.ones(np.uint64(marks)))
    return found


@compiled
def dense(
    first: Array, index: Array, rows: DenseRows, cells: Cells, state: Array, found: tuple[Array, Array, int]
) -> None:
    """Run a window of a dense layer.

    first, index: events of the frames, frame = sample × steps + step. state: membranes (samples, lanes), changed.
    found: spikes as bits (frames, lanes / 32), neurons touched (frames,), both filled here; steps of the window.
    """
    spikes, touched, steps = found
    lanes, membrane, sources = state.shape[1], v.pointer(state), v.pointer(index)
    wide = WIDE_INT8 if rows.weight.itemsize == 1 else WIDE_SINGLE
    held = np.zeros(wide, state.dtype)
    total, weight, neurons = v.pointer(held), v.pointer(rows.weight), places(cells)
    start = 0
    while start < lanes:
        width = wide if lanes - start >= wide else NARROW
        for sample in range(state.shape[0]):
            offset, above = sample * lanes, True
            for frame in range(sample * steps, (sample + 1) * steps):
                events = (sources, first[frame], first[frame + 1])
                if cells.biased:
                    touched[frame] = rows.neurons
                elif above or events[1] < events[2]:
                    touched[frame] += _touched(rows, neurons, membrane, (offset, start, width), events)
                if width == NARROW:
                    _plain32(weight, start * rows.inputs, events, total)
                else:
                    _wide(weight, start * rows.inputs, events, total)
                over = np.uint32(0)
                for lane in range(0, width, 32):
                    place = (offset + start + lane, start + lane)
                    fires, stays = step_lanes(membrane, neurons, place, v.row32(total, lane))
                    spikes[np.uint64(frame), np.uint64((start + lane) // 32)] = fires
                    over |= stays
                above = over != 0
        start += width
    held[0] = 0  # kept alive until here
