"""The exact paired bound: coverage by enumeration, limits by hand, monotonicity."""

from itertools import product
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from twentywatts.comparison.bound import accuracy_interval, drop_bound, judge, samples_needed


def trinomial(lost: int, gained: int, n: int, p10: float, p01: float) -> float:
    rest = n - lost - gained
    ways = factorial(n) // (factorial(lost) * factorial(gained) * factorial(rest))
    return ways * p10**lost * p01**gained * (1 - p10 - p01) ** rest


@pytest.mark.parametrize("n", [8, 25])
@pytest.mark.parametrize(("p10", "p01"), [(0.02, 0.0), (0.1, 0.05), (0.3, 0.3), (0.05, 0.2), (0.5, 0.1)])
def test_the_bound_misses_the_true_drop_at_most_one_time_in_twenty(n: int, p10: float, p01: float) -> None:
    missed = 0.0
    for lost, gained in product(range(n + 1), repeat=2):
        if lost + gained <= n and drop_bound(lost, gained, n) < p10 - p01 - 1e-9:
            missed += trinomial(lost, gained, n, p10, p01)
    assert missed <= 0.05


def test_without_any_discordant_sample_the_bound_is_near_the_rule_of_three() -> None:
    # P(no loss in n) = (1 − δ)^n = 0.05 − γ; the confidence set of the nuisance costs a little more
    for n in (50, 899, 10_000):
        exact = 1 - (0.05 - 0.001) ** (1 / n)
        assert exact - 2e-5 <= drop_bound(0, 0, n) <= 1.9 * exact


def test_the_bound_shrinks_towards_the_drop_as_samples_grow() -> None:
    bounds = [drop_bound(2 * k, k, 100 * k) for k in (1, 4, 16, 64, 256)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == pytest.approx(0.01, abs=0.003)


@given(st.integers(1, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_one_more_loss_never_lowers_the_bound(n: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, n - 1))
    gained = data.draw(st.integers(0, n - 1 - lost))
    assert drop_bound(lost + 1, gained, n) >= drop_bound(lost, gained, n) - 3e-5
    assert drop_bound(lost, gained, n) >= (lost - gained) / n - 1e-9


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (7, 10), (888, 899)])
def test_accuracy_interval_is_clopper_pearson(right: int, n: int) -> None:
    interval = binomtest(right, n).proportion_ci(0.95, method="exact")
    assert accuracy_interval(right, n) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_three_verdicts() -> None:
    assert judge(0, 0, 899, 0.01).keeps is True
    assert judge(40, 2, 899, 0.01).sentence == "loses 4.23 %, more than 1.00 % is shown"  # 38 of 899
    assert judge(40, 2, 899, 0.01).keeps is False
    few = judge(0, 0, 20, 0.01)
    assert few.keeps is None
    assert "cannot tell" in few.sentence
    assert "about 490 would" in few.sentence
    assert drop_bound(0, 0, 490) <= 0.01 < drop_bound(0, 0, 420)


@pytest.mark.parametrize(
    ("lost", "gained", "n", "max_drop"),
    [(5, 3, 899, 0.01), (11, 7, 539, 0.02), (1, 1, 50, 0.01), (3, 0, 448, 0.01), (20, 15, 300, 0.02), (0, 0, 20, 0.01)],
)
def test_the_samples_that_it_takes_do_decide_and_much_fewer_do_not(lost, gained, n, max_drop) -> None:
    needed = samples_needed(lost, gained, n, max_drop)
    assert needed is not None
    assert needed > n
    scaled = [round(count * needed / n) for count in (lost, gained)]
    assert drop_bound(*scaled, needed) <= max_drop
    fewer = [count * needed / n * 0.7 for count in (lost, gained)]
    assert drop_bound(*map(round, fewer), round(needed * 0.7)) > max_drop


def test_no_number_of_samples_helps_where_the_drop_itself_is_too_large() -> None:
    assert samples_needed(20, 0, 899, 0.01) is None


def test_binomial_sum_agrees_with_a_plain_one() -> None:
    from twentywatts.comparison.bound import _at_most

    n, drop, psi, difference = 30, 0.05, 0.2, 1
    share = (psi + drop) / (2 * psi)
    plain = sum(
        comb(n, m) * psi**m * (1 - psi) ** (n - m) * comb(m, lost) * share**lost * (1 - share) ** (m - lost)
        for m in range(n + 1)
        for lost in range(m + 1)
        if 2 * lost - m <= difference
    )
    assert _at_most(difference, n, drop, np.array([psi]))[0] == pytest.approx(plain, abs=1e-12)


def test_a_limit_of_nothing_is_judged_where_a_form_gained() -> None:
    """Twenty gained and fifteen lost: no loss at all may be, and n is too small to tell."""
    verdict = judge(15, 20, 121, 0.0)
    assert verdict.keeps is None
    assert judge(0, 60, 121, 0.0).keeps is True


def test_a_bound_below_zero_is_called_a_gain() -> None:
    assert judge(0, 12, 598, 0.01).sentence == "keeps it: a gain of more than 0.46 % at 95 % confidence"
