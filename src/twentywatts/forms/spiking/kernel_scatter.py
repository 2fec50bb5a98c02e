"""Convolutions and everything else, event by event: only what an event reaches is added to, and only that is updated.

Neurons lie in cells: the channels of one position, or a whole dense layer. An untouched cell is not looked at; when an
event reaches it, it decays once for each step that it slept, so that its state is bit for bit that of a clocked run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.spiking import lanes as v
from twentywatts.forms.spiking.kernel_dense import Cells, over8, places, step_lanes
from twentywatts.forms.spiking.lanes import compiled, inlined

__all__ = ["Sleep", "Wiring", "scatter"]

Array = NDArray[Any]


class Wiring(NamedTuple):
    """Synapses of one projection, by position and channel of the source: source = position × channels + channel.

    Position p reaches the cells ``target[k]`` by kernel entries ``entry[k]``, k from ``first[p]`` to ``first[p + 1]``.
    weight: rows of ``8 × units`` lanes; row number row[channel] + position × stride + entry is added from
    lane[channel] of the cell on. marks: 8 × words bytes for each row, a bit for each weight that is not zero.
    together: all rows begin at lane 0. full: no weight of a neuron is zero. sizes: channels, words, units, lanes of a
    cell, stride, words of a cell.
    """

    first: Array
    entry: Array
    target: Array
    row: Array
    lane: Array
    weight: Array
    marks: Array
    together: bool
    full: bool
    sizes: tuple[int, int, int, int, int, int]


class Sleep(NamedTuple):
    """Who was looked at when, by sample: last step of each cell, cells above threshold, and how many those are."""

    last: Array
    hot: Array
    hot_count: Array


@inlined
def _wires(wiring: Wiring) -> Any:
    """Return where the tables lie, and the sizes."""
    taps = (v.pointer(wiring.first), v.pointer(wiring.entry), v.pointer(wiring.target))
    rows = (v.pointer(wiring.row), v.pointer(wiring.lane), v.pointer(wiring.weight), v.pointer(wiring.marks))
    return taps, rows, wiring.sizes, wiring.together, wiring.full


@inlined
def _listed(cell: int, frame: int, board: Any, count: int) -> int:
    """Put a cell on the list of those that are updated in this frame, once; return the length of the list."""
    _, _, _, seen, cells = board
    if seen[cell] != frame:
        seen[cell] = frame
        cells[count] = cell
        count += 1
    return count


@inlined
def _add_run(wires: Any, sources: Any, run: tuple[int, int, int], tap: int, board: Any) -> None:
    """Add what the events of one position send through one tap; sums stay in registers where all rows line up."""
    (_, entries, targets), (_, lane_of, weight, marks_of), (channels, words, units, width, _, room), together, full = (
        wires
    )
    event, end, position = run
    total, rows, marks, _, _ = board
    cell, entry, size = np.int64(targets[tap]), np.int64(entries[tap]), 8 * units
    at = cell * width
    if together and size % 32 == 0:
        for unit in range(0, size, 32):
            held = v.row32(total, at + unit)
            for k in range(end - event):
                held = v.add(held, v.row32(weight, (rows[k] + entry) * size + unit))
            v.store(total, at + unit, held)
    elif together:
        for unit in range(0, size, 8):
            held = v.row8(total, at + unit)
            for k in range(end - event):
                held = v.add(held, v.row8(weight, (rows[k] + entry) * size + unit))
            v.store(total, at + unit, held)
    else:
        for k in range(end - event):
            into = at + lane_of[sources[event + k] - position * channels]
            for unit in range(0, size, 8):
                old = v.row8(total, into + unit)
                v.store(total, into + unit, v.add(old, v.row8(weight, (rows[k] + entry) * size + unit)))
    if not full:
        for k in range(end - event):
            shift = 0 if together else lane_of[sources[event + k] - position * channels]
            for word in range(words):
                v.unite(
                    marks, cell * room * 8 + shift // 8 + 8 * word, marks_of, ((rows[k] + entry) * words + word) * 8
                )


@inlined
def _deliver(wires: Any, sources: Any, events: tuple[int, int, int], board: Any) -> int:
    """Add the weights of a frame's events, in their order; return how many cells were reached."""
    (firsts, _, targets), (row_of, _, _, _), (channels, _, _, _, stride, _), _, _ = wires
    event, last, frame = events
    rows = board[1]
    count = 0
    while event < last:
        position = np.int64(sources[event]) // channels
        end = event
        while end < last and sources[end] < (position + 1) * channels:
            rows[end - event] = row_of[sources[end] - position * channels] + position * stride
            end += 1
        for tap in range(firsts[position], firsts[position + 1]):
            count = _listed(targets[tap], frame, board, count)
            _add_run(wires, sources, (event, end, position), tap, board)
        event = end
    return count


@inlined
def _decay(cell: int, neurons: Any, membrane: Any, gap: int, how: Any) -> None:
    """Let a cell decay once for each step that it slept: exactly as if it had been looked at."""
    width, offset, shared = how
    decays = neurons[2]
    for lane in range(cell * width, cell * width + width, 8):
        state, decay = v.row8(membrane, offset + lane), v.row8(decays, lane - shared)
        for _ in range(gap - 1):
            state = v.leak(state, decay)
        v.store(membrane, offset + lane, state)


