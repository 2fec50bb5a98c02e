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

from twentywatts.forms.spiking import lane_neurons as a
from twentywatts.forms.spiking import lane_tame as t
from twentywatts.forms.spiking import lanes as v
from twentywatts.forms.spiking.events import finish
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
    "alike8",
    "dense",
    "over8",
    "places",
    "step8",
    "step_alike8",
    "step_tame8",
]

Array = NDArray[Any]
SUBTRACT, ZERO, DELAYED = 0, 1, 2  # what a spike does; DELAYED subtracts in the next step
WIDE_INT8, WIDE_SINGLE, NARROW = 128, 64, 32
_AT_ONCE = 256


class Cells(NamedTuple):
    """Parameters of a layer's neurons, one entry per lane (float32, or int32 in the layer's unit).

    drop: what a spike subtracts, or the value after a reset to zero. leaky, biased: whether decay and bias do anything.
    plain: leaky, without bias, subtracting at once, and all the same, so that the first of each entry stands for all.
    tame: plain, and no sum of weights that can occur lets a state pass 2^30; gains and decays have 15 bits.
    """

    threshold: Array
    drop: Array
    decay: Array
    gain: Array
    bias: Array
    kind: int
    leaky: bool
    biased: bool
    plain: bool = False
    tame: bool = False


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
def _halves64(weight: Any, events: tuple[Any, int, int], part: Any) -> None:
    """Sum byte rows of 128: neuron k lies in the low (+128) and neuron 64 + k in the high byte of word k."""
    index, first, last = events
    every = v.splat64(np.int16(0))
    high = every
    for event in range(first, last):
        word = v.words64(weight, np.int64(index[event]) * 128)
        every = v.add(every, word)
        high = v.add(high, v.shift_right(word, v.splat64(np.int16(8))))
    shifted = v.shift_left(high, v.splat64(np.int16(8)))
    v.store(part, 0, v.minus(v.minus(every, shifted), v.splat64(np.int16(128 * (last - first)))))
    v.store(part, 64, high)


@inlined
def _plain64(weight: Any, events: tuple[Any, int, int], part: Any) -> None:
    index, first, last = events
    held = v.zeros64(part)
    for event in range(first, last):
        held = v.add(held, v.row64(weight, np.int64(index[event]) * 64))
    v.store(part, 0, held)


@inlined
def _plain32(weight: Any, events: tuple[Any, int, int], part: Any) -> None:
    index, first, last = events
    held = v.zeros32(part)
    for event in range(first, last):
        held = v.add(held, v.row32_as(part, weight, np.int64(index[event]) * 32))
    v.store(part, 0, held)


@inlined
def _fold(width: int, sums: Any, several: bool) -> None:
    """Add a part of a sum to what came before it."""
    part, total = sums
    for lane in range(0, width, 16):
        first, second = t.lower8(part, lane), t.upper8(part, lane)
        v.store(total, lane, v.add(v.row8(total, lane), first) if several else first)
        v.store(total, lane + 8, v.add(v.row8(total, lane + 8), second) if several else second)


def _sum(weight, width, events, sums):  # type: ignore[no-untyped-def]
    """Put the sum of the events' rows into the part of ``sums``, or into their total and return True."""
    raise TypeError("for compiled code only")


@overload(_sum, inline="always")
def _sum_for(weight, width, events, sums):  # type: ignore[no-untyped-def]
    if weight.dtype == types.int8:

        def chosen(weight, width, events, sums):  # type: ignore[no-untyped-def]
            index, begin, last = events
            several = False
            while True:
                end = min(last, begin + _AT_ONCE)
                if width == NARROW:
                    _plain32(weight, (index, begin, end), sums[0])
                else:
                    _halves64(weight, (index, begin, end), sums[0])
                if end == last and not several:
                    return False
                _fold(width, sums, several)
                several, begin = True, end
                if end == last:
                    return True

    else:

        def chosen(weight, width, events, sums):  # type: ignore[no-untyped-def]
            if width == NARROW:
                _plain32(weight, events, sums[0])
            else:
                _plain64(weight, events, sums[0])
            return False

    return chosen


@inlined
def places(cells: Cells) -> Any:
    """Return where the parameters lie, in the order of Cells, and the constants of their arithmetic."""
    arrays = (v.pointer(cells.threshold), v.pointer(cells.drop), v.pointer(cells.decay), v.pointer(cells.gain))
    return (*arrays, v.pointer(cells.bias), cells.kind, cells.leaky, cells.biased, a.bounds8(cells.kind >= 0))


