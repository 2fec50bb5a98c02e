"""Equivalents: counts that follow from the figures, electric and metabolic apart, carbon with a vintage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.plan.carbon import grid, grids

GWH = 3.6e12


def _count(plan: tw.plan.Plan, name: str) -> float:
    return next(row.numbers["count"].mid for table in plan.tables for row in table.rows if row.name == name)


def test_41_gwh_as_the_press_tells_it() -> None:
    plan = tw.plan.equivalents(41 * GWH)
    assert _count(plan, "home-years in the United States") == pytest.approx(3826, rel=1e-3)
    assert _count(plan, "days of a human brain") == pytest.approx(41e6 / 0.48)
    assert _count(plan, "phone charges") == pytest.approx(41e6 / 0.012)


@given(energy=st.floats(1.0, 1e25))
def test_counts_are_exact_and_intervals_turn_round(energy: float) -> None:
    for table in tw.plan.equivalents(energy).tables:
        for row in table.rows:
            count, each = row.numbers["count"], row.numbers["each_energy_j"]
            assert count.mid * each.mid == pytest.approx(energy)
            assert count.low <= count.mid <= count.high
            assert count.low * each.high == pytest.approx(energy)


def test_food_never_stands_among_electricity() -> None:
    electric, metabolic = tw.plan.equivalents(GWH).tables
    assert not any("brain" in row.name or "human" in row.name for row in electric.rows)
    assert all("brain" in row.name or "human" in row.name for row in metabolic.rows)
    assert "metabolic" in metabolic.title
    assert any("no task is held equal" in note for note in tw.plan.equivalents(GWH).notes)


def test_every_line_says_when_and_where() -> None:
    for table in tw.plan.equivalents(GWH).tables:
        for row in table.rows:
            assert row.texts["year"]
            assert row.texts["region"]
            assert row.sources


def test_the_same_power_feeds_so_many_brains() -> None:
    plan = tw.plan.equivalents(700.0 * 3600, time_s=3600)
    assert plan.amount("power_w").mid == pytest.approx(700)
    assert plan.amount("brain_count").mid == pytest.approx(35)  # an H100 at its limit


def test_carbon_is_average_and_marginal_apart() -> None:
    american = tw.plan.equivalents(GWH, grid="united states")
    assert american.amount("marginal_carbon_kg").mid > american.amount("carbon_kg").mid
    assert "2023" in next(amount.note for amount in american.amounts if amount.key == "carbon_kg")
    with pytest.raises(KeyError):
        tw.plan.equivalents(GWH, grid="DEU").amount("marginal_carbon_kg")


def test_grids_are_consistent() -> None:
    for code, found in grids().items():
        assert found.carbon_kg_per_j.low < found.carbon_kg_per_j.mid < found.carbon_kg_per_j.high, code
        assert grid(found.name) is grid(found.alpha3.lower()) is found


@pytest.mark.parametrize("name", ["Germny", "XX", "", "\x1b[31mDE"])
def test_an_unknown_region_is_named(name: str) -> None:
    with pytest.raises(InputError, match="unknown region"):
        tw.plan.equivalents(GWH, grid=name)


@pytest.mark.parametrize("energy", [0.0, -1.0, float("inf"), float("nan")])
def test_no_energy_is_refused(energy: float) -> None:
    with pytest.raises(InputError):
        tw.plan.equivalents(energy)


def test_a_plan_prints_as_its_answer() -> None:
    title, answer, *amounts = str(tw.plan.equivalents(41 * GWH)).splitlines()
    assert title == "What 41 GWh compares to"
    assert "home-years" in answer
    assert amounts == ["electricity: 41 GWh"]