@inlined
def _update(cell: int, neurons: Any, membrane: Any, board: Any, how: Any) -> Any:
    """Update one cell; return whether a neuron stays above threshold, and how many were touched."""
    total, _, marks, _, _ = board
    width, offset, gap, full, spikes, room, alike = how
    above, touched = np.uint8(0), np.int64(0)
    mark = cell * room * 8
    shared = cell * width if alike else 0
    if gap > 1 and neurons[6]:
        _decay(cell, neurons, membrane, gap, (width, offset, shared))
    wide = width if width % 32 == 0 else 0
    over = np.uint32(0)
    for lane in range(cell * width, cell * width + wide, 32):
        place = (offset + lane, lane - shared)
        if not full:
            stood = v.at_least(v.row32(membrane, place[0]), v.row32(neurons[0], place[1]))
            touched += np.int64(v.ones(np.uint64(v.word(marks, mark) | v.bits(stood))))
            v.store_word(marks, mark, np.uint32(0))
            mark += 4
        fires, stays = step_lanes(membrane, neurons, place, v.row32(total, lane))
        v.store(total, lane, v.zeros32(total))
        v.store_word(spikes, lane // 8, fires)
        over |= stays
    for lane in range(cell * width + wide, cell * width + width, 8):
        place = (offset + lane, lane - shared)
        if not full:
            reached = marks[mark] | over8(membrane, neurons, place)
            touched += np.int64(v.ones(np.uint64(reached)))
            marks[mark] = np.uint8(0)
            mark += 1
        fires, stays = step_lanes(membrane, neurons, place, v.row8(total, lane))
        v.store(total, lane, v.zeros8(total))
        spikes[lane // 8] = fires
        above |= stays
    return above != 0 or over != 0, touched


@inlined
def _over(cell: int, neurons: Any, membrane: Any, offset: int, how: tuple[int, bool]) -> Any:
    """Return how many neurons of a cell stand above threshold."""
    found: Any = 0
    width, alike = how
    shared = cell * width if alike else 0
    for lane in range(cell * width, cell * width + width, 8):
        found += np.int64(v.ones(np.uint64(over8(membrane, neurons, (offset + lane, lane - shared)))))
    return found


@compiled
def scatter(
    first: Array, index: Array, wiring: Wiring, cells: Cells, state: tuple[Array, Sleep, int], found: Any
) -> None:
    """Run a window of a layer with one projection of single spikes, lazily.

    first, index: events of the frames, frame = sample × steps + step, in order of position. state: membranes
    (samples, lanes), who sleeps, and the step before the window. found: spikes as bits (frames, bytes), zeros at the
    start; neurons touched (frames,); steps of the window; neurons of a cell; whether all cells run in all steps.
    cells: by lane, or those of one cell where all are alike.
    """
    membranes, sleep, begin = state
    spikes, touched, steps, real, every = found
    width, lanes, cell_count = wiring.sizes[3], membranes.shape[1], sleep.last.shape[1]
    totals = np.zeros(lanes + 8, membranes.dtype)
    rows = np.zeros(wiring.sizes[0], np.int64)
    room = wiring.sizes[5]
    marks = np.zeros((cell_count + 1 + wiring.sizes[1]) * room * 8, np.uint8)
    seen, listed = np.full(cell_count, -1, np.int64), np.zeros(cell_count, np.int64)
    board = (v.pointer(totals), v.pointer(rows), v.pointer(marks), v.pointer(seen), v.pointer(listed))
    membrane, neurons, wires, sources = v.pointer(membranes), places(cells), _wires(wiring), v.pointer(index)
    whole, alike = wiring.full or cells.biased, cells.threshold.shape[0] == width
    for frame in range(first.shape[0] - 1):
        sample = frame // steps
        now, offset = begin + frame - sample * steps + 1, sample * lanes
        count = _deliver(wires, sources, (first[frame], first[frame + 1], frame), board)
        if whole:
            touched[frame] += count * real
        for k in range(cell_count if every else sleep.hot_count[sample]):
            cell = k if every else sleep.hot[sample, k]
            if whole and seen[cell] != frame:
                touched[frame] += real if cells.biased else _over(cell, neurons, membrane, offset, (width, alike))
            count = _listed(cell, frame, board, count)
        hot = 0
        row = v.moved(v.pointer(spikes), frame * spikes.shape[1])
        for k in range(count):
            cell = listed[k]
            how = (width, offset, now - sleep.last[sample, cell], whole, row, room, alike)
            above, reached = _update(cell, neurons, membrane, board, how)
            sleep.last[sample, cell] = now
            touched[frame] += reached
            if above:
                sleep.hot[sample, hot] = cell
                hot += 1
        sleep.hot_count[sample] = hot
    totals[0], rows[0], marks[0] = 0, 0, 0  # kept alive until here
