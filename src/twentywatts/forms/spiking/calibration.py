"""Calibration: what one spike of each block stands for, found by running the float network on some samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError
from twentywatts.forms._lowering_linear import Floats
from twentywatts.forms.lowering import Kind, Lowered, lower, sum_of
from twentywatts.forms.protocol import Inputs
from twentywatts.network import Network

__all__ = ["Prepared", "as_signal", "prepare"]

PERCENTILE = 99.0
_SAMPLES = 256
_VALUES = 2**24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A model lowered and calibrated, for every chip alike.

    thresholds: activation that one spike stands for, by block. means: mean value of blocks and inputs, shape
    (channels, positions). peaks: largest magnitude of each input, and of the readout's sum.
    """

    lowered: Lowered
    thresholds: Mapping[str, float]
    means: Mapping[str, Floats]
    peaks: Mapping[str, float]


def prepare(network: Network, calibration: Inputs, *, percentile: float = PERCENTILE) -> Prepared:
    """Return the model lowered and calibrated; raises RefusedError naming the layer without a spiking form.

    At most 256 samples are used, evenly spaced; fewer where the activations of one layer would pass 128 MiB.
    """
    lowered = lower(network)
    values = _inputs(lowered, calibration)
    thresholds: dict[str, float] = {}
    means = {name: x.mean(axis=0) for name, x in values.items()}
    peaks = {name: float(np.abs(x).max(initial=0.0)) for name, x in values.items()}
    for block in lowered.blocks:
        total = sum_of(block, values)
        if block.kind is Kind.READOUT:
            peaks[block.name] = float(np.abs(total).max(initial=0.0))
            break
        value = np.clip(total, 0.0, block.ceiling)
        passed_on = thresholds.get(block.projections[0].source, 1.0)
        thresholds[block.name] = passed_on if block.kind is Kind.MAX else _threshold(value, percentile)
        values[block.name], means[block.name] = value, value.mean(axis=0)
    return Prepared(lowered=lowered, thresholds=thresholds, means=means, peaks=peaks)


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


def _threshold(value: Floats, percentile: float) -> float:
    """Return the percentile of an activation; the largest where nearly all are zero, 1 where all are."""
    return float(np.percentile(value, percentile)) or float(value.max(initial=0.0)) or 1.0
