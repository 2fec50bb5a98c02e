"""Parameters of neurons as the kernels take them: float32 as they are, or whole numbers of the layer's own unit.

In an integer layer one count of the weights' sum is ``step``, and the membrane counts ``unit`` = step × gain / 2^shift,
as fine as 32 bits allow. docs/method/spiking-engine.md has the rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.forms.spiking.events import Layout
from twentywatts.forms.spiking.kernel_dense import DELAYED, SUBTRACT, ZERO, Cells
from twentywatts.forms.spiking.kernel_general import DELAYED_ZERO, GRADED, MANY, NONE, ONE, PAYLOAD, Odd
from twentywatts.forms.spiking.lane_neurons import DECAY_BITS, LARGEST
from twentywatts.forms.spiking.packing import Packed
from twentywatts.network_spiking import Emission, Neurons, Projection, Reset, SpikingLayer

__all__ = ["MOST_SPIKES", "Parameters", "float_parameters", "whole_parameters"]

Array = NDArray[Any]
MOST_SPIKES = 127
_ROOM = 2.0**28  # of thresholds and of one step's input, in units; the membrane saturates at 2^30
_SHIFT = 12
_FINE = 64  # counts of the coarsest of several projections whose steps are no whole multiples
_EMISSIONS = {Emission.ONE: ONE, Emission.MANY: MANY, Emission.GRADED: GRADED, Emission.NONE: NONE}
_NEVER_WHOLE, _NEVER = 2**31 - 1, np.float32(np.inf)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parameters:
    """A layer's neurons.

    tile: the cells' parameters for one position where all positions are alike, else ``cells``. factors: what each
    projection's sums are multiplied by before they meet. start: membranes by lane. hot: cells that start above
    threshold; above: a bit for each of their neurons that does, whole words for each cell. rest: added to membranes
    that are shown, by lane. unit: value of one count of the membrane, 1 for floats. value: of one count of a payload.
    payload: its largest magnitude.
    """

    cells: Cells
    tile: Cells
    odd: Odd
    factors: tuple[Any, ...]
    start: Array
    hot: NDArray[np.int64]
    above: NDArray[np.uint64]
    rest: NDArray[np.float64]
    unit: float
    value: float
    payload: float


def float_parameters(layer: SpikingLayer, layout: Layout) -> Parameters:
    """Return the parameters of a float32 layer; raises InputError for neurons that are not defined."""
    neurons = layer.neurons
    _check(layer)

    def lanes(values: NDArray[np.float64], fill: Any = 0.0) -> Array:
        return layout.spread(values.astype(np.float32), fill)

    rest = neurons.values("rest")
    threshold = (neurons.values("threshold") - rest).astype(np.float32)
    exact = np.maximum(threshold, np.finfo(np.float32).tiny)
    least = np.nextafter(exact, np.float32(np.inf)) if neurons.strict else exact
    drop = neurons.values("threshold") if _subtracts(neurons) else neurons.values("reset_value") - rest
    bias, decay = layer.biases(), neurons.values("decay")
    cells = Cells(
        threshold=lanes(least, _NEVER),
        drop=lanes(drop),
        decay=lanes(decay),
        gain=lanes(neurons.values("input_gain")),
        bias=lanes(bias),
        kind=_kind(neurons),
        leaky=bool(np.any(decay != 1)),
        biased=bool(np.any(bias != 0)),
    )
    plain, start = _plain(cells, layout), lanes(neurons.values("start") - rest)
    cells = cells._replace(plain=plain, tame=plain)
    odd = _odd(neurons, layout, current_decay=lanes(neurons.values("synapse_decay")), whole=lanes(exact, _NEVER))
    return Parameters(
        cells=cells,
        tile=_tile(cells, layout),
        odd=odd,
        factors=tuple(np.float32(1) for _ in layer.projections),
        start=start,
        hot=_hot(start, cells, layout),
        above=_above(start, cells, layout),
        rest=layout.spread(rest),
        unit=1.0,
        value=1.0,
        payload=np.inf if neurons.emission is Emission.GRADED else _most(neurons),
    )


def whole_parameters(
    layer: SpikingLayer, layout: Layout, packed: Sequence[Packed], sources: Sequence[tuple[float, float]]
) -> Parameters:
    """Return the parameters of an int8 layer; sources: value and largest magnitude of each projection's payloads.

    Raises InputError where the sums do not fit into 32 bits.
    """
    neurons = layer.neurons
    _check(layer)
    step, factors, bound, shift = _scale(layer, packed, sources)
    graded = neurons.emission is Emission.GRADED
    gains, rest = neurons.values("input_gain"), neurons.values("rest")
    threshold, bias = neurons.values("threshold") - rest, layer.biases() * gains
    unit = step * (float(np.abs(gains).max()) or 1.0) / 2**shift

    def lanes(values: NDArray[np.float64], fill: int = 0) -> Array:
        return layout.spread(np.clip(np.rint(values / unit), -(2**30), 2**30).astype(np.int32), fill)

    def kept(values: NDArray[np.float64]) -> Array:
        return layout.spread(np.rint(values * 2**DECAY_BITS).astype(np.int32))

    exact = np.maximum(lanes(threshold, _NEVER_WHOLE), 1)
    drop = neurons.values("threshold") if _subtracts(neurons) else neurons.values("reset_value") - rest
    decay = neurons.values("decay")
    cells = Cells(
        threshold=np.where(exact < _NEVER_WHOLE, exact + int(neurons.strict), exact).astype(np.int32),
        drop=lanes(drop),
        decay=kept(decay),
        gain=layout.spread(np.rint(gains * step / unit).astype(np.int32)),
        bias=lanes(bias),
        kind=_kind(neurons),
        leaky=bool(np.any(decay != 1)),
        biased=bool(np.any(bias != 0)),
    )
    plain, start = _plain(cells, layout), lanes(neurons.values("start") - rest)
    cells = cells._replace(plain=plain, tame=plain and _tame(cells, start, bound))
    most = min(PAYLOAD, bound) if graded and not np.any(decay) else PAYLOAD if graded else _most(neurons)
    return Parameters(
        cells=cells,
        tile=_tile(cells._replace(tame=cells.tame and bound < 2**15), layout),
        odd=_odd(neurons, layout, current_decay=kept(neurons.values("synapse_decay")), whole=exact, shift=shift),
        factors=tuple(np.int32(f) for f in factors),
        start=start,
        hot=_hot(start, cells, layout),
        above=_above(start, cells, layout),
        rest=layout.spread(rest),
        unit=unit,
        value=unit * 2**shift if graded else 1.0,
        payload=most,
    )


def _hot(start: Array, cells: Cells, layout: Layout) -> NDArray[np.int64]:
    over = (start >= cells.threshold)[: layout.width * layout.positions].reshape(-1, layout.width)
    return np.flatnonzero(over.any(axis=1)).astype(np.int64)


def _above(start: Array, cells: Cells, layout: Layout) -> NDArray[np.uint64]:
    over = (start >= cells.threshold)[: layout.width * layout.positions]
    padded = np.zeros((layout.positions, -(-layout.width // 64) * 64), np.bool_)
    padded[:, : layout.width] = over.reshape(layout.positions, layout.width)
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64).ravel()


def _plain(cells: Cells, layout: Layout) -> bool:
    """Return whether all neurons leak, subtract at once, have no bias and have the same parameters."""
    lanes = layout.places()
    same = all(np.all(a[lanes] == a[0]) for a in (cells.threshold, cells.drop, cells.decay, cells.gain))
    return same and cells.kind == SUBTRACT and cells.leaky and not cells.biased


def _tame(cells: Cells, start: Array, bound: float) -> bool:
    """Return whether sums up to ``bound`` keep all states of a plain integer layer below 2^30.

    A state v becomes v × decay + gain × sum, at most a half off, and differs by ``drop`` after a spike.
    """
    decay, gain, drop = (int(a[0]) for a in (cells.decay, cells.gain, cells.drop))
    if not (0 <= decay < 2**DECAY_BITS and 0 <= gain < 2**DECAY_BITS):
        return False
    added = gain * bound + 1 + abs(drop)
    return max(added / (1 - decay / 2**DECAY_BITS), float(np.abs(start.astype(np.float64)).max())) < LARGEST


def _tile(cells: Cells, layout: Layout) -> Cells:
    """Return the parameters of one position, which fit into the nearest cache, where all positions are alike."""
    width, lanes = layout.width, layout.width * layout.positions
    arrays = [cells.threshold, cells.drop, cells.decay, cells.gain, cells.bias]
    rows = [array[:lanes].reshape(-1, width) for array in arrays]
    if any(np.any(row != row[0]) for row in rows):
        return cells
    threshold, drop, decay, gain, bias = (np.ascontiguousarray(row[0]) for row in rows)
    return cells._replace(threshold=threshold, drop=drop, decay=decay, gain=gain, bias=bias)


def _scale(
    layer: SpikingLayer, packed: Sequence[Packed], sources: Sequence[tuple[float, float]]
) -> tuple[float, list[int], float, int]:
    """Return the step of a sum, factors of the projections, the largest sum [counts], and the bits of the membrane.

    Raises InputError where the sums do not fit into 32 bits.
    """
    neurons = layer.neurons
    steps = [_step(p) * value for p, (value, _) in zip(layer.projections, sources, strict=True)]
    step, factors = _common(steps)
    reach = sum(f * most * p.sums for f, p, (_, most) in zip(factors, packed, sources, strict=True))
    bound = float(np.max(reach, initial=1.0))
    gain = float(np.abs(neurons.values("input_gain")).max()) or 1.0
    states = [layer.biases() * neurons.values("input_gain")]
    if neurons.emission is not Emission.GRADED:
        states += [neurons.values("threshold"), neurons.values("rest"), neurons.values("start")]
    least = max(bound, 1.0, *(float(np.abs(x).max()) / (step * gain) for x in states))
    shift = int(np.floor(np.log2(_ROOM / least)))
    if shift < 0 or bound * gain > _ROOM:
        raise InputError(
            f"the sums of layer '{layer.name}' do not fit into 32 bits (up to {least:.3g} counts): use float32 weights"
        )
    return step, factors, bound, 0 if neurons.emission is Emission.GRADED else min(shift, _SHIFT)


def _common(steps: Sequence[float]) -> tuple[float, list[int]]:
    """Return the step of the meeting sums, and by what each projection's sum is multiplied to count it."""
    least = min(steps, default=1.0)
    ratios = [step / least for step in steps]
    if all(abs(ratio - round(ratio)) < 1e-6 * ratio for ratio in ratios):
        return least, [round(ratio) for ratio in ratios]
    return least / _FINE, [round(ratio * _FINE) for ratio in ratios]


