"""The arithmetic of arrays: exact where it must be, noisy as declared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.forms.crossbar.arrays import Cells, Layer, ReadNoise, corrected, multiply, on_exact_grid, row_tiles
from twentywatts.forms.crossbar.device import programmed, programming_noise
from twentywatts.forms.crossbar.precision import (
    Codes,
    WeightGrid,
    best_step,
    input_codes,
    phases_of,
    slices_of,
    weight_codes,
)

QUIET = ReadNoise(0.0, layer=0, draw=0, seed=0, pool=np.zeros(1, np.float32))


def layer_of(weights, grid, *, low, high, phase_bits, two_pass=False, tile=16):
    bits = int(max(high, -low)).bit_length()
    return Layer(
        inputs=Codes(step=1.0, low=low, high=high),
        weights=weights,
        weight_step=np.ones((weights.shape[0], 1, weights.shape[2]), np.float32),
        grid=grid,
        phases=-(-bits // phase_bits),
        phase_bits=phase_bits,
        two_pass=two_pass,
        tiles=row_tiles(weights.shape[1], tile, tile),
        adc=(Codes(step=1.0, low=-(2**20), high=2**20),) * grid.slices,
        probe=np.zeros((weights.shape[0], 1, weights.shape[1]), np.int32),
    )


@given(
    seed=st.integers(0, 10**6),
    cell=st.tuples(st.integers(2, 8), st.integers(1, 7)),
    phase_bits=st.integers(1, 8),
    rows=st.integers(1, 40),
    mode=st.sampled_from(["unsigned", "signed", "two_pass"]),
    offset=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_slices_phases_tiles_and_signs_lose_nothing(seed, cell, phase_bits, rows, mode, offset):
    weight_bits, digit_bits = cell
    rng = np.random.default_rng(seed)
    held = weight_bits if offset else weight_bits - 1
    grid = WeightGrid(bits=weight_bits, slices=-(-held // digit_bits), digit_bits=digit_bits, offset=offset)
    weights = rng.integers(-grid.high, grid.high + 1, size=(2, rows, 3)).astype(np.int32)
    low = 0 if mode == "unsigned" else -127
    layer = layer_of(weights, grid, low=low, high=127, phase_bits=phase_bits, two_pass=mode == "two_pass")
    codes = rng.integers(low, 128, size=(2, 11, rows)).astype(np.int32)
    values = on_exact_grid(np.concatenate(list(slices_of(weights, grid)), axis=-1), layer)
    found = multiply(codes, layer, Cells(values=values, scale=1.0), QUIET)
    assert np.array_equal(found, np.matmul(codes, weights).astype(np.float32))


@given(code=st.integers(-(2**15), 2**15), dac_bits=st.integers(1, 8))
def test_phases_add_up(code, dac_bits):
    count = -(-16 // dac_bits)
    parts = phases_of(np.array([code], np.int32), dac_bits, count)
    assert sum(int(part[0]) << (index * dac_bits) for index, part in enumerate(parts)) == code


@given(st.integers(1, 600), st.integers(1, 300), st.integers(1, 300))
def test_row_tiles_cover_every_row_once(row_count, rows, active_rows):
    tiles = row_tiles(row_count, rows, active_rows)
    assert [row for low, high in tiles for row in range(low, high)] == list(range(row_count))
    assert all(high - low <= active_rows and low // rows == (high - 1) // rows for low, high in tiles)


def test_conversion_clips_and_rounds_by_hand():
    grid = WeightGrid(bits=5, slices=1, digit_bits=4, offset=False)
    layer = layer_of(np.array([[[3, -15]], [[0, 7]]], np.int32).reshape(1, 2, 2), grid, low=0, high=15, phase_bits=4)
    adc = (Codes(step=10.0, low=-8, high=7),)
    layer = Layer(**{name: getattr(layer, name) for name in Layer.__slots__ if name != "adc"}, adc=adc)
    values = on_exact_grid(slices_of(layer.weights, grid)[0], layer)
    found = multiply(np.array([[[5, 1], [15, 0]]], np.int32), layer, Cells(values=values, scale=1.0), QUIET)
    # sums: 15, -68; 45, -225 → in steps of ten, rounded half to even and clipped to -8
    assert found.tolist() == [[[20.0, -70.0], [40.0, -80.0]]]


def test_noisy_sums_are_exact_whatever_their_order():
    rng = np.random.default_rng(0)
    grid = WeightGrid(bits=5, slices=1, digit_bits=4, offset=False)
    weights = rng.integers(-15, 16, size=(1, 256, 8)).astype(np.int32)
    layer = layer_of(weights, grid, low=0, high=255, phase_bits=8, tile=256)
    noisy = slices_of(weights, grid)[0] + rng.normal(size=(1, 256, 8)).astype(np.float32)
    values = on_exact_grid(noisy, layer)
    codes = rng.integers(0, 256, size=(50, 256)).astype(values.dtype)
    order = rng.permutation(256)
    assert np.array_equal(codes @ values[0], codes[:, order] @ values[0][order])
    assert np.abs(values - noisy).max() <= 2.0**-6


def test_best_step_keeps_whole_numbers_that_fit_and_clips_tails():
    assert best_step(np.arange(-7, 8), -8, 7, lossless=1.0) == 1.0
    tailed = np.concatenate([np.random.default_rng(0).normal(size=4000), [40.0]])
    assert best_step(tailed, -8, 7) < 40.0 / 7 / 2
    assert best_step(np.zeros(5), 0, 255) == 1.0


def test_input_codes_follow_the_sign_of_the_data():
    positive, mixed = np.linspace(0, 1, 100), np.linspace(-1, 1, 100)
    assert (input_codes(positive, 8, one_pass=True).low, input_codes(positive, 8, one_pass=True).high) == (0, 255)
    assert (input_codes(mixed, 8, one_pass=True).low, input_codes(mixed, 8, one_pass=True).high) == (-127, 127)
    assert input_codes(mixed, 8, one_pass=False).high == 255


def test_weights_clip_more_under_more_noise():
    matrix = np.random.default_rng(0).normal(size=(1, 500, 4)).astype(np.float32)
    grid = WeightGrid(bits=5, slices=1, digit_bits=4, offset=False)
    steps = [
        weight_codes(matrix, grid, noise_variance=lambda share, n=noise: np.full(share.shape, n))[1].mean()
        for noise in (0.0, 0.01, 0.1)
    ]
    assert steps[0] > steps[1] > steps[2]


def test_programming_noise_has_the_declared_deviation(traits):
    machine = traits(programming_noise_frac=0.05)
    grid = WeightGrid(bits=5, slices=1, digit_bits=4, offset=True)
    digits = np.full((1, 1, 300, 300), 8, np.float32)
    written, scale = programmed(digits, grid, machine, seed=(0, 0, 0))
    assert scale == 1.0
    assert written.std() == pytest.approx(0.05 * 15, rel=0.02)
    assert written.mean() == pytest.approx(8.0, abs=0.02)


def test_programming_noise_follows_the_published_polynomial(traits):
    machine = traits(programming_noise_frac=0.05, programming_noise_polynomial=(0.01, 0.2, -0.1))
    assert programming_noise(np.array([0.0, 0.5, 1.0]), machine) == pytest.approx([0.01, 0.085, 0.11])


def test_mean_drift_is_compensated(traits):
    machine = traits(drift_exponent=0.06)
    grid = WeightGrid(bits=5, slices=1, digit_bits=4, offset=False)
    digits = np.random.default_rng(0).integers(-15, 16, size=(1, 1, 20, 20)).astype(np.float32)
    written, scale = programmed(digits, grid, machine, seed=(0, 0, 0))
    assert scale == pytest.approx((86_400 / 300) ** 0.06, rel=1e-5)
    assert written * scale == pytest.approx(digits, rel=1e-5)


def test_column_correction_undoes_gain_and_offset():
    rng = np.random.default_rng(0)
    grid = WeightGrid(bits=5, slices=1, digit_bits=4, offset=False)
    weights = rng.integers(-15, 16, size=(2, 16, 3)).astype(np.int32)
    plain = layer_of(weights, grid, low=0, high=15, phase_bits=4)
    codes = rng.integers(0, 16, size=(2, 200, 16)).astype(np.int32)
    codes[..., 0] = 15  # a constant input turns an error of its cells into an offset
    fields = {name: getattr(plain, name) for name in Layer.__slots__} | {"probe": codes}
    layer = Layer(**fields)
    written = slices_of(weights, grid)[0] * np.float32(0.75)
    written[:, 0] += 2.0
    cells = corrected(layer, Cells(values=on_exact_grid(written, layer), scale=1.0), QUIET)
    found = multiply(codes, layer, cells, QUIET) * cells.gain + cells.offset
    assert cells.gain == pytest.approx(4 / 3, rel=0.01)
    assert np.abs(found - np.matmul(codes, weights)).max() < 2.0


def test_read_noise_has_the_declared_deviation():
    noise = ReadNoise(0.02, layer=0, draw=0, seed=0, pool=ReadNoise.pool(0))
    sums = np.zeros((1, 1, 20000, 2), np.float32)
    noise.add(sums, np.full((1, 1, 20000), 9.0), 0.02 * 15)
    assert sums.std() == pytest.approx(3.0 * 0.02 * 15, rel=0.02)
