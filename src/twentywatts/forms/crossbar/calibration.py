"""Calibration: what flows through the layers on calibration samples, and the ranges that follow for a setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.crossbar.arrays import Layer, on_exact_grid, partial_sums, row_tiles
from twentywatts.forms.crossbar.device import weight_noise_variance
from twentywatts.forms.crossbar.graph import Plan
from twentywatts.forms.crossbar.precision import Codes, WeightGrid, best_step, input_codes, slices_of, weight_codes
from twentywatts.forms.crossbar.products import Product
from twentywatts.forms.crossbar.settings import check_setting, weight_grid
from twentywatts.forms.protocol import Setting
from twentywatts.forms.runtime import BatchRunner, open_session, run_session, with_outputs
from twentywatts.machines.traits import CrossbarTraits

__all__ = ["Recording", "cells_of", "layers_of", "quantised", "record"]

_SAMPLE_COUNT = 256  # calibration samples
_BATCH_COUNT = 8  # batches of large models
_VECTOR_COUNT = 1024  # input vectors per layer that ADC ranges are chosen from
_PROBE_COUNT = 512  # of them, those that measure written columns

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """What the float model sends into its products: some vectors of each, shape (groups, vectors, rows).

    extremes: least and largest values of all vectors, one pair per batch.
    """

    vectors: tuple[NDArray[np.float32], ...]
    extremes: tuple[NDArray[np.float32], ...]


def record(plan: Plan, inputs: Mapping[str, Array], runner: BatchRunner) -> Recording:
    """Run the float model on at most 256 calibration samples; return what its products see.

    onnxruntime does it, on one thread: ranges must not depend on how many threads NumPy's products take.
    """
    samples = {name: array[:_SAMPLE_COUNT] for name, array in inputs.items()}
    batches = runner.batches(samples)[:_BATCH_COUNT]
    session = open_session(with_outputs(plan.model, [product.source for product in plan.products]), what="the model")
    names = [spec.name for spec in session.get_outputs()]
    kept: list[list[Array]] = [[] for _ in plan.products]
    extremes: list[list[float]] = [[] for _ in plan.products]
    share = -(-_VECTOR_COUNT // len(batches))
    for feeds, real in batches:
        values = {**feeds, **dict(zip(names, run_session(session, feeds, names), strict=True))}
        for index, product in enumerate(plan.products):
            tensor = values[product.source].astype(np.float32, copy=False)
            tensor = tensor[:real] if len(tensor) == runner.fixed else tensor  # without what fills the last batch
            extremes[index] += [float(tensor.min()), float(tensor.max())]
            vectors = product.geometry.vectors(tensor)
            kept[index].append(vectors[:, np.random.default_rng(0).permutation(vectors.shape[1])[:share]])
    return Recording(
        vectors=tuple(np.concatenate(parts, axis=1) for parts in kept),
        extremes=tuple(np.array(values, dtype=np.float32) for values in extremes),
    )


def layers_of(plan: Plan, recording: Recording, traits: CrossbarTraits, setting: Setting) -> tuple[Layer, ...]:
    """Return every product, calibrated for a setting; raises InputError for a setting that the machine has not."""
    check_setting(traits, setting)
    triples = zip(plan.products, recording.vectors, recording.extremes, strict=True)
    return tuple(
        _layer(product, vectors, extremes, traits=traits, setting=setting) for product, vectors, extremes in triples
    )


def _layer(
    product: Product,
    vectors: NDArray[np.float32],
    extremes: NDArray[np.float32],
    *,
    traits: CrossbarTraits,
    setting: Setting,
) -> Layer:
    adc_bits, weight_bits, input_bits = check_setting(traits, setting)
    grid = weight_grid(traits, weight_bits)
    one_pass = traits.signed_inputs
    inputs = input_codes(np.append(vectors, extremes), input_bits, one_pass=one_pass)
    codes, step = weight_codes(product.matrix, grid, noise_variance=lambda share: _noise_variance(share, traits, grid))
    bits = int(max(inputs.high, -inputs.low)).bit_length()
    together = traits.analog_phases or traits.dac_bits >= bits
    rows = product.matrix.shape[1]
    ideal = Layer(
        inputs=inputs,
        weights=codes,
        weight_step=step,
        grid=grid,
        phases=1 if together else -(-bits // traits.dac_bits),
        phase_bits=bits if together else traits.dac_bits,
        two_pass=inputs.low < 0 and not one_pass,
        tiles=row_tiles(rows, traits.rows, min(traits.rows, traits.active_rows)),
        adc=(),
        probe=quantised(vectors[:, :_PROBE_COUNT], inputs),
    )
    return ideal if adc_bits == 0 else _with_adc(ideal, vectors, adc_bits)


def _noise_variance(share: NDArray[np.float64], traits: CrossbarTraits, grid: WeightGrid) -> NDArray[np.float64]:
    if traits.adc_bits == 0:
        return np.zeros_like(share)
    return weight_noise_variance(share, traits, offset=grid.offset)


def quantised(vectors: Array, codes: Codes) -> NDArray[np.int32]:
    """Return the input codes of real numbers."""
    scaled = np.rint(vectors * np.float32(1.0 / codes.step))
    return np.clip(scaled, codes.low, codes.high).astype(np.int32)


def cells_of(layer: Layer) -> NDArray[np.float32]:
    """Return the digits that stand in the cells, shape (slices, groups, rows, columns)."""
    return slices_of(layer.weights, layer.grid)


def _with_adc(layer: Layer, vectors: NDArray[np.float32], adc_bits: int) -> Layer:
    """Return the layer with the range of conversion that loses least, for each slice, on noise-free sums."""
    codes = quantised(vectors, layer.inputs)
    if layer.two_pass:
        codes = np.concatenate([np.maximum(codes, 0), np.maximum(-codes, 0)], axis=1)
    digits = cells_of(layer)
    signed = not layer.grid.offset or (layer.inputs.low < 0 and not layer.two_pass)
    low, high = (-(2 ** (adc_bits - 1)), 2 ** (adc_bits - 1) - 1) if signed else (0, 2**adc_bits - 1)
    adc = []
    for slice_digits in digits:
        values = on_exact_grid(slice_digits, layer)
        sums = [partial_sums(codes[..., a:b], layer, values[:, a:b])[0].ravel() for a, b in layer.tiles]
        step = best_step(np.concatenate(sums), low, high, lossless=1.0)
        adc.append(Codes(step=step, low=low, high=high))
    return Layer(
        **{name: getattr(layer, name) for name in Layer.__slots__ if name != "adc"},
        adc=tuple(adc),
    )
