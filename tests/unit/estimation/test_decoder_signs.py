"""bench/decoder_signs.py: how many signs of measured ratios anybody could have right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCH = Path(__file__).parents[3] / "bench"


@pytest.fixture(scope="module")
def signs() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import decoder_signs  # type: ignore[import-not-found, unused-ignore]

        yield decoder_signs


def test_ratios_far_from_one_keep_their_sign_and_such_as_noise_makes_do_not(signs: ModuleType) -> None:
    scatter = np.random.default_rng(1).normal(0.0, 0.02, 400)
    truth, again = signs.best_signs(np.full(40, 0.5), scatter)
    assert truth.min() == again.min() == 40
    truth, again = signs.best_signs(np.full(40, 1e-9), scatter)
    assert truth.mean() == pytest.approx(20, abs=0.5)


def test_the_truth_agrees_as_often_as_the_normal_law_says_and_a_second_measurement_less_often(
    signs: ModuleType,
) -> None:
    """Noise of a ratio: 0.02 × √2. A ratio of one such deviation: Φ(1) = 0.841, and Φ(1/√2) = 0.760 measured again."""
    scatter = np.random.default_rng(2).normal(0.0, 0.02, 4000)
    truth, again = signs.best_signs(np.full(50, 0.02 * np.sqrt(2.0)), scatter)
    assert truth.mean() / 50 == pytest.approx(0.841, abs=0.01)
    assert again.mean() / 50 == pytest.approx(0.760, abs=0.01)