@inlined
def step8(membrane: Any, cells: Any, place: tuple[int, int], charge: Any) -> Any:
    """Update 8 neurons; return who spikes, and who stays above threshold, a bit for each.

    membrane: where the states lie. cells: as ``places`` returns. place: first of the lanes in either.
    """
    thresholds, drops, decays, gains, biases, kind, leaky, biased, bounds = cells
    where, at = place
    state, threshold = v.as_many(charge, membrane, where), v.as_many(charge, thresholds, at)
    over = v.at_least(state, threshold)
    if leaky:
        state = a.leak(state, v.as_many(charge, decays, at), bounds)
    gain = v.as_many(charge, gains, at)
    total = a.drive(charge, v.as_many(charge, biases, at), gain) if biased else a.scaled(charge, gain)
    state = a.charge(state, total, bounds)
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
def alike8(cells: Cells) -> Any:
    """Return the parameters that ``plain`` neurons have in common, 8 lanes each, for ``step_alike8``."""
    known = cells.kind >= 0
    below = a.below(v.spread8(cells.threshold[0]), known)
    parts = t.tame_parts(v.spread8(cells.decay[0]), v.spread8(cells.gain[0]))
    return below, v.spread8(cells.drop[0]), parts, a.bounds8(known)


@inlined
def step_alike8(membrane: Any, alike: Any, where: int, charge: Any) -> Any:
    """Do what ``step8`` does, for ``plain`` neurons."""
    below, drop, parts, bounds = alike
    state = a.leak(v.as_many(charge, membrane, where), parts[0], bounds)
    state = a.charge(state, a.scaled(charge, parts[1]), bounds)
    fires = a.passes(state, below)
    state = v.minus(state, v.pick(fires, drop, v.none_of(charge)))
    v.store(membrane, where, state)
    return v.bits(fires), v.bits(a.passes(state, below))


@inlined
def step_tame8(membrane: Any, alike: Any, where: int, charge: Any) -> Any:
    """Do what ``step_alike8`` does, for ``tame`` neurons and sums of 16 bits."""
    below, drop, parts, bounds = alike
    state = t.tame8(v.as_many(charge, membrane, where), charge, parts, bounds)
    fires = a.passes(state, below)
    state = v.minus(state, v.pick(fires, drop, v.none_of(charge)))
    v.store(membrane, where, state)
    return v.bits(fires), v.bits(a.passes(state, below))


@inlined
def step_tame16(membrane: Any, alike: Any, where: int, charge: tuple[Any, int]) -> Any:
    """Do what ``step_alike8`` does, for 16 ``tame`` neurons; charge: where their sums lie, and from which lane on."""
    below, drop, parts, bounds = alike
    part, lane = charge
    none = v.none_of(drop)
    first = t.tame_lower(v.as_many(drop, membrane, where), part, lane, parts, bounds)
    second = t.tame_upper(v.as_many(drop, membrane, where + 8), part, lane, parts, bounds)
    fires, others = a.passes(first, below), a.passes(second, below)
    first = v.minus(first, v.pick(fires, drop, none))
    second = v.minus(second, v.pick(others, drop, none))
    v.store(membrane, where, first)
    v.store(membrane, where + 8, second)
    return v.bits(fires), v.bits(others)


@inlined
def over8(membrane: Any, cells: Any, place: tuple[int, int]) -> Any:
    """Return which of 8 neurons stand at or above their threshold: they change without an event."""
    return v.bits(v.at_least(v.row8(membrane, place[0]), v.row8(cells[0], place[1])))


