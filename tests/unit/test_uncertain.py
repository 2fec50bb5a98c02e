"""Uncertain numbers: quantiles, common draws, the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.errors import InputError
from twentywatts.uncertain import (
    DRAW_COUNT,
    Interval,
    Spread,
    interval_of,
    lognormal,
    reordered,
    standard_normal,
    uniform,
)

WIDE = Interval(low=2.0, mid=3.0, high=30.0)


def drawn(key: str, interval: Interval = WIDE, *, draws: int = DRAW_COUNT, seed: int = 0) -> Spread:
    return Spread(lognormal(key, interval, draws=draws, seed=seed))


@given(
    mid=st.floats(min_value=1e-15, max_value=1e15),
    below=st.floats(min_value=1.0, max_value=20.0),
    above=st.floats(min_value=1.0, max_value=20.0),
)
def test_quantiles_are_those_of_the_figure(mid: float, below: float, above: float) -> None:
    wanted = Interval(low=mid / below, mid=mid, high=mid * above)
    found = drawn("k", wanted).interval
    assert found.mid == mid
    # quantiles fall between two of 1000 strata; a stratum is 0.5 % of z wide there
    assert found.low == pytest.approx(wanted.low, rel=0.01)
    assert found.high == pytest.approx(wanted.high, rel=0.01)


def test_the_median_of_the_draws_is_the_mid_value() -> None:
    assert np.median(drawn("k").values[1:]) == pytest.approx(WIDE.mid, rel=0.005)


def test_element_zero_is_mid_exactly() -> None:
    assert drawn("k").values[0] == WIDE.mid
    assert drawn("k").mid == WIDE.mid


def test_no_draws_leave_the_mid_value_alone() -> None:
    spread = drawn("k", draws=0)
    assert spread.values.tolist() == [3.0]
    assert spread.interval == Interval(low=3.0, mid=3.0, high=3.0)


@pytest.mark.parametrize("draws", [1, 4, 1000])
def test_even_numbers_are_the_middles_of_their_strata(draws: int) -> None:
    values = uniform("k", draws=draws, seed=0)
    assert values[0] == 0.5
    assert np.sort(values[1:]) == pytest.approx([(place + 0.5) / draws for place in range(draws)])
    assert uniform("k", draws=0, seed=0).tolist() == [0.5]


def test_a_shared_figure_cancels_in_a_ratio() -> None:
    ratio = (drawn("dram.hbm") * 7.0) / drawn("dram.hbm")
    assert ratio.interval.low == pytest.approx(7.0)
    assert ratio.interval.high == pytest.approx(7.0)


def test_two_keys_are_independent() -> None:
    keys = [f"machine{index}.figure" for index in range(12)]
    correlation = np.corrcoef([standard_normal(key, draws=DRAW_COUNT, seed=0) for key in keys])
    np.fill_diagonal(correlation, 0.0)
    assert np.abs(correlation).max() < 0.13  # 66 pairs, standard error 1/sqrt(1000)


def test_a_sum_of_independent_figures_is_narrower_than_its_parts() -> None:
    one = Interval(low=0.5, mid=1.0, high=2.0)
    apart, together = drawn("a", one) + drawn("b", one), drawn("a", one) + drawn("a", one)
    assert apart.interval.high < together.interval.high == pytest.approx(4.0, rel=0.01)


def test_another_seed_gives_another_order_of_the_same_strata() -> None:
    one, two = (standard_normal("k", draws=100, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one, two)
    assert np.array_equal(np.sort(one), np.sort(two))


def test_a_caller_cannot_change_the_strata_of_the_next() -> None:
    standard_normal("k", draws=10, seed=0)[:] = 99.0
    assert np.abs(standard_normal("k", draws=10, seed=0)).max() < 3.0


@pytest.mark.parametrize(
    "interval",
    [
        Interval(low=0.0, mid=1.0, high=2.0),
        Interval(low=-1.0, mid=1.0, high=2.0),
        Interval(low=2.0, mid=1.0, high=3.0),
        Interval(low=1.0, mid=3.0, high=2.0),
        Interval(low=float("nan"), mid=1.0, high=2.0),
    ],
)
def test_an_interval_that_is_none_is_refused_with_its_key(interval: Interval) -> None:
    with pytest.raises(InputError, match="'some-key'"):
        drawn("some-key", interval)


def test_a_figure_that_is_exactly_zero_stays_zero() -> None:
    assert drawn("k", Interval(low=0.0, mid=0.0, high=0.0)).values.tolist() == [0.0] * (DRAW_COUNT + 1)


def test_an_interval_always_holds_its_mid_value() -> None:
    assert interval_of(np.array([5.0, 1.0, 2.0, 3.0])) == Interval(low=pytest.approx(1.1), mid=5.0, high=5.0)


def _in_a_fresh_process(hash_seed: str) -> str:
    code = (
        "from twentywatts.uncertain import standard_normal as s; print(s('loihi.x', draws=50, seed=7).tobytes().hex())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def test_draws_are_the_same_in_every_process() -> None:
    here = standard_normal("loihi.x", draws=50, seed=7).tobytes().hex()
    assert {_in_a_fresh_process("1"), _in_a_fresh_process("2")} == {here}


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.9, 1.0])
def test_draws_in_another_order_are_the_same_draws(correlation: float) -> None:
    first = lognormal("energy", WIDE, draws=4000, seed=3)
    second = reordered("time", first, correlation=correlation, seed=3)
    assert second[0] == first[0]
    assert np.array_equal(np.sort(second[1:]), np.sort(first[1:]))
    scores = [np.argsort(np.argsort(values[1:])) for values in (first, second)]
    # Spearman's of two normals: 6/π asin(ρ/2); 4000 draws tell it to some 0.015
    spearman = 6 / np.pi * np.arcsin(correlation / 2)
    assert np.corrcoef(*scores)[0, 1] == pytest.approx(spearman, abs=0.05)
