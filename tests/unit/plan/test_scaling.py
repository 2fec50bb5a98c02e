"""Scaling laws: published optima, independent minimisation, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.plan.inputs import point
from twentywatts.plan.laws import inference_aware, law, laws, loss, optimum
from twentywatts.plan.words import quantity_text
from twentywatts.units import convert


def test_hoffmann_s_own_table_is_met_by_the_unrounded_law() -> None:
    """Approach 3 of Table A3: 40.2e9 parameters at 5.76e23 operations, the budget of Gopher."""
    params, tokens = optimum(law("hoffmann2022-unrounded"), np.array([5.76e23]))
    assert params[0] == pytest.approx(40.2e9, rel=0.05)
    assert params[0] * tokens[0] * 6 == pytest.approx(5.76e23)


def test_besiroglu_s_refit_puts_the_optimum_near_twenty_tokens_per_parameter() -> None:
    params, tokens = optimum(law("besiroglu2024"), np.array([5.76e23]))
    assert tokens[0] / params[0] == pytest.approx(20, rel=0.15)


def test_chinchilla_s_loss_is_about_two_nats() -> None:
    for found in laws().values():
        assert loss(found, np.array([70e9]), np.array([1.4e12]))[0] == pytest.approx(1.95, abs=0.06)


@pytest.mark.parametrize("name", ["besiroglu2024", "hoffmann2022"])
@given(exponent=st.floats(18, 27))
def test_the_closed_form_is_the_minimum(name: str, exponent: float) -> None:
    operations = 10.0**exponent
    params, tokens = optimum(law(name), np.array([operations]))
    best = loss(law(name), params, tokens)[0]
    sizes = params * np.logspace(-1, 1, 401)
    assert best <= loss(law(name), sizes, operations / (6 * sizes)).min() + 1e-12


@given(served=st.floats(1e9, 1e13))
def test_serving_makes_the_best_model_smaller_and_longer_trained(served: float) -> None:
    budget = np.array([1e24])
    params, tokens = optimum(law("besiroglu2024"), budget)
    small, long = inference_aware(law("besiroglu2024"), budget, served)
    assert small[0] <= params[0] * 1.001
    assert long[0] / small[0] >= tokens[0] / params[0] * 0.99
    assert 6 * small[0] * long[0] + 2 * small[0] * served == pytest.approx(1e24, rel=1e-6)


def test_inference_aware_against_a_finer_search() -> None:
    found, budget, served = law("besiroglu2024"), 1e23, 2e12
    small, long = inference_aware(found, np.array([budget]), served)
    sizes = np.logspace(7, 12, 200_001)
    tokens = (budget - 2 * sizes * served) / (6 * sizes)
    sizes, tokens = sizes[tokens > 1], tokens[tokens > 1]
    assert loss(found, small, long)[0] == pytest.approx(loss(found, sizes, tokens).min(), rel=1e-5)


def test_sardana_s_figure_1() -> None:
    """A 13B model that will write 2e12 tokens: a 7B model of the same loss saves 1.7e22 operations, 17 %."""
    found, served = law("hoffmann2022-unrounded"), 2e12
    budgets = np.logspace(21, 25, 4001)
    sizes, tokens = optimum(found, budgets)
    at = int(np.argmin(np.abs(sizes - 13e9)))
    wanted = loss(found, sizes[at], tokens[at])
    whole = budgets[at] + 2 * sizes[at] * served
    totals = whole * np.linspace(0.5, 1.0, 2001)
    small, long = inference_aware(found, totals, served)
    best = int(np.argmax(loss(found, small, long) <= wanted))
    assert small[best] == pytest.approx(7e9, rel=0.05)
    assert whole - totals[best] == pytest.approx(1.7e22, rel=0.06)
    assert 1 - totals[best] / whole == pytest.approx(0.17, abs=0.01)


def test_the_price_of_a_point_is_what_it_says() -> None:
    """Spending the told joules on top gives one percent less loss."""
    plan = tw.plan.scaling(3.6e12, "h100-sxm", mfu=0.4, pue=1.1)
    more = tw.plan.scaling(3.6e12 + plan.amount("more_energy_j").mid, "h100-sxm", mfu=0.4, pue=1.1)
    assert more.amount("loss_nats").mid == pytest.approx(0.99 * plan.amount("loss_nats").mid, rel=1e-6)


def test_budget_and_run_agree() -> None:
    """Training the best model of a budget costs that budget."""
    plan = tw.plan.scaling(3.6e12, "h100-sxm", mfu=0.4, pue=1.1)
    params, tokens = plan.amount("params_count").mid, plan.amount("tokens_count").mid
    run = tw.plan.training(params, tokens, "h100-sxm", mfu=0.4, pue=1.1)
    assert run.amount("energy_j").mid == pytest.approx(3.6e12)


def test_a_budget_beyond_all_text_is_told() -> None:
    assert any("public stock" in note for note in tw.plan.scaling(3.6e18, "h100-sxm").notes)


def test_nonsense_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'hoffmann2022'"):
        tw.plan.scaling(3.6e12, "h100-sxm", law="hofman2022")
    with pytest.raises(InputError, match="budget"):
        tw.plan.scaling(0.0, "h100-sxm")
    with pytest.raises(InputError, match="does not even serve"):
        tw.plan.scaling(3.6e6, "h100-sxm", served_tokens=1e18)


def test_a_budget_that_also_serves_says_which_share_does() -> None:
    """What is left of 6 N D + 2 N served once it is trained is what serves; the sentence and the table agree."""
    plan = tw.plan.scaling(3.6e12, "h100-sxm", mfu=0.4, pue=1.1, served_tokens=2e12)
    (table,) = (table for table in plan.tables if table.name == "served")
    found = {key: interval.mid for key, interval in table.rows[0].numbers.items()}
    operations = plan.amount("operations_count").mid
    trained = 6 * found["params_count"] * found["tokens_count"] / operations
    assert 0.05 < found["share_frac"] < 0.95
    assert found["share_frac"] == pytest.approx(1 - trained)
    more = quantity_text("energy_j", point(plan.amount("more_energy_j").mid))
    assert f"one percent less loss costs {more} more" in plan.sentences[1]


def test_carbon_of_what_is_made_by_its_capacity_is_told_in_kilograms() -> None:
    grams = convert(80_000.0, "g/kWh", "kg/J")
    assert quantity_text("battery_kg_per_j", point(grams)) == "80 kg/kWh"
    assert quantity_text("carbon_kg_per_j", point(convert(344.0, "g/kWh", "kg/J"))) == "344 g/kWh"
