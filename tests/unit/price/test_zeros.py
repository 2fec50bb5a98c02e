"""What zeros save: nothing at random places, less than the data sheet's 2× in a pattern that the chip skips."""

from __future__ import annotations

import pytest

from twentywatts.errors import InputError
from twentywatts.machines import bundled_names, load
from twentywatts.price.zeros import PATTERNS, zeros_energy_ratio

PROCESSORS = [name for name in bundled_names() if load(name).family == "processor"]


@pytest.mark.parametrize("name", PROCESSORS)
def test_zeros_at_random_places_save_nothing_anywhere(name: str) -> None:
    found = zeros_energy_ratio(load(name), "unstructured")
    assert found.mid == 1.0
    assert found.low >= 0.95
    assert 1.0 <= found.high < 1.5  # what a sparse format costs


def test_a_pattern_saves_only_where_the_chip_skips_it() -> None:
    skipping = {name for name in PROCESSORS if zeros_energy_ratio(load(name), "2:4").mid < 1}
    assert {"a100-sxm-80", "h100-sxm", "b200", "l4", "mi300x"} <= skipping
    assert not skipping & {"t4", "tpu-v4", "epyc-7763", "raspberry-pi-4"}


@pytest.mark.parametrize(("pattern", "speedup"), [("2:4", 1.5), ("2:4", 1.27), ("6:8", 1.33)])
def test_published_measurements_lie_in_the_interval(pattern: str, speedup: float) -> None:
    """NVIDIA: BERT Large INT8 on an A100, 1.5×; HPC-AI Tech: 1.27×; SlideSparse: 1.33× at 6:8 (its bound is 4/3)."""
    found = zeros_energy_ratio(load("a100-sxm-80"), pattern)
    assert found.low <= 1 / speedup <= found.high
    assert found.low <= found.mid <= found.high <= 1
    assert found.low > 0.5  # the doubled peak of the data sheet is never reached


def test_bad_input() -> None:
    with pytest.raises(InputError, match="unknown pattern '2:5'"):
        zeros_energy_ratio(load("h100-sxm"), "2:5")
    with pytest.raises(InputError, match="no processor"):
        zeros_energy_ratio(load("loihi"), "2:4")
    assert set(PATTERNS) == {"unstructured", "2:4", "6:8"}
