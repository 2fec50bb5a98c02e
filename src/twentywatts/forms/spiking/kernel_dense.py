"""Dense layers, fused: sums stay in registers, a block of weights stays in the cache for all frames, then it fires.

A frame is one step of one sample. The layer is cut into blocks of neurons; a block runs through all frames before the
next one, so its weights are read from memory once. int8 rows are summed in 16-bit halves, at most 256 rows at a time,
which cannot overflow (256 × 127 < 2^15); the byte layout is made by ``packing.dense_rows``.

From the outside in::

    dense          a window of a layer
      _cover         frames whose events reach every neuron: nobody need be counted there
      _blocks        block by block, frame by frame
        _sum           weights of the frame's events: _sum_byte_pairs, _sum_floats, _sum_narrow; _add_part beyond 256
        _touched       who was reached, where that is not everybody
        _update        8 or 16 neurons at a time, by the first that applies:
          step_tame16    all alike, and 16-bit arithmetic is enough (``Cells.tame``)
          step_alike8    all alike (``Cells.plain``)
          step8          each with its own parameters

``kernel_scatter`` takes the same steps for its cells. A *place* is a pointer; ``state_at`` and ``cell_at`` are the
first lane in the table of states (samples × lanes) and in that of parameters (lanes).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from twentywatts.forms.spiking import lane_neurons, lane_tame
from twentywatts.forms.spiking import lanes as vec
from twentywatts.forms.spiking.events import finish
from twentywatts.forms.spiking.lanes import compiled, inlined

__all__ = [
    "BOUNDS",
    "DECAYS",
    "DELAYED",
    "LEAKY",
    "NARROW",
    "SUBTRACT",
    "THRESHOLDS",
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
_AT_ONCE = 256  # rows of bytes whose sum fits 16 bits
THRESHOLDS, DECAYS, LEAKY, BOUNDS = 0, 2, 6, 8  # of what ``places`` returns


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
def _sum_byte_pairs(weight: Any, events: tuple[Any, int, int], part: Any) -> None:
    """Sum byte rows of 128: neuron k lies in the low (+128) and neuron 64 + k in the high byte of word k.

    Words are added whole, and their high bytes once more by themselves: what is left without these, and without 128
    for each row, is the sum of the low bytes. It is exact modulo 2^16, and it fits.
    """
    index, first, last = events
    every = vec.splat64(np.int16(0))
    high = every
    for event in range(first, last):
        word = vec.words64(weight, np.int64(index[event]) * 128)
        every = vec.add(every, word)
        high = vec.add(high, vec.shift_right(word, vec.splat64(np.int16(8))))
    shifted = vec.shift_left(high, vec.splat64(np.int16(8)))
    vec.store(part, 0, vec.minus(vec.minus(every, shifted), vec.splat64(np.int16(128 * (last - first)))))
    vec.store(part, 64, high)


@inlined
def _sum_floats(weight: Any, events: tuple[Any, int, int], part: Any) -> None:
    """Sum float rows of 64."""
    index, first, last = events
    running = vec.zeros64(part)
    for event in range(first, last):
        running = vec.add(running, vec.row64(weight, np.int64(index[event]) * 64))
    vec.store(part, 0, running)


@inlined
def _sum_narrow(weight: Any, events: tuple[Any, int, int], part: Any) -> None:
    """Sum rows of 32 of either kind, for what a wide block leaves at the end of a layer."""
    index, first, last = events
    running = vec.zeros32(part)
    for event in range(first, last):
        running = vec.add(running, vec.row32_as(part, weight, np.int64(index[event]) * 32))
    vec.store(part, 0, running)


@inlined
def _add_part(width: int, sums: Any, several: bool) -> None:
    """Widen a part of a sum into the total, or (several) add it to the parts that came before."""
    part, total = sums
    for lane in range(0, width, 16):
        first, second = lane_tame.lower8(part, lane), lane_tame.upper8(part, lane)
        vec.store(total, lane, vec.add(vec.row8(total, lane), first) if several else first)
        vec.store(total, lane + 8, vec.add(vec.row8(total, lane + 8), second) if several else second)


def _sum(weight, width, events, sums):  # type: ignore[no-untyped-def]
    """Put the sum of the events' rows into the part of ``sums`` (False), or of many rows into the total (True)."""
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
                    _sum_narrow(weight, (index, begin, end), sums[0])
                else:
                    _sum_byte_pairs(weight, (index, begin, end), sums[0])
                if end == last and not several:
                    return False
                _add_part(width, sums, several)
                several, begin = True, end
                if end == last:
                    return True

    else:

        def chosen(weight, width, events, sums):  # type: ignore[no-untyped-def]
            if width == NARROW:
                _sum_narrow(weight, events, sums[0])
            else:
                _sum_floats(weight, events, sums[0])
            return False

    return chosen