@inlined
def _update(neurons: Any, block: tuple[int, int, int], sums: Any, spikes: Any) -> None:
    """Update a block of neurons in one frame; note who spikes, 8 neurons a byte.

    block: first lane in the states, first in the parameters, lanes. sums: of the weights, a part or the total of them.
    """
    membrane, cells, alike, plain, tame = neurons
    offset, start, width = block
    part, total, several = sums
    if tame and not several:
        for lane in range(0, width, 16):
            fires, others = step_tame16(membrane, alike, offset + lane, (part, lane))
            spikes[lane // 8] = fires
            spikes[lane // 8 + 1] = others
    elif plain and not several:
        for lane in range(0, width, 16):
            fires, _ = step_alike8(membrane, alike, offset + lane, t.lower8(part, lane))
            spikes[lane // 8] = fires
            fires, _ = step_alike8(membrane, alike, offset + lane + 8, t.upper8(part, lane))
            spikes[lane // 8 + 1] = fires
    else:
        if not several:
            _fold(width, (part, total), False)
        for lane in range(0, width, 8):
            fires, _ = step8(membrane, cells, (offset + lane, start + lane), v.row8(total, lane))
            spikes[lane // 8] = fires


@compiled
def _cover(first: Array, index: Array, marks: Array, real: Array, touched: Array) -> None:
    """Set ``touched`` of the frames whose events reach all neurons, over weights that are not zero; few often do."""
    seen, neurons = np.zeros(real.shape[0], np.uint32), np.int64(0)
    for word in range(real.shape[0]):
        neurons += np.int64(v.ones(np.uint64(real[word])))
    for frame in range(touched.shape[0]):
        seen[:] = 0
        for event in range(first[frame], first[frame + 1]):
            missing, row = np.uint32(0), np.uint64(index[event])
            for word in range(seen.shape[0]):
                seen[word] |= marks[row, word]
                missing |= seen[word] ^ real[word]
            if missing == 0:
                touched[frame] = neurons
                break


@compiled
def _touched(marks: Array, block: tuple[int, int], events: tuple[Any, int, int], above: Any) -> int:
    """Return how many neurons of a block an event reaches over a weight that is not zero, or stand above threshold."""
    index, first, last = events
    found: Any = 0
    for word in range(block[0] // 32, (block[0] + block[1]) // 32):
        reached = v.word(above, 4 * word - block[0] // 8)
        for event in range(first, last):
            reached |= marks[np.uint64(index[event]), np.uint64(word)]
        found += np.int64(v.ones(np.uint64(reached)))
    return found


@compiled
def dense(
    first: Array, index: Array, rows: DenseRows, cells: Cells, state: Array, over: tuple[int, Array]
) -> tuple[Array, Array, Array]:
    """Run a window of a dense layer; return first and index of its spikes, and what it did, as ``events.finish``.

    first, index: events of the frames, frame = sample × steps + step. state: membranes (samples, lanes), changed.
    over: steps of the window, and fan-out by lane of the source, as in ``Packed``.
    """
    steps, fan_out = over
    frames = first.shape[0] - 1
    spikes = np.zeros((frames, (state.shape[1] + 63) // 64), np.uint64)
    touched = np.zeros(frames, np.int64)
    if cells.biased:
        touched[:] = rows.neurons
    else:
        _cover(first, index, rows.marks, rows.real, touched)
    _blocks(first, index, rows, cells, state, (spikes.view(np.uint8), touched, steps))
    return finish(spikes, touched, (first, index), fan_out, steps)


@inlined
def _blocks(
    first: Array, index: Array, rows: DenseRows, cells: Cells, state: Array, found: tuple[Array, Array, int]
) -> None:
    """Run all blocks; found: spikes as bits (frames, bytes), neurons touched (frames,), steps of the window."""
    spikes, touched, steps = found
    lanes, membrane = state.shape[1], v.pointer(state)
    wide = WIDE_INT8 if rows.weight.itemsize == 1 else WIDE_SINGLE
    held = np.zeros(wide + wide // 64, np.uint64)
    sums = (v.sums_room(held, v.pointer(rows.weight)), v.room(held, wide // 2, membrane))
    over = v.room(held, wide, v.pointer(spikes))
    neurons = (membrane, places(cells), alike8(cells), cells.plain, cells.tame)
    start = 0
    while start < lanes:
        width = wide if lanes - start >= wide else NARROW
        weight = v.moved(v.pointer(rows.weight), start * rows.inputs)
        for sample in range(state.shape[0]):
            offset = sample * lanes + start
            for frame in range(sample * steps, (sample + 1) * steps):
                events = (v.pointer(index), first[frame], first[frame + 1])
                several = _sum(weight, width, events, sums)
                if touched[frame] < rows.neurons:
                    for lane in range(0, width, 8):
                        over[lane // 8] = over8(membrane, neurons[1], (offset + lane, start + lane))
                    touched[frame] += _touched(rows.marks, (start, width), events, over)
                sent = v.moved(v.pointer(spikes), frame * spikes.shape[1] + start // 8)
                _update(neurons, (offset, start, width), (sums[0], sums[1], several), sent)
        start += width
    held[0] = 0  # kept alive until here
