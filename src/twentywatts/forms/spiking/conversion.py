"""Conversion: a lowered ReLU network becomes integrate-and-fire neurons with integer weights, as one chip holds them.

A neuron starts at half its threshold, and what is left over after a spike stays (soft reset). Source: Rueckauer 2017
(percentiles, soft reset), Bu 2022 (half the threshold).
Weights, thresholds and biases are whole numbers of one unit per block. A projection's step is that of its neighbours
times a power of two, as chips with a weight exponent have it, so that a residual path does not coarsen the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log2

import numpy as np

from twentywatts.errors import RefusedError
from twentywatts.forms.lowering import Block, Floats, Geometry, Kind, Linear, Lowered, apply
from twentywatts.forms.spiking.calibration import Prepared
from twentywatts.forms.spiking.engine import Wiring
from twentywatts.forms.spiking.quantise import few_values, scale_of, to_integers
from twentywatts.machines import SpikingTraits

__all__ = ["LIMIT", "MAX_TIMESTEPS", "Analog", "Converted", "Group", "Synapses", "convert"]

MAX_TIMESTEPS = 256
_SAFE_SUM = 2**29
LIMIT = _SAFE_SUM // MAX_TIMESTEPS  # of one step's input: MAX_TIMESTEPS of them stay in 32 bits
_ANALOG_THRESHOLD = 2**15
_FRACTION_BITS = 12
_INPUT_LEVELS = 2**15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Synapses:
    """Spikes of ``source`` into a group."""

    source: str
    geometry: Geometry
    wiring: Wiring


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analog:
    """The model's input into a group, computed once per inference: whole weights × input levels × ``factor``.

    input_step: one level of the input, so fine that 15 bits hold the largest calibration sample.
    """

    source: str
    linear: Linear
    input_step: float
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Neurons of one block. bias (positions × channels) and threshold count in ``unit`` (activation per count)."""

    name: str
    kind: Kind
    channels: int
    positions: int
    synapses: tuple[Synapses, ...]
    analog: tuple[Analog, ...]
    bias: Floats
    threshold: int
    unit: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Converted:
    """A model as one chip's neurons, whatever the number of timesteps; notes: what a reader of results must know."""

    lowered: Lowered
    groups: tuple[Group, ...]
    weight_bits: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """A projection as the chip holds it: whole weights, and what one of them is worth in activation."""

    source: str
    whole: Linear
    step: float


def convert(prepared: Prepared, traits: SpikingTraits) -> Converted:
    """Return the neurons of a chip; raises RefusedError naming the layer whose fan-in is beyond its cores."""
    for block in prepared.lowered.blocks:
        fan_in = sum(projection.linear.geometry.fan_in_count for projection in block.projections)
        if traits.fan_in_count is not None and fan_in > traits.fan_in_count:
            raise RefusedError(
                f"a neuron of layer '{block.name}' has {fan_in} inputs, and a core of this chip takes "
                f"{traits.fan_in_count}: a smaller kernel or fewer channels before it fit"
            )
    groups = tuple(
        _max_group(block) if block.kind is Kind.MAX else _group(block, prepared, traits)
        for block in prepared.lowered.blocks
    )
    notes = _notes(prepared.lowered, groups, traits)
    return Converted(lowered=prepared.lowered, groups=groups, weight_bits=traits.weight_bits, notes=notes)


def _notes(lowered: Lowered, groups: Sequence[Group], traits: SpikingTraits) -> tuple[str, ...]:
    held = f"weights held in {traits.weight_bits} bits"
    if traits.weight_value_count is not None:
        held += f", {traits.weight_value_count} values per neuron (their tie to input types is not modelled)"
    notes = [held]
    if any(group.analog for group in groups):
        notes.append("the input is analog: its layer is computed once per inference and injected in every step")
    if lowered.readout:
        names = ", ".join(f"'{layer.name}' ({layer.op})" for layer in lowered.readout)
        notes.append(f"{names} is applied to the output neurons' sums, outside the neurons")
    if any(group.kind is Kind.MAX for group in groups):
        notes.append("max pooling needs a unit that counts spikes per window; no chip here is known to have one")
    return tuple(notes)