@inlined
def places(cells: Cells) -> Any:
    """Return where the parameters lie, in the order of Cells, and the constants of their arithmetic."""
    arrays = (vec.pointer(cells.threshold), vec.pointer(cells.drop), vec.pointer(cells.decay), vec.pointer(cells.gain))
    return (
        *arrays,
        vec.pointer(cells.bias),
        cells.kind,
        cells.leaky,
        cells.biased,
        lane_neurons.bounds8(cells.kind >= 0),
    )


@inlined
def step8(membrane: Any, cells: Any, place: tuple[int, int], charge: Any) -> Any:
    """Update 8 neurons; return who spikes, and who stays above threshold, a bit for each.

    membrane: where the states lie. cells: as ``places`` returns. place: first of the lanes in either.
    """
    thresholds, drops, decays, gains, biases, kind, leaky, biased, bounds = cells
    state_at, cell_at = place
    state, threshold = vec.as_many(charge, membrane, state_at), vec.as_many(charge, thresholds, cell_at)
    over = vec.at_least(state, threshold)
    if leaky:
        state = lane_neurons.leak(state, vec.as_many(charge, decays, cell_at), bounds)
    gain = vec.as_many(charge, gains, cell_at)
    total = (
        lane_neurons.drive(charge, vec.as_many(charge, biases, cell_at), gain)
        if biased
        else lane_neurons.scaled(charge, gain)
    )
    state = lane_neurons.charge(state, total, bounds)
    drop, none = vec.as_many(charge, drops, cell_at), vec.none_of(charge)
    if kind == DELAYED:
        state = vec.minus(state, vec.pick(over, drop, none))
    fires = vec.at_least(state, threshold)
    if kind == SUBTRACT:
        state = vec.minus(state, vec.pick(fires, drop, none))
    elif kind == ZERO:
        state = vec.pick(fires, drop, state)
    vec.store(membrane, state_at, state)
    return vec.bits(fires), vec.bits(vec.at_least(state, threshold))


@inlined
def alike8(cells: Cells) -> Any:
    """Return the parameters that ``plain`` neurons have in common, 8 lanes each, for ``step_alike8``."""
    known = cells.kind >= 0
    below = lane_neurons.below(vec.spread8(cells.threshold[0]), known)
    parts = lane_tame.tame_parts(vec.spread8(cells.decay[0]), vec.spread8(cells.gain[0]))
    return below, vec.spread8(cells.drop[0]), parts, lane_neurons.bounds8(known)


@inlined
def step_alike8(membrane: Any, alike: Any, state_at: int, charge: Any) -> Any:
    """Do what ``step8`` does, for ``plain`` neurons."""
    below, drop, parts, bounds = alike
    state = lane_neurons.leak(vec.as_many(charge, membrane, state_at), parts[0], bounds)
    state = lane_neurons.charge(state, lane_neurons.scaled(charge, parts[1]), bounds)
    fires = lane_neurons.passes(state, below)
    state = vec.minus(state, vec.pick(fires, drop, vec.none_of(charge)))
    vec.store(membrane, state_at, state)
    return vec.bits(fires), vec.bits(lane_neurons.passes(state, below))


@inlined
def step_tame8(membrane: Any, alike: Any, state_at: int, charge: Any) -> Any:
    """Do what ``step_alike8`` does, for ``tame`` neurons and sums of 16 bits."""
    below, drop, parts, bounds = alike
    state = lane_tame.tame8(vec.as_many(charge, membrane, state_at), charge, parts, bounds)
    fires = lane_neurons.passes(state, below)
    state = vec.minus(state, vec.pick(fires, drop, vec.none_of(charge)))
    vec.store(membrane, state_at, state)
    return vec.bits(fires), vec.bits(lane_neurons.passes(state, below))


