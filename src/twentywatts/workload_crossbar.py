"""Tiling: how many arrays, phases, reads and conversions a matrix product takes on in-memory arrays.

Pure counting, shared by the form that runs a crossbar and the pricer that charges for it. Every quantity is an array
of shape (..., layers). Symbols: R inputs, C outputs, g groups, N vectors (products per inference); an array has r
rows and c columns, a rows active at once; a weight takes S_w columns for its slices and D for its pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twentywatts.uncertain import Array

__all__ = ["ArrayShape", "Tiling", "phase_count", "slice_count", "tile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayShape:
    """One array and the precision it is used with.

    rows, columns: cells [count]. active_rows: rows read at once. columns_per_weight: 2 for a differential pair.
    slices: columns per weight and side, see ``slice_count``. phases_per_conversion: more than 1 where the phases of
    an input add up in analog before one conversion (charge on a capacitor); otherwise every phase is converted.
    """

    rows: int
    columns: int
    active_rows: int
    columns_per_weight: int = 1
    slices: int = 1
    phases_per_conversion: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tiling:
    """Counts per inference, shape (..., layers); what a count is said of is in its name.

    row_tiles, column_tiles: arrays that one group spans. array_count: arrays that hold the layer. cell_count: cells
    that hold a weight. utilisation_frac: of the cells in those arrays. row_drives: rows driven, once per phase.
    cell_reads: cells read, once per phase. conversions: analog-to-digital, a pair once. sequential_reads: reads that
    follow each other in time. partial_sum_adds: digital additions across row tiles. mac_count.
    """

    row_tiles: Array
    column_tiles: Array
    array_count: Array
    cell_count: Array
    utilisation_frac: Array
    row_drives: Array
    cell_reads: Array
    conversions: Array
    sequential_reads: Array
    partial_sum_adds: Array
    mac_count: Array


def slice_count(weight_bits: int, cell_bits: int, columns_per_weight: int = 1) -> int:
    """Return columns per weight and side: a pair carries the sign, so its slices hold one bit less."""
    bits = weight_bits - 1 if columns_per_weight == 2 else weight_bits
    return max(1, -(-bits // cell_bits))


def phase_count(input_bits: int, dac_bits: int, passes: Array | int = 1) -> Array:
    """Return read phases per input: ceil(input bits / DAC bits), times the passes that its sign needs."""
    return np.asarray(passes, float) * max(1, -(-input_bits // dac_bits))


def tile(
    shape: ArrayShape, *, row_count: Array, column_count: Array, group_count: Array, vector_count: Array, phases: Array
) -> Tiling:
    """Return the Tiling of layers with R = row_count, C = column_count, g = group_count, N = vector_count.

    T_r = ceil(R/r), T_c = ceil(C S_w D / c). Groups that fit one array stand in it block by block. Weights stay
    where they are (weight-stationary); nothing is searched.
    """
    rows, outputs = np.asarray(row_count, float), np.asarray(column_count, float)
    width = outputs * shape.slices * shape.columns_per_weight
    row_tiles, column_tiles = np.ceil(rows / shape.rows), np.ceil(width / shape.columns)
    arrays = np.ceil(group_count / _groups_per_array(shape, rows, width)) * row_tiles * column_tiles
    cells = group_count * rows * width
    products = vector_count * group_count
    reads_per_phase = np.ceil(np.minimum(rows, shape.rows) / shape.active_rows)
    converted = phases / shape.phases_per_conversion * reads_per_phase * row_tiles
    return Tiling(
        row_tiles=row_tiles,
        column_tiles=column_tiles,
        array_count=arrays,
        cell_count=cells,
        utilisation_frac=cells / (arrays * shape.rows * shape.columns),
        row_drives=products * phases * rows * column_tiles,
        cell_reads=vector_count * phases * cells,
        conversions=products * converted * outputs * shape.slices,
        sequential_reads=vector_count * phases * reads_per_phase,
        partial_sum_adds=products * outputs * (row_tiles - 1.0),
        mac_count=products * rows * outputs,
    )


def _groups_per_array(shape: ArrayShape, rows: Array, width: Array) -> Array:
    """Return how many groups stand block-diagonally in one array, at least 1."""
    blocks = np.minimum(np.floor(shape.rows / rows), np.floor(shape.columns / width))
    return np.maximum(blocks, 1.0)