def _group(block: Block, prepared: Prepared, traits: SpikingTraits) -> Group:
    spiking: dict[tuple[int, str], Linear] = {}
    analog: dict[tuple[int, str], Linear] = {}
    for number, projection in enumerate(block.projections):
        kind = spiking if projection.source in prepared.thresholds else analog
        kind[number, projection.source] = projection.linear
    spikes, currents = _hold(spiking, traits, shared=True), _hold(analog, traits, shared=False)
    bias = block.bias
    if np.any(bias):  # a layer without biases stays so: its neurons rest where no spike arrives
        bias = bias + _lost(spiking, spikes, prepared) + _lost(analog, currents, prepared)
    peak = prepared.peaks.get(block.name) or 1.0  # of the readout; elsewhere a spike stands for 1
    unit = _unit(block, spikes, bias, peak)
    return Group(
        name=block.name,
        kind=block.kind,
        channels=bias.shape[0],
        positions=bias.shape[1],
        synapses=tuple(
            Synapses(source=h.source, geometry=h.whole.geometry, wiring=_wiring(h.whole, round(h.step / unit)))
            for h in spikes
        ),
        analog=tuple(_analog(h, unit, prepared.peaks[h.source]) for h in currents),
        bias=np.rint(bias.T.ravel() / unit),
        threshold=max(2, round(peak / unit)),
        unit=unit,
    )


def _max_group(block: Block) -> Group:
    pool = block.projections[0]
    return Group(
        name=block.name,
        kind=block.kind,
        channels=block.bias.shape[0],
        positions=block.bias.shape[1],
        synapses=(Synapses(source=pool.source, geometry=pool.linear.geometry, wiring=_wiring(pool.linear, 1)),),
        analog=(),
        bias=np.zeros(block.bias.size),
        threshold=1,
        unit=1.0,
    )


def _hold(linears: Mapping[tuple[int, str], Linear], traits: SpikingTraits, *, shared: bool) -> list[_Held]:
    """Return projections in whole weights.

    ``shared``: they are synapses of one layer, so that their steps are powers of two of the smallest one, and a chip's
    limit of values per neuron holds; products of the analog input are computed outside, and only the bits count.
    """
    if not linears:
        return []
    exact = list(linears.values())
    if shared and traits.weight_value_count is not None:
        exact = few_values(exact, traits.weight_value_count)
    steps = [scale_of(linear.weight, traits.weight_bits) for linear in exact]
    used = [step for step, linear in zip(steps, exact, strict=True) if np.any(linear.weight)]
    if shared and used:
        least = min(used)
        steps = [least * 2.0 ** max(0, ceil(log2(step / least) - 1e-9)) if step in used else least for step in steps]
    return [
        _Held(source=source, whole=_with(linear, to_integers(linear.weight, step, traits.weight_bits)), step=step)
        for (_, source), linear, step in zip(linears, exact, steps, strict=True)
    ]


def _with(linear: Linear, weight: Floats) -> Linear:
    return Linear(geometry=linear.geometry, weight=weight)


def _lost(exact: Mapping[tuple[int, str], Linear], held: Sequence[_Held], prepared: Prepared) -> Floats:
    """Return by how much coarse weights lower each channel's mean sum, shape (channels, 1), to be added to its bias."""
    total = np.zeros((1, 1))
    for (_, source), linear, coarse in zip(exact, exact.values(), held, strict=True):
        missing = _with(linear, linear.weight - coarse.whole.weight * coarse.step)
        total = total + apply(missing, prepared.means[source][None])[0].mean(axis=1, keepdims=True)
    return total


def _unit(block: Block, spikes: Sequence[_Held], bias: Floats, peak: float) -> float:
    """Return the activation of one count: as fine as sums over MAX_TIMESTEPS allow."""
    if not spikes:
        return peak / _ANALOG_THRESHOLD
    least = min(held.step for held in spikes)
    largest = sum(float(np.abs(held.whole.by_output()).sum(axis=1).max()) * held.step for held in spikes)
    room = LIMIT * least / max(largest + float(np.abs(bias).max()), peak / MAX_TIMESTEPS, least)
    if room < 1:
        raise RefusedError(
            f"the sums of layer '{block.name}' do not fit in 32 bits over {MAX_TIMESTEPS} steps: its weights or "
            "biases lie too far apart; train with weight decay, or with BatchNorm before the ReLU"
        )
    return float(least / 2.0 ** min(_FRACTION_BITS, floor(log2(room))))


def _wiring(whole: Linear, factor: int) -> Wiring:
    geometry = whole.geometry
    first = np.searchsorted(geometry.taps_in, np.arange(geometry.in_positions + 1))
    return Wiring(
        first=first.astype(np.int32),
        entry=geometry.taps_kernel.astype(np.int32),
        target=geometry.taps_out.astype(np.int32),
        weight=np.ascontiguousarray(whole.weight * factor).astype(np.int32),
        nonzero=np.count_nonzero(whole.weight, axis=2).astype(np.int32),
        sizes=(
            geometry.in_positions,
            geometry.in_channels // geometry.groups,
            geometry.out_channels,
            geometry.out_positions,
        ),
    )


def _analog(held: _Held, unit: float, peak: float) -> Analog:
    step = 2.0 ** ceil(log2(peak or 1.0)) / _INPUT_LEVELS
    return Analog(source=held.source, linear=held.whole, input_step=step, factor=held.step * step / unit)
