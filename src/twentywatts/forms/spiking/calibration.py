"""Calibration: what one spike of each neuron stands for, found by running the float network on some samples.

One spike of a channel stands for a percentile of the channel's activations. Dividing a channel's incoming weights by it
and multiplying the outgoing ones leaves a network whose activations lie between 0 and 1, one threshold for a whole
layer, and weights of one scale: nothing that a chip would have to hold besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError
from twentywatts.forms.lowering import Block, Floats, Kind, Lowered, Projection, lower, sum_of
from twentywatts.forms.protocol import Inputs
from twentywatts.network import Network

__all__ = ["Prepared", "as_signal", "prepare", "recalibrate"]

PERCENTILE = 99.0
_LEAST_SHARE = 0.25  # of the layer's percentile: a channel that is nearly silent must not get huge weights
_SAMPLES = 256
_VALUES = 2**24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A model lowered, calibrated and scaled so that a spike stands for 1, for every chip alike.

    thresholds: activation of the model that one spike stands for, by block, shape (channels,). means: mean value of
    scaled blocks and of inputs, shape (channels, positions). peaks: largest magnitude of inputs and the readout's sum.
    """

    lowered: Lowered
    thresholds: Mapping[str, Floats]
    means: Mapping[str, Floats]
    peaks: Mapping[str, float]


def prepare(network: Network, calibration: Inputs, *, percentile: float = PERCENTILE) -> Prepared:
    """Return the model lowered and calibrated; raises RefusedError naming the layer without a spiking form.

    At most 256 samples are used, evenly spaced; fewer where the activations of one layer would pass 128 MiB.
    """
    return _prepared(lower(network), calibration, percentile=percentile, known={})


def recalibrate(lowered: Lowered, calibration: Inputs, *, thresholds: Mapping[str, Floats]) -> Prepared:
    """Return blocks calibrated, with given ``thresholds`` of shape (channels,) by block: training has chosen them."""
    return _prepared(lowered, calibration, percentile=PERCENTILE, known=thresholds)


def _prepared(lowered: Lowered, calibration: Inputs, *, percentile: float, known: Mapping[str, Floats]) -> Prepared:
    values = _inputs(lowered, calibration)
    means = {name: x.mean(axis=0) for name, x in values.items()}
    peaks = {name: float(np.abs(x).max(initial=0.0)) for name, x in values.items()}
    thresholds: dict[str, Floats] = {}
    blocks = []
    for block in lowered.blocks:
        total = sum_of(block, values)
        if block.kind is Kind.READOUT:
            peaks[block.name] = float(np.abs(total).max(initial=0.0))
            blocks.append(_scaled(block, thresholds, np.ones(len(block.bias))))
            break
        value = values[block.name] = np.clip(total, 0.0, block.ceiling)
        worth = thresholds.get(block.projections[0].source) if block.kind is Kind.MAX else None
        worth = known.get(block.name, worth)
        if worth is None:
            worth = _thresholds(value, percentile, by_channel=_keeps_channels(block, lowered))
        thresholds[block.name] = worth
        means[block.name] = value.mean(axis=0) / worth[:, None]
        blocks.append(block if block.kind is Kind.MAX else _scaled(block, thresholds, worth))
    scaled = replace(lowered, blocks=tuple(blocks))
    return Prepared(lowered=scaled, thresholds=thresholds, means=means, peaks=peaks)


def _inputs(lowered: Lowered, calibration: Inputs) -> dict[str, Floats]:
    missing = [name for name in lowered.inputs if name not in calibration or not len(calibration[name])]
    if missing:
        raise DataError(f"no samples to calibrate input '{missing[0]}': thresholds are percentiles of real activations")
    largest = max(block.bias.size for block in lowered.blocks)
    have = min(len(calibration[name]) for name in lowered.inputs)
    count = max(1, min(have, _SAMPLES, _VALUES // largest))
    picked = np.linspace(0, have - 1, count).astype(int)
    return {name: as_signal(np.asarray(calibration[name])[picked], shape) for name, shape in lowered.inputs.items()}


def as_signal(x: NDArray[np.generic], shape: tuple[int, ...]) -> Floats:
    """Return samples as floats of shape (samples, channels, positions)."""
    return np.asarray(x, dtype=np.float64).reshape(len(x), shape[0] if shape else 1, -1)


def _thresholds(value: Floats, percentile: float, *, by_channel: bool) -> Floats:
    """Return what one spike stands for, shape (channels,): the channel's percentile, within bounds of the layer's.

    Where nearly all values are zero the largest one stands in, and 1 where all are.
    """
    whole = float(np.percentile(value, percentile)) or float(value.max(initial=0.0)) or 1.0
    if not by_channel:
        return np.full(value.shape[1], whole)
    own = np.percentile(value, percentile, axis=(0, 2))
    return np.maximum(own, _LEAST_SHARE * whole)


def _keeps_channels(block: Block, lowered: Lowered) -> bool:
    """Return whether every reader, also behind a max pooling, sees the block's channels or flattened parts of them."""
    names, readers = {block.name}, []
    for other in lowered.blocks:
        found = [p for p in other.projections if p.source in names]
        readers += found
        if found and other.kind is Kind.MAX:
            names.add(other.name)
    return all(p.linear.geometry.in_channels % len(block.bias) == 0 for p in readers)


def _scaled(block: Block, thresholds: Mapping[str, Floats], worth: Floats) -> Block:
    """Return a block that takes and gives values in spikes."""

    def scaled(projection: Projection) -> Projection:
        linear = projection.linear.scaled_outputs(1.0 / worth)
        if projection.source in thresholds:
            incoming = thresholds[projection.source]
            repeats = max(1, linear.geometry.in_channels // len(incoming))
            linear = linear.scaled_inputs(np.resize(np.repeat(incoming, repeats), linear.geometry.in_channels))
        return replace(projection, linear=linear)

    return replace(
        block, projections=tuple(scaled(p) for p in block.projections), bias=block.bias / worth[:, None], ceiling=np.inf
    )
