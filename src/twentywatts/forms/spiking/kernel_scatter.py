"""Convolutions and everything else, event by event: only what an event reaches is added to, and only that is updated.

Neurons lie in cells: the channels of one position, or a whole dense layer. An untouched cell is not looked at; when an
event reaches it, it decays once for each step that it slept, so that its state is bit for bit that of a clocked run.

From the outside in, for each frame of a window::

    scatter
      _deliver         its events, those of one position together
        _list_once       every cell that is reached goes on the list of the frame
        _add_run         their weights are added to the sums of that cell, and its marks say who was reached
      _list_once       cells that must run without an event: those above threshold, or all
      _count           how many neurons were reached or stood above threshold
      _update          of each cell on the list: _decay for the steps that it slept, then the steps of ``kernel_dense``

The *board* of a frame is five places: sums by lane, rows of weights of a run of events, marks of the neurons reached (a
bit each), the frame in which each cell was listed last, and the list.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.spiking import lane_neurons, lane_tame
from twentywatts.forms.spiking import lanes as vec
from twentywatts.forms.spiking.events import finish
from twentywatts.forms.spiking.kernel_dense import (
    BOUNDS,
    DECAYS,
    LEAKY,
    Cells,
    alike8,
    places,
    step8,
    step_alike8,
    step_tame8,
)
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
    """Who was looked at when, by sample.

    last: step of each cell. above: bits of its neurons that stand above threshold, (samples, cells × words of a cell).
    hot, hot_count: cells with such neurons, and how many there are.
    """

    last: Array
    above: Array
    hot: Array
    hot_count: Array


@inlined
def _wires(wiring: Wiring) -> Any:
    """Return where the tables lie, and the sizes."""
    taps = (vec.pointer(wiring.first), vec.pointer(wiring.entry), vec.pointer(wiring.target))
    rows = (vec.pointer(wiring.row), vec.pointer(wiring.lane), vec.pointer(wiring.weight), vec.pointer(wiring.marks))
    return taps, rows, wiring.sizes, wiring.together, wiring.full


@inlined
def _list_once(cell: int, frame: int, board: Any, count: int) -> int:
    """Put a cell on the list of those that are updated in this frame, once; return the length of the list."""
    _, _, _, seen, cells = board
    cells[count] = cell
    count += seen[cell] != frame
    seen[cell] = frame
    return count


@inlined
def _add_run(wires: Any, sources: Any, run: tuple[int, int, int], tap: int, board: Any) -> None:
    """Add what the events of one position send through one tap; sums of rows that line up stay in registers."""
    (_, entries, targets), (_, lane_of, weight, marks_of), sizes, together, full = wires
    channels, words, units, width, _, cell_words = sizes
    event, end, position = run
    total, rows, marks, _, _ = board
    cell, entry, row_lanes = np.int64(targets[tap]), np.int64(entries[tap]), 8 * units
    if together and row_lanes % 32 == 0:
        for lane in range(0, row_lanes, 32):
            running = vec.row32_as(total, total, cell * width + lane)
            for k in range(end - event):
                running = vec.add(running, vec.row32_as(total, weight, (rows[k] + entry) * row_lanes + lane))
            vec.store(total, cell * width + lane, running)
    else:
        for k in range(end - event):
            into = cell * width + lane_of[sources[event + k] - position * channels]
            for lane in range(0, row_lanes, 8):
                added = vec.row8_as(total, weight, (rows[k] + entry) * row_lanes + lane)
                vec.store(total, into + lane, vec.add(vec.row8_as(total, total, into + lane), added))
    if not full and together and words == 1:
        reached = vec.long(marks_of, (rows[0] + entry) * 8)
        for k in range(1, end - event):
            reached |= vec.long(marks_of, (rows[k] + entry) * 8)
        vec.unite(marks, cell * cell_words * 8, reached)
    elif not full:
        for k in range(end - event):
            first = cell * cell_words * 8 + lane_of[sources[event + k] - position * channels] // 8
            for word in range(words):
                vec.unite(marks, first + 8 * word, vec.long(marks_of, ((rows[k] + entry) * words + word) * 8))


@inlined
def _deliver(wires: Any, sources: Any, events: tuple[int, int, int], board: Any) -> int:
    """Add the weights of a frame's events, in their order; return how many cells were reached."""
    (firsts, _, targets), (row_of, _, _, _), (channels, _, _, _, stride, _), _, _ = wires
    event, last, frame = events
    rows = board[1]
    count = 0
    while event < last:
        position: Any = np.int64(np.uint32(sources[event]) // np.uint32(channels))
        end = event
        while end < last and sources[end] < (position + 1) * channels:
            rows[end - event] = row_of[sources[end] - position * channels] + position * stride
            end += 1
        for tap in range(firsts[position], firsts[position + 1]):
            count = _list_once(targets[tap], frame, board, count)
            _add_run(wires, sources, (event, end, position), tap, board)
        event = end
    return count


@inlined
def _decay(membrane: Any, cells: Any, place: tuple[int, int, int], gap: int) -> None:
    """Let a cell decay once for each step that it slept: exactly as if it had been looked at."""
    state_at, cell_at, width = place
    for lane in range(0, width, 8):
        state, decay = vec.row8(membrane, state_at + lane), vec.row8(cells[DECAYS], cell_at + lane)
        for _ in range(gap - 1):
            state = lane_neurons.leak(state, decay, cells[BOUNDS])
        vec.store(membrane, state_at + lane, state)


@inlined
def _decay_tame(membrane: Any, alike: Any, place: tuple[int, int, int], gap: int) -> None:
    """Do what ``_decay`` does for ``tame`` neurons, 32 at once, so that none waits for another."""
    state_at, _, width = place
    _, _, parts, bounds = alike
    for lane in range(state_at, state_at + width, 32):
        first, second = vec.row8(membrane, lane), vec.row8(membrane, lane + 8)
        third, fourth = vec.row8(membrane, lane + 16), vec.row8(membrane, lane + 24)
        for _ in range(gap - 1):
            first, second = lane_tame.tame_leak(first, parts, bounds), lane_tame.tame_leak(second, parts, bounds)
            third, fourth = lane_tame.tame_leak(third, parts, bounds), lane_tame.tame_leak(fourth, parts, bounds)
        vec.store(membrane, lane, first)
        vec.store(membrane, lane + 8, second)
        vec.store(membrane, lane + 16, third)
        vec.store(membrane, lane + 24, fourth)


@inlined
def _update(neurons: Any, place: tuple[int, int, int], gap: int, total: Any, sent: Any) -> Any:
    """Update one cell, note its spikes and who stays above threshold; return whether there is one who does.

    A loop for each kind of neurons: conditions that meet behind a branch would be packed and unpacked.
    """
    membrane, cells, alike, plain, tame = neurons
    state_at, cell_at, width = place
    spikes, stands = sent
    above = np.uint8(0)
    if gap > 1 and cells[LEAKY]:
        if tame and width % 32 == 0:
            _decay_tame(membrane, alike, place, gap)
        else:
            _decay(membrane, cells, place, gap)
    if tame:
        for lane in range(0, width, 8):
            fires, stays = step_tame8(membrane, alike, state_at + lane, vec.row8(total, lane))
            spikes[lane // 8] = fires
            stands[lane // 8] = stays
            above |= stays
    elif plain:
        for lane in range(0, width, 8):
            fires, stays = step_alike8(membrane, alike, state_at + lane, vec.row8(total, lane))
            spikes[lane // 8] = fires
            stands[lane // 8] = stays
            above |= stays
    else:
        for lane in range(0, width, 8):
            fires, stays = step8(membrane, cells, (state_at + lane, cell_at + lane), vec.row8(total, lane))
            spikes[lane // 8] = fires
            stands[lane // 8] = stays
            above |= stays
    for lane in range(0, width, 8):
        vec.store(total, lane, vec.zeros8(total))
    return above != 0


@inlined
def _count(marks: Any, above: Any, cell: int, cell_words: int) -> int:
    """Return how many neurons of a cell are marked or stand above threshold; clear the marks."""
    found: Any = 0
    for word in range(cell * cell_words, (cell + 1) * cell_words):
        found += np.int64(vec.ones(marks[word] | above[word]))
        marks[word] = np.uint64(0)
    return found


@compiled
def scatter(
    first: Array, index: Array, wiring: Wiring, cells: Cells, state: tuple[Array, Sleep, int], window: Any
) -> tuple[Array, Array, Array]:
    """Run a window of a layer with one projection of single spikes, lazily; return what ``kernel_dense.dense`` does.

    first, index: events of the frames, frame = sample × steps + step, in order of position. state: membranes
    (samples, lanes), who sleeps, and the step before the window. window: its steps; neurons of a cell; whether all
    cells run in all steps; fan-out by lane of the source; an array of the kind that holds all sums. cells: by lane,
    or those of one cell where all are alike.
    """
    membranes, sleep, begin = state
    steps, cell_neurons, every, fan_out, sums_like = window
    words = np.zeros((first.shape[0] - 1, (membranes.shape[1] + 63) // 64), np.uint64)
    touched = np.zeros_like(first[1:])
    spikes = words.view(np.uint8)
    width, cell_words, cell_count = wiring.sizes[3], wiring.sizes[5], sleep.last.shape[1]
    totals, rows = np.zeros(membranes.shape[1] + 8, sums_like.dtype), np.zeros(wiring.sizes[0], np.int64)
    marks = np.zeros((cell_count + 1 + wiring.sizes[1]) * cell_words, np.uint64)
    seen, listed = np.full(cell_count, -1, np.int64), np.zeros(cell_count + 1, np.int64)
    total, bits = vec.pointer(totals), vec.pointer(marks.view(np.uint8))
    board = (total, vec.pointer(rows), bits, vec.pointer(seen), vec.pointer(listed))
    neurons = (vec.pointer(membranes), places(cells), alike8(cells), cells.plain, cells.tame)
    whole, shared = wiring.full or cells.biased, cells.threshold.shape[0] == width
    wires, stands, sources = _wires(wiring), sleep.above.view(np.uint8), vec.pointer(index)
    for frame in range(first.shape[0] - 1):
        sample = frame // steps
        now, above = begin + frame - sample * steps + 1, vec.pointer(sleep.above[sample])
        count = _deliver(wires, sources, (first[frame], first[frame + 1], frame), board)
        if whole:
            touched[frame] += count * cell_neurons
        for k in range(cell_count if every else sleep.hot_count[sample]):
            cell = k if every else sleep.hot[sample, k]
            if whole and seen[cell] != frame:
                touched[frame] += cell_neurons if cells.biased else _count(vec.pointer(marks), above, cell, cell_words)
            count = _list_once(cell, frame, board, count)
        hot = 0
        for k in range(count):
            cell = listed[k]
            if not whole:
                touched[frame] += _count(vec.pointer(marks), above, cell, cell_words)
            place = (sample * membranes.shape[1] + cell * width, 0 if shared else cell * width, width)
            sent = (
                vec.moved(vec.pointer(spikes), frame * spikes.shape[1] + cell * width // 8),
                vec.moved(vec.pointer(stands), (sample * cell_count + cell) * cell_words * 8),
            )
            if _update(neurons, place, now - sleep.last[sample, cell], vec.moved(total, cell * width), sent):
                sleep.hot[sample, hot] = cell
                hot += 1
            sleep.last[sample, cell] = now
        sleep.hot_count[sample] = hot
    totals[0], rows[0], marks[0] = 0, 0, 0  # kept alive until here
    return finish(words, touched, (first, index), fan_out, steps)
