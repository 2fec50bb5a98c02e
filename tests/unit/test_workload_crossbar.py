import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.workload_crossbar import ArrayShape, Tiling, phase_count, slice_count, tile


def one(shape: ArrayShape, rows: int, columns: int, *, groups: int = 1, vectors: int = 1, phases: float = 1) -> Tiling:
    counts = (np.array([float(n)]) for n in (rows, columns, groups, vectors, phases))
    r, c, g, n, p = counts
    return tile(shape, row_count=r, column_count=c, group_count=g, vector_count=n, phases=p)


def test_a_layer_counted_by_hand():
    # 3x3 convolution, 64 -> 100 channels, 49 positions, 8-bit inputs bit by bit, 4-bit weights as pairs of one slice,
    # arrays of 256 x 256: R = 576 = 2.25 arrays, width = 200 columns = 1 array
    tiling = one(
        ArrayShape(rows=256, columns=256, active_rows=128, columns_per_weight=2), 576, 100, vectors=49, phases=8
    )
    assert tiling.row_tiles[0] == 3
    assert tiling.column_tiles[0] == 1
    assert tiling.array_count[0] == 3
    assert tiling.cell_count[0] == 576 * 200
    assert tiling.utilisation_frac[0] == pytest.approx(576 * 200 / (3 * 65536))
    assert tiling.row_drives[0] == 49 * 8 * 576
    assert tiling.conversions[0] == 49 * 8 * 3 * 2 * 100  # 128 of 256 rows at once: two reads per tile
    assert tiling.sequential_reads[0] == 49 * 8 * 2
    assert tiling.partial_sum_adds[0] == 49 * 100 * 2
    assert tiling.mac_count[0] == 49 * 57600


def test_isaac_needs_the_conversions_its_paper_counts():
    # one 128 x 16 product of 16-bit operands: 8 slices of 2 bits fill 128 columns, 16 cycles of 128 conversions
    slices = slice_count(16, 2)
    tiling = one(ArrayShape(rows=128, columns=128, active_rows=128, slices=slices), 128, 16, phases=16)
    assert slices == 8
    assert tiling.array_count[0] == 1
    assert tiling.conversions[0] == 16 * 128
    assert tiling.utilisation_frac[0] == 1


def test_phases_that_add_up_in_analog_are_converted_once():
    shape = ArrayShape(rows=256, columns=256, active_rows=256, phases_per_conversion=7)
    tiling = one(shape, 256, 256, phases=7)
    assert tiling.conversions[0] == 256
    assert tiling.row_drives[0] == 7 * 256


def test_depthwise_groups_share_an_array_block_by_block():
    tiling = one(ArrayShape(rows=128, columns=128, active_rows=128), 9, 1, groups=64, vectors=10)
    assert tiling.array_count[0] == 5  # 14 blocks of 9 rows stand in 128 rows
    assert tiling.utilisation_frac[0] == pytest.approx(64 * 9 / (5 * 128 * 128))


def test_bits():
    assert slice_count(8, 1) == 8
    assert slice_count(8, 4, 2) == 2
    assert slice_count(5, 4, 2) == 1
    assert phase_count(8, 1) == 8
    assert phase_count(8, 8) == 1
    assert phase_count(8, 3, 2) == 6


whole = st.integers(1, 2000)


@given(rows=whole, columns=whole, groups=st.integers(1, 300), height=st.sampled_from([64, 128, 256]))
def test_cells_fit_and_arrays_are_enough(rows: int, columns: int, groups: int, height: int):
    shape = ArrayShape(rows=height, columns=2 * height, active_rows=height, columns_per_weight=2, slices=2)
    tiling = one(shape, rows, columns, groups=groups)
    assert tiling.cell_count[0] == groups * rows * columns * 4
    assert 0 < tiling.utilisation_frac[0] <= 1
    assert tiling.mac_count[0] == groups * rows * columns
    assert tiling.conversions[0] >= groups * columns * 2
