"""Rounding to a grid: input codes, signed weight codes, their slices, and the step that loses least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "WeightGrid", "best_step", "input_codes", "phases_of", "slices_of", "weight_codes"]

Float = NDArray[np.float64]
_SHARES = np.geomspace(0.05, 1.0, 40)  # candidate ranges as shares of the largest value
_SAMPLE_COUNT = 8192  # values that a range is chosen from


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The whole numbers that a quantity may take, and what one step is worth."""

    step: float
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightGrid:
    """How a signed weight of ``bits`` lies in cells.

    slices: cells per weight and side. digit_bits: magnitude bits in one cell. offset: the code is raised by
    2^(bits - 1) and a cell never holds a sign; otherwise every cell (or pair of cells) has one.
    """

    bits: int
    slices: int
    digit_bits: int
    offset: bool

    @property
    def high(self) -> int:
        """Largest code; the smallest is its negative."""
        return 2 ** (self.bits - 1) - 1

    @property
    def digit_high(self) -> int:
        """Largest digit of a cell."""
        return 2**self.digit_bits - 1


def best_step(values: NDArray[np.floating], low: int, high: int, *, lossless: float = 0.0) -> float:
    """Return the step of codes from ``low`` to ``high`` with the least squared error, clipping included.

    lossless: a step that represents the values exactly, taken if the codes reach them all. Ranges between 5 % and
    100 % of the largest value are tried.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    top = max(float(flat.max(initial=0.0)) / high, float(flat.min(initial=0.0)) / low if low else 0.0)
    if top <= 0.0:
        return lossless or 1.0
    if 0.0 < top <= lossless:
        return lossless
    sample = flat
    if flat.size > _SAMPLE_COUNT:
        sample = np.concatenate([flat[_some(flat.size, _SAMPLE_COUNT)], [flat.min(), flat.max()]])
    steps = np.maximum(top * _SHARES, lossless)
    errors = [np.square(np.clip(np.rint(sample / step), low, high) * step - sample).sum() for step in steps]
    return float(steps[int(np.argmin(errors))])


def _some(count: int, wanted: int) -> NDArray[np.int64]:
    """Return ``wanted`` of ``count`` places, always the same ones, without the pattern that a stride would have."""
    return np.random.default_rng(0).integers(count, size=wanted)


def input_codes(values: NDArray[np.floating], bits: int, *, one_pass: bool) -> Codes:
    """Return the codes of a layer's inputs from calibration values.

    Inputs without negative values: 0 to 2^bits - 1. Signed inputs: a sign and bits - 1 bits where the array drives
    both signs at once, a sign and all bits where they take two passes.
    """
    unsigned = best_step(values, 0, 2**bits - 1)
    if float(np.min(values, initial=0.0)) >= -unsigned / 2.0:
        return Codes(step=unsigned, low=0, high=2**bits - 1)
    high = 2 ** (bits - 1 if one_pass and bits > 1 else bits) - 1
    return Codes(step=best_step(values, -high, high), low=-high, high=high)


def weight_codes(
    matrix: NDArray[np.float32], grid: WeightGrid, *, noise_variance: Callable[[Float], Float]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return codes of shape (groups, rows, columns) and the step of every column, shape (groups, 1, columns).

    A column's range is the share of its largest weight (0.3 to 1) whose expected squared error is least: clipping,
    rounding, and noise, which grows with the range. ``noise_variance(g)`` is that of a weight with conductance share
    g, as a share of the range squared.
    """
    magnitude = np.abs(matrix)
    top = np.maximum(magnitude.max(axis=1, keepdims=True), np.float32(1e-30))
    best_error = np.full(top.shape, np.inf)
    best = top.copy()
    for share in np.linspace(1.0, 0.3, 15):
        limit = (top * share).astype(np.float32)
        kept = np.minimum(magnitude, limit)
        noise = noise_variance((kept / limit).astype(np.float64)) + 1.0 / (12.0 * grid.high**2)
        error = ((magnitude - kept) ** 2).sum(axis=1, keepdims=True) + (noise * limit**2).sum(axis=1, keepdims=True)
        better = error < best_error
        best_error, best = np.where(better, error, best_error), np.where(better, limit, best)
    step = (best / grid.high).astype(np.float32)
    codes = np.clip(np.rint(matrix / step), -grid.high, grid.high).astype(np.int32)
    return codes, step


def slices_of(codes: NDArray[np.int32], grid: WeightGrid) -> NDArray[np.float32]:
    """Return digits, shape (slices, …), least first: Σ digit × 2^(slice × digit bits) is the code (+ its offset)."""
    whole = codes + 2 ** (grid.bits - 1) if grid.offset else np.abs(codes)
    sign = np.ones_like(codes) if grid.offset else np.sign(codes)
    digits = [(whole >> (index * grid.digit_bits)) & grid.digit_high for index in range(grid.slices)]
    return np.stack([digit * sign for digit in digits]).astype(np.float32)


def phases_of(codes: NDArray[np.int32], dac_bits: int, count: int) -> NDArray[np.int32]:
    """Return the parts of codes that are applied one after another, shape (count, …), least first, with their sign."""
    magnitude, sign = np.abs(codes), np.sign(codes)
    mask = 2**dac_bits - 1
    return np.stack([((magnitude >> (index * dac_bits)) & mask) * sign for index in range(count)])