def _step(projection: Projection) -> float:
    from math import prod

    from twentywatts.network_spiking import Pool

    synapses = projection.synapses
    share = prod(synapses.kernel) if isinstance(synapses, Pool) and synapses.mean else 1
    return projection.scale / share


def _subtracts(neurons: Neurons) -> bool:
    return neurons.reset is Reset.SUBTRACT and neurons.emission is not Emission.GRADED


def _kind(neurons: Neurons) -> int:
    if neurons.delayed_reset:
        return DELAYED if neurons.reset is Reset.SUBTRACT else DELAYED_ZERO
    return SUBTRACT if _subtracts(neurons) else ZERO


def _most(neurons: Neurons) -> int:
    return (neurons.most_spikes or MOST_SPIKES) if neurons.emission is Emission.MANY else 1


def _odd(neurons: Neurons, layout: Layout, *, current_decay: Array, whole: Array, shift: int = 0) -> Odd:
    real = np.zeros(layout.lanes, np.bool_)
    real[layout.places()] = True
    return Odd(
        current_decay=current_decay,
        keeps_current=bool(np.any(neurons.values("synapse_decay") != 0)),
        whole=whole,
        emission=_EMISSIONS[neurons.emission],
        most=_most(neurons),
        signed=neurons.signed,
        shift=shift,
        real=np.packbits(real, bitorder="little"),
    )


def _check(layer: SpikingLayer) -> None:
    """Raise InputError for neurons that would fire without an event, or whose events mean two things."""
    neurons = layer.neurons
    fires = neurons.emission is not Emission.NONE
    if fires and np.any(neurons.values("threshold") <= neurons.values("rest")):
        raise InputError(f"layer '{layer.name}': thresholds must lie above the resting value")
    if fires and neurons.reset is Reset.ZERO and np.any(neurons.values("reset_value") >= neurons.values("threshold")):
        raise InputError(f"layer '{layer.name}': the value after a reset must lie below the threshold")
    several = neurons.signed or neurons.emission in (Emission.MANY, Emission.GRADED)
    if several and np.any(neurons.values("rest") != 0):
        raise InputError(f"layer '{layer.name}': signed, graded and many spikes are defined for a resting value of 0")
