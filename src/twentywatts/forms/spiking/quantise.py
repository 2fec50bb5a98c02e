"""Weights as a chip holds them: few signed integers of one scale per projection, or few values per neuron."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms._lowering_linear import Floats, Linear

__all__ = ["few_values", "scale_of", "to_integers"]

_CLIPS = np.linspace(0.3, 1.0, 29)
_ROUNDS = 20


def scale_of(weight: Floats, bits: int) -> float:
    """Return the step of a signed symmetric quantisation with the least squared error, 1 for all-zero weights.

    bits: with the sign, at least 2. Beyond 8 bits nothing is clipped.
    """
    largest, levels = float(np.abs(weight).max(initial=0.0)), 2 ** (bits - 1) - 1
    if largest == 0.0:
        return 1.0
    if bits > 8:
        return largest / levels
    steps = largest * _CLIPS / levels
    errors = [float(np.square(weight - step * to_integers(weight, step, bits)).sum()) for step in steps]
    return float(steps[int(np.argmin(errors))])


def to_integers(weight: Floats, step: float, bits: int) -> Floats:
    """Return weights in steps, rounded and clipped to ±(2^(bits-1) - 1); whole numbers as floats."""
    levels = 2 ** (bits - 1) - 1
    return np.clip(np.rint(weight / step), -levels, levels)


def few_values(linears: list[Linear], count: int) -> list[Linear]:
    """Return the maps with at most ``count`` distinct non-zero weights into each output channel.

    A weight of zero is a synapse that is not there, and costs no value. One-dimensional k-means over all weights of an
    output channel, started at quantiles: the same weights always give the same values.
    """
    rows = np.concatenate([linear.by_output() for linear in linears], axis=1)
    ends = np.cumsum([linear.by_output().shape[1] for linear in linears])[:-1]
    parts = np.split(np.stack([_clustered(row, count) for row in rows]), ends, axis=1)
    return [linear.with_rows(part) for linear, part in zip(linears, parts, strict=True)]


def _clustered(row: Floats, count: int) -> Floats:
    present = row[row != 0]
    if len(np.unique(present)) <= count:
        return row
    centres = np.quantile(present, (np.arange(count) + 0.5) / count)
    for _ in range(_ROUNDS):
        nearest = _nearest(present, centres)
        sums = np.bincount(nearest, weights=present, minlength=count)
        sizes = np.bincount(nearest, minlength=count)
        centres = np.sort(np.where(sizes > 0, sums / np.maximum(sizes, 1), centres))
    return np.where(row != 0, centres[_nearest(row, centres)], 0.0)


def _nearest(values: Floats, centres: Floats) -> NDArray[np.intp]:
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
