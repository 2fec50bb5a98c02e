"""Cells as they are written and as they age: programming noise, drift, and its compensation.

A digit d of a cell becomes g = |d| / d_max on the side of its sign (the other side is 0; offset cells have one side).
Written: g + N(0, s(g)), never below 0. After a time t: g (t / t0)^-v, v = N(mean, sd) per cell, never below 0. Every
draw depends on the seed, the layer and the number of the draw, not on the setting, so settings share their noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.crossbar.precision import WeightGrid
from twentywatts.machines.traits import CrossbarTraits

__all__ = ["AGE_S", "is_noisy", "programmed", "programming_noise", "weight_noise_variance"]

AGE_S = 86_400.0  # accuracy is evaluated one day after the weights were written
_PROGRAMMING_STREAM = 1

Float32 = NDArray[np.float32]


def is_noisy(traits: CrossbarTraits) -> bool:
    """Return whether two draws can differ."""
    return traits.adc_bits > 0 and bool(
        traits.programming_noise_frac or traits.read_noise_frac or traits.drift_exponent_sd
    )


def programming_noise(conductance: NDArray[np.floating], traits: CrossbarTraits) -> Float32:
    """Return the standard deviation of written conductances; both are shares of the largest one."""
    share = np.asarray(conductance, dtype=np.float32)
    if traits.programming_noise_frac == 0.0 or not traits.programming_noise_polynomial:
        return np.full_like(share, traits.programming_noise_frac)
    total = np.zeros_like(share)
    for coefficient in reversed(traits.programming_noise_polynomial):
        total = total * share + np.float32(coefficient)
    return np.maximum(total, np.float32(0.0))


def weight_noise_variance(share: NDArray[np.float64], traits: CrossbarTraits, *, offset: bool) -> NDArray[np.float64]:
    """Return the expected variance of a weight as a share of its column's range squared.

    share: magnitude of the weight over the range. A pair adds the noise of its empty side; an offset cell spans twice
    the range. Noise of lower slices is neglected.
    """
    if offset:
        return 4.0 * (programming_noise(0.5 + share / 2.0, traits).astype(np.float64) ** 2 + traits.read_noise_frac**2)
    empty = float(programming_noise(np.zeros(1), traits)[0])
    own = programming_noise(share, traits).astype(np.float64)
    return own**2 + empty**2 + 2.0 * traits.read_noise_frac**2


def programmed(
    digits: Float32, grid: WeightGrid, traits: CrossbarTraits, *, seed: tuple[int, int, int]
) -> tuple[Float32, float]:
    """Return effective digits after writing and one day, same shape, and the scale that compensates the mean drift.

    digits: whole numbers, shape (slices, groups, rows, columns). seed: (seed, layer, draw). The scale is the sum of
    all conductances after writing over that sum after ``AGE_S``, one number per layer, applied digitally; this is the
    global drift compensation that analog inference chips use. Source: legallo2023.
    """
    if not is_noisy(traits) and traits.drift_exponent == 0.0:
        return digits, 1.0
    rng = np.random.default_rng([_PROGRAMMING_STREAM, *seed])
    top = np.float32(grid.digit_high)
    plus = _aged(digits / top, traits, rng)
    sides = [plus] if grid.offset else [plus, _aged(-digits / top, traits, rng)]
    written = sum(float(fresh.sum(dtype=np.float64)) for fresh, _ in sides)
    left = sum(float(old.sum(dtype=np.float64)) for _, old in sides)
    total = sides[0][1] if grid.offset else sides[0][1] - sides[1][1]
    return total * top, written / left if left > 0.0 else 1.0


def _aged(target: Float32, traits: CrossbarTraits, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Return conductances just written and after ``AGE_S``; negative targets are cells that stay empty."""
    target = np.maximum(target, np.float32(0.0))
    sigma = programming_noise(target, traits)
    fresh = np.maximum(target + sigma * rng.standard_normal(target.shape, dtype=np.float32), np.float32(0.0))
    if traits.drift_exponent == 0.0 and traits.drift_exponent_sd == 0.0:
        return fresh, fresh
    spread = rng.standard_normal(target.shape, dtype=np.float32) * np.float32(traits.drift_exponent_sd)
    exponent = np.maximum(np.float32(traits.drift_exponent) + spread, np.float32(0.0))
    age = np.float32(max(1.0, AGE_S / traits.drift_reference_time_s))
    return fresh, fresh * np.power(age, -exponent)
