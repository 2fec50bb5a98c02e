"""Weights as a chip holds them: few signed integers of one scale per projection, or few values per neuron."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.lowering import Floats, Linear

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

    A weight of zero is a synapse that is not there, and costs no value: small weights may become zero.
    One-dimensional k-means over all weights of an output channel, started at quantiles of the positive and of the
    negative ones: the same weights always give the same values.
    """
    rows = np.concatenate([linear.by_output() for linear in linears], axis=1)
    ends = np.cumsum([linear.by_output().shape[1] for linear in linears])[:-1]
    parts = np.split(np.stack([_clustered(row, count) for row in rows]), ends, axis=1)
    return [linear.with_rows(part) for linear, part in zip(linears, parts, strict=True)]


def _clustered(row: Floats, count: int) -> Floats:
    if len(np.unique(row[row != 0])) <= count:
        return row
    free = _start(row, count)
    for _ in range(_ROUNDS):
        centres = np.sort(np.append(free, 0.0))
        nearest = _nearest(row, centres)
        sums = np.bincount(nearest, weights=row, minlength=len(centres))
        sizes = np.bincount(nearest, minlength=len(centres))
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres)
        free = np.delete(moved, int(np.flatnonzero(centres == 0.0)[0]))
    centres = np.sort(np.append(free, 0.0))
    return centres[_nearest(row, centres)]


def _start(row: Floats, count: int) -> Floats:
    """Return starting values on both sides of zero, as many on each as its share of the squared weights asks for."""
    above, below = row[row > 0], row[row < 0]
    share = np.square(above).sum() / np.square(row).sum()
    up = (
        int(np.clip(round(count * float(share)), len(above) > 0, count - (len(below) > 0)))
        if count > 1
        else round(share)
    )
    found = [np.quantile(side, (np.arange(n) + 1.0) / (n + 1.0)) for side, n in ((above, up), (below, count - up)) if n]
    return np.concatenate(found)


def _nearest(values: Floats, centres: Floats) -> NDArray[np.intp]:
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
