"""What arrays compute: partial sums per row tile, noise of the read, conversion, and the digital addition of all parts.

y = x_step w_step k Σ_tiles Σ_phases Σ_slices 2^(dac p + digit s) a_s clip(round((x_p · G_s + n) / a_s))

with codes x, cells G (in digits), read noise n, ADC step a_s and drift compensation k. Cells are rounded to a grid of
2^-f such that every partial sum is exact in floating point: the result does not depend on the order of additions,
hence not on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.crossbar.precision import Codes, WeightGrid, phases_of

__all__ = [
    "Cells",
    "Layer",
    "ReadNoise",
    "corrected",
    "exact_product",
    "multiply",
    "on_exact_grid",
    "partial_sums",
    "row_tiles",
]

_BLOCK_COUNT = 2**17  # numbers in a block of inputs or sums: small enough for a cache
_GRID_BITS_LEAST, _GRID_BITS_MOST = 5, 20
_POOL_COUNT = 2**20

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A product, calibrated: what its arrays are told to do.

    weights: codes, shape (groups, rows, columns); weight_step: of each column. phases: conversions per input, each of
    ``phase_bits`` input bits. two_pass: positive and negative inputs one after the other. tiles: row ranges that are
    read at once. adc: codes of a conversion for each slice, empty for digital arrays. probe: input codes of calibration
    vectors that every written column is measured with, shape (groups, vectors, rows).
    """

    inputs: Codes
    weights: NDArray[np.int32]
    weight_step: NDArray[np.float32]
    grid: WeightGrid
    phases: int
    phase_bits: int
    two_pass: bool
    tiles: tuple[tuple[int, int], ...]
    adc: tuple[Codes, ...]
    probe: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Written cells. values: digits, shape (groups, rows, slices × columns). scale: of drift compensation.

    gain, offset: digital correction of each column, shape (groups, 1, columns) in units of the model, or numbers.
    """

    values: Array
    scale: float
    gain: NDArray[np.float32] | float = 1.0
    offset: NDArray[np.float32] | float = 0.0


class ReadNoise:
    """Read noise of one layer and draw: N(0, frac² d_max² cells Σ x²) per conversion, x being the code applied.

    The normal numbers come from one table of 2^20 draws, read from a seeded place on: common to all settings.
    """

    def __init__(self, frac: float, *, layer: int, draw: int, seed: int, pool: NDArray[np.float32]) -> None:
        self.frac, self._pool = frac, pool
        self._place = int(np.random.default_rng([2, seed, layer, draw]).integers(len(pool))) if frac else 0

    @staticmethod
    def pool(seed: int) -> NDArray[np.float32]:
        """Return the table."""
        return np.random.default_rng([3, seed]).standard_normal(_POOL_COUNT, dtype=np.float32)

    def add(self, sums: Array, squares: Array, unit: float) -> None:
        """Add noise in place; squares: Σ x² of each row of ``sums``; unit: deviation for Σ x² = 1, in digits."""
        place = self._place % len(self._pool)
        normal = self._pool[place : place + sums.size]
        if len(normal) < sums.size:
            normal = np.resize(np.concatenate([normal, self._pool[:place]]), sums.size)
        self._place += sums.size
        deviation = np.sqrt(squares.astype(np.float32)) * np.float32(unit)
        sums += normal.reshape(sums.shape) * deviation[..., None]


def row_tiles(row_count: int, rows: int, active_rows: int) -> tuple[tuple[int, int], ...]:
    """Return the row ranges that one read sums: arrays of ``rows``, of which ``active_rows`` at once."""
    found = []
    for start in range(0, row_count, rows):
        stop = min(start + rows, row_count)
        found += [(low, min(low + active_rows, stop)) for low in range(start, stop, active_rows)]
    return tuple(found)


def on_exact_grid(values: NDArray[np.float32], layer: Layer) -> Array:
    """Return cells rounded so that sums over a tile are exact, in float32 where that leaves 5 bits, else float64."""
    code = min(2**layer.phase_bits - 1, max(layer.inputs.high, -layer.inputs.low))
    reach = max(float(np.abs(values[:, low:high]).sum(axis=1, dtype=np.float64).max()) for low, high in layer.tiles)
    reach = max(1.0, reach) * code * 1.01
    kind: np.dtype[Any] = np.dtype(np.float32)
    bits = 24 - int(np.ceil(np.log2(reach)))
    whole = bool(np.array_equal(values, np.rint(values)))
    if bits < (0 if whole else _GRID_BITS_LEAST):
        kind, bits = np.dtype(np.float64), 53 - int(np.ceil(np.log2(reach)))
    factor = 2.0 ** min(bits, _GRID_BITS_MOST)
    return np.ascontiguousarray(np.rint(values.astype(kind) * factor) / factor, dtype=kind)


def partial_sums(codes: NDArray[np.int32], layer: Layer, values: Array) -> tuple[Array, Array]:
    """Return the sums of one tile, shape (groups, phases, vectors, slices × columns), and the inputs of each phase.

    codes: shape (groups, vectors, rows of the tile). values: cells of these rows.
    """
    parts = phases_of(codes, layer.phase_bits, layer.phases) if layer.phases > 1 else codes[None]
    applied = np.moveaxis(parts, 0, 1).astype(values.dtype)
    groups, phases, count, rows = applied.shape
    sums = np.matmul(applied.reshape(groups, phases * count, rows), values)
    return sums.reshape(groups, phases, count, -1), applied


def multiply(codes: NDArray[np.int32], layer: Layer, cells: Cells, noise: ReadNoise) -> NDArray[np.float32]:
    """Return the products in units of the model, shape (groups, vectors, columns), of input codes."""
    if not layer.two_pass or layer.inputs.low == 0:
        total = _pass(codes, layer, cells, noise)
    else:
        total = _pass(np.maximum(codes, 0), layer, cells, noise)
        total -= _pass(np.maximum(-codes, 0), layer, cells, noise)
    if layer.grid.offset:
        total *= np.float32(cells.scale)
        total -= codes.sum(axis=-1, keepdims=True).astype(np.float32) * np.float32(2 ** (layer.grid.bits - 1))
        return total * (layer.weight_step * np.float32(layer.inputs.step))
    return total * (layer.weight_step * np.float32(layer.inputs.step * cells.scale))


def corrected(layer: Layer, cells: Cells, noise: ReadNoise) -> Cells:
    """Return the cells with the gain and offset that undo each column's measured response to the probe vectors.

    The response a × exact + b is fitted by least squares and inverted; a fit of exact on measured values would shrink
    noisy columns and so change which output is largest. Gains outside 0.5 to 2 are cut.
    """
    reach = np.abs(layer.weights).sum(axis=1).max(initial=1) * max(layer.inputs.high, -layer.inputs.low)
    kind = np.float32 if reach < 2**24 else np.float64
    wanted = exact_product(layer.probe, layer, layer.weights.astype(kind)).astype(np.float64)
    found = multiply(layer.probe, layer, cells, noise).astype(np.float64)
    wanted_mean, found_mean = wanted.mean(axis=1, keepdims=True), found.mean(axis=1, keepdims=True)
    spread = ((wanted - wanted_mean) ** 2).sum(axis=1, keepdims=True)
    common = ((found - found_mean) * (wanted - wanted_mean)).sum(axis=1, keepdims=True)
    gain = np.clip(np.divide(spread, common, out=np.ones_like(spread), where=common > 0.0), 0.5, 2.0)
    offset = wanted_mean - gain * found_mean
    return Cells(values=cells.values, scale=cells.scale, gain=gain.astype(np.float32), offset=offset.astype(np.float32))


def exact_product(codes: NDArray[np.int32], layer: Layer, values: Array) -> NDArray[np.float32]:
    """Return what a digital array computes: whole numbers, exactly."""
    sums = np.matmul(codes.astype(values.dtype), values).astype(np.float32)
    return sums * (layer.weight_step * np.float32(layer.inputs.step))


def _pass(codes: NDArray[np.int32], layer: Layer, cells: Cells, noise: ReadNoise) -> NDArray[np.float32]:
    groups, count, rows = codes.shape
    columns = cells.values.shape[-1] // layer.grid.slices
    total = np.zeros((groups, count, columns), dtype=np.float32)
    widest = groups * layer.phases * max(rows if len(layer.tiles) == 1 else layer.tiles[0][1], cells.values.shape[-1])
    block = max(16, _BLOCK_COUNT // widest)
    for start in range(0, count, block):
        part = codes[:, start : start + block]
        for low, high in layer.tiles:
            sums, applied = partial_sums(part[..., low:high], layer, cells.values[:, low:high])
            if noise.frac:
                unit = noise.frac * layer.grid.digit_high * np.sqrt(1.0 if layer.grid.offset else 2.0)
                noise.add(sums, np.einsum("gpnr,gpnr->gpn", applied, applied), float(unit))
            _convert(sums, layer, total[:, start : start + block])
    return total


def _convert(sums: Array, layer: Layer, total: NDArray[np.float32]) -> None:
    """Convert the partial sums and add them, shifted, to ``total``; ``sums`` is used up."""
    columns, first = total.shape[-1], layer.adc[0]
    sums *= np.repeat([1.0 / adc.step for adc in layer.adc], columns).astype(sums.dtype)
    np.rint(sums, out=sums)
    np.clip(sums, first.low, first.high, out=sums)
    shifted = sums[:, -1]
    for phase in reversed(range(layer.phases - 1)):
        shifted *= 2.0**layer.phase_bits
        shifted += sums[:, phase]
    for index, adc in enumerate(layer.adc):
        part = shifted[..., index * columns : (index + 1) * columns]
        total += (part * (adc.step * 2.0 ** (index * layer.grid.digit_bits))).astype(np.float32, copy=False)
