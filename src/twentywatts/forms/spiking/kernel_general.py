"""The general path: sums of any number of projections into a table, then neurons of any kind, clocked.

What single spikes through one projection do faster elsewhere, this does for all: payloads, delays, recurrence,
synaptic currents, several spikes in a step, graded and negative events, integrators. One neuron after the other.

``add_events``, once for each projection, fills the table of sums (frames, lanes); ``update`` then walks through frames
and neurons, and ``_emit`` resets who fires. The small functions between them exist twice, for floats and for integers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from twentywatts.forms.spiking import lane_neurons
from twentywatts.forms.spiking import lanes as vec
from twentywatts.forms.spiking.kernel_dense import DELAYED, SUBTRACT, ZERO, Cells
from twentywatts.forms.spiking.kernel_scatter import Wiring
from twentywatts.forms.spiking.lane_neurons import DECAY_BITS, LARGEST
from twentywatts.forms.spiking.lanes import compiled, inlined

__all__ = ["DELAYED_ZERO", "GRADED", "MANY", "NONE", "ONE", "PAYLOAD", "Odd", "add_events", "update"]

Array = NDArray[Any]
ONE, MANY, GRADED, NONE = 0, 1, 2, 3
DELAYED_ZERO = 3  # beside SUBTRACT, ZERO and DELAYED: to a value at the start of the next step
PAYLOAD = 2**15 - 1  # largest magnitude of an integer payload


class Odd(NamedTuple):
    """What a neuron of the general path has besides ``Cells``.

    current_decay: of the synaptic current, by lane. keeps_current: whether there is one. whole: threshold that counts
    spikes (without the shift of strict comparison). emission, most, signed: as in Neurons. shift: bits by which an
    integer membrane is finer than its payload. real: a bit for each lane that is a neuron, by 8.
    """

    current_decay: Array
    keeps_current: bool
    whole: Array
    emission: int
    most: int
    signed: bool
    shift: int
    real: Array


@compiled
def add_events(
    first: Array, index: Array, value: Array, factor: Any, wiring: Wiring, into: tuple[Array, Array]
) -> None:
    """Add factor × value × weight of every event to ``into[0]`` (frames, lanes); mark whom it reaches in ``into[1]``.

    value: payload of each event, or empty where all are 1. marks: (frames, lanes / 8), a bit for each neuron.
    """
    sums, marks = into
    channels, words, units, width, stride, _ = wiring.sizes
    total, weight = vec.pointer(sums), vec.pointer(wiring.weight)
    for frame in range(first.shape[0] - 1):
        for event in range(first[frame], first[frame + 1]):
            position = np.int64(index[event]) // channels
            channel = index[event] - position * channels
            start = wiring.row[channel] + position * stride
            times = factor * value[event] if value.shape[0] > 0 else factor
            many = vec.spread8(times)
            for tap in range(wiring.first[position], wiring.first[position + 1]):
                row = start + np.int64(wiring.entry[tap])
                lane = np.int64(wiring.target[tap]) * width + wiring.lane[channel]
                at = frame * sums.shape[1] + lane
                for unit in range(units):
                    added = lane_neurons.scaled(vec.row8(weight, (row * units + unit) * 8), many)
                    vec.store(total, at + 8 * unit, vec.add(vec.row8(total, at + 8 * unit), added))
                    marks[frame, lane // 8 + unit] |= wiring.marks[row * words * 8 + unit]


def _by_kind(floating, whole):  # type: ignore[no-untyped-def]
    """Return a function for compiled code that does ``floating`` where its first argument is one, else ``whole``."""

    def chosen(a, b, c=0, d=0):  # type: ignore[no-untyped-def]
        raise TypeError("for compiled code only")

    def choose(a, b, c=0, d=0):  # type: ignore[no-untyped-def]
        return floating if isinstance(a, types.Float) else whole

    overload(chosen)(choose)
    return chosen


_HALF = 2 ** (DECAY_BITS - 1)
# leak(state, decay): what is kept of a state; charge(state, added): as ``lane_neurons`` does both to vectors
_leak = _by_kind(
    lambda a, b, c=0, d=0: a * b,
    lambda a, b, c=0, d=0: (np.int64(a) * np.int64(b) + _HALF) >> np.int64(DECAY_BITS),
)
_charge = _by_kind(
    lambda a, b, c=0, d=0: a + b,
    lambda a, b, c=0, d=0: min(max(np.int64(a) + np.int64(b), np.int64(-LARGEST)), np.int64(LARGEST)),
)
# drive(sum, bias, gain): what reaches the membrane, as ``lane_neurons.drive``
_drive = _by_kind(lambda a, b, c=0, d=0: (a + b) * c, lambda a, b, c=0, d=0: np.int64(a) * c + b)
# arrived(current, sum, bias, gain), injected(current, gain): with a synaptic current, floats gain on the way out
_arrived = _by_kind(
    lambda a, b, c=0, d=0: a + (b + c),
    lambda a, b, c=0, d=0: min(max(np.int64(a) + b * np.int64(d) + c, np.int64(-LARGEST)), np.int64(LARGEST)),
)
_injected = _by_kind(lambda a, b, c=0, d=0: a * b, lambda a, b, c=0, d=0: a)
# whole spikes in a level above 0; n of them times a number; the payload of a level
_count = _by_kind(lambda a, b, c=0, d=0: np.int64(np.floor(a / b)), lambda a, b, c=0, d=0: np.int64(a) // np.int64(b))
_times = _by_kind(lambda a, b, c=0, d=0: a * np.float32(b), lambda a, b, c=0, d=0: np.int64(a) * b)
_payload = _by_kind(
    lambda a, b, c=0, d=0: a,
    lambda a, b, c=0, d=0: min(
        max((np.int64(a) + (np.int64(1) << np.int64(b) >> np.int64(1))) >> np.int64(b), np.int64(-PAYLOAD)),
        np.int64(PAYLOAD),
    ),
)


@inlined
def _emit(level: Any, lane: int, cells: Cells, odd: Odd, payload: Array) -> Any:
    """Note the payload of a neuron that fires; return its level after the reset."""
    sign = -1 if odd.signed and level < 0 else 1
    drop = cells.drop[lane]
    if odd.emission == GRADED:
        payload[lane] = _payload(level, odd.shift)
        return drop
    spikes = 1
    if odd.emission == MANY:
        spikes = min(_count(level * sign, odd.whole[lane]), odd.most)
    if payload.shape[0] > 0:
        payload[lane] = sign * spikes
    if cells.kind == SUBTRACT:
        return level - _times(drop, sign * spikes)
    if cells.kind == ZERO:
        return drop
    return level


@compiled
def update(
    sums: Array, marks: Array, cells: Cells, odd: Odd, state: tuple[Array, Array], found: tuple[Array, Array, Array]
) -> None:
    """Update all neurons in all frames of a window: ``sums`` (samples × steps, lanes) is what reaches them.

    state: membranes and currents (samples, lanes). found: spikes as bits (frames, bytes), payloads (frames, lanes) or
    an empty table for single spikes, neurons touched (frames,); an integrator's payload is its membrane.
    """
    membranes, currents = state
    spikes, payloads, touched = found
    steps = sums.shape[0] // membranes.shape[0]
    for frame in range(sums.shape[0]):
        membrane, current = membranes[frame // steps], currents[frame // steps]
        for byte in range(odd.real.shape[0]):
            reached, fires = marks[frame, byte], np.uint8(0)
            for bit in range(8):
                lane, flag = byte * 8 + bit, np.uint8(1 << bit)
                if odd.real[byte] & flag == 0:
                    continue
                threshold, level = cells.threshold[lane], membrane[lane]
                over = odd.emission != NONE and (level >= threshold or (odd.signed and level <= -threshold))
                below = level < 0
                if over or cells.biased or odd.keeps_current:
                    reached |= flag
                if over and cells.kind == DELAYED_ZERO:
                    level = cells.drop[lane]
                if cells.leaky:
                    level = _leak(level, cells.decay[lane])
                if odd.keeps_current:
                    kept = _leak(current[lane], odd.current_decay[lane])
                    current[lane] = _arrived(kept, sums[frame, lane], cells.bias[lane], cells.gain[lane])
                    level = _charge(level, _injected(current[lane], cells.gain[lane]))
                else:
                    level = _charge(level, _drive(sums[frame, lane], cells.bias[lane], cells.gain[lane]))
                if over and cells.kind == DELAYED:
                    level += cells.drop[lane] if below else -cells.drop[lane]
                if odd.emission == NONE:
                    payloads[frame, lane] = level
                elif level >= threshold or (odd.signed and level <= -threshold):
                    fires |= flag
                    level = _emit(level, lane, cells, odd, payloads[frame])
                membrane[lane] = level
            spikes[frame, byte] = fires
            touched[frame] += np.int64(vec.ones(np.uint64(reached)))