@inlined
def step_tame16(membrane: Any, alike: Any, state_at: int, charge: tuple[Any, int]) -> Any:
    """Do what ``step_alike8`` does, for 16 ``tame`` neurons; charge: where their sums lie, and from which lane on."""
    below, drop, parts, bounds = alike
    part, lane = charge
    none = vec.none_of(drop)
    first = lane_tame.tame_lower(vec.as_many(drop, membrane, state_at), part, lane, parts, bounds)
    second = lane_tame.tame_upper(vec.as_many(drop, membrane, state_at + 8), part, lane, parts, bounds)
    fires, others = lane_neurons.passes(first, below), lane_neurons.passes(second, below)
    first = vec.minus(first, vec.pick(fires, drop, none))
    second = vec.minus(second, vec.pick(others, drop, none))
    vec.store(membrane, state_at, first)
    vec.store(membrane, state_at + 8, second)
    return vec.bits(fires), vec.bits(others)


@inlined
def over8(membrane: Any, cells: Any, place: tuple[int, int]) -> Any:
    """Return which of 8 neurons stand at or above their threshold: they change without an event."""
    return vec.bits(vec.at_least(vec.row8(membrane, place[0]), vec.row8(cells[THRESHOLDS], place[1])))


@inlined
def _update(neurons: Any, block: tuple[int, int, int], sums: Any, spikes: Any) -> None:
    """Update a block of neurons in one frame; note who spikes, 8 neurons a byte.

    block: first lane in the states, first in the parameters, lanes. sums: of the weights, a part, the total, and
    whether the total holds them (several parts).
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
            fires, _ = step_alike8(membrane, alike, offset + lane, lane_tame.lower8(part, lane))
            spikes[lane // 8] = fires
            fires, _ = step_alike8(membrane, alike, offset + lane + 8, lane_tame.upper8(part, lane))
            spikes[lane // 8 + 1] = fires
    else:
        if not several:
            _add_part(width, (part, total), False)
        for lane in range(0, width, 8):
            fires, _ = step8(membrane, cells, (offset + lane, start + lane), vec.row8(total, lane))
            spikes[lane // 8] = fires


@compiled
def _cover(first: Array, index: Array, marks: Array, real: Array, touched: Array) -> None:
    """Set ``touched`` of the frames whose events reach all neurons, over weights that are not zero; few often do."""
    seen, neurons = np.zeros(real.shape[0], np.uint32), np.int64(0)
    for word in range(real.shape[0]):
        neurons += np.int64(vec.ones(np.uint64(real[word])))
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
        reached = vec.word(above, 4 * word - block[0] // 8)
        for event in range(first, last):
            reached |= marks[np.uint64(index[event]), np.uint64(word)]
        found += np.int64(vec.ones(np.uint64(reached)))
    return found


@compiled
def dense(
    first: Array, index: Array, rows: DenseRows, cells: Cells, state: Array, window: tuple[int, Array]
) -> tuple[Array, Array, Array]:
    """Run a window of a dense layer; return first and index of its spikes, and what it did, as ``events.finish``.

    first, index: events of the frames, frame = sample × steps + step. state: membranes (samples, lanes), changed.
    window: its steps, and fan-out by lane of the source, as in ``Packed``.
    """
    steps, fan_out = window
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
    lanes, membrane = state.shape[1], vec.pointer(state)
    wide = WIDE_INT8 if rows.weight.itemsize == 1 else WIDE_SINGLE
    scratch = np.zeros(wide + wide // 64, np.uint64)  # a part of the sums, their total, who stands above threshold
    sums = (vec.sums_room(scratch, vec.pointer(rows.weight)), vec.room(scratch, wide // 2, membrane))
    above = vec.room(scratch, wide, vec.pointer(spikes))
    neurons = (membrane, places(cells), alike8(cells), cells.plain, cells.tame)
    start = 0
    while start < lanes:
        width = wide if lanes - start >= wide else NARROW
        weight = vec.moved(vec.pointer(rows.weight), start * rows.inputs)
        for sample in range(state.shape[0]):
            offset = sample * lanes + start
            for frame in range(sample * steps, (sample + 1) * steps):
                events = (vec.pointer(index), first[frame], first[frame + 1])
                several = _sum(weight, width, events, sums)
                if touched[frame] < rows.neurons:
                    for lane in range(0, width, 8):
                        above[lane // 8] = over8(membrane, neurons[1], (offset + lane, start + lane))
                    touched[frame] += _touched(rows.marks, (start, width), events, above)
                sent = vec.moved(vec.pointer(spikes), frame * spikes.shape[1] + start // 8)
                _update(neurons, (offset, start, width), (sums[0], sums[1], several), sent)
        start += width
    scratch[0] = 0  # kept alive until here
