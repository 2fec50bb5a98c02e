"""Fleets: published totals, distributions, rebound, and files that nobody vouches for."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.plan.inputs import bundled
from twentywatts.plan.rebound import energy_ratio, rebound_frac
from twentywatts.plan.result import Input
from twentywatts.plan.scenario_file import presets, read_scenario
from twentywatts.plan.simulation import draw, product
from twentywatts.reports.plan import plan_document, plan_view
from twentywatts.uncertain import Interval

TWH = 3.6e15


def test_de_vries_as_published() -> None:
    found = tw.plan.fleet("de-vries-2027").amount("energy_j")
    # 1.5 million servers of 6.5 to 10.2 kW: 85.4 to 134.0 TWh at the ends, 5 and 95 % of an even spread between
    assert [value / TWH for value in (found.low, found.mid, found.high)] == pytest.approx(
        [87.8, 109.7, 131.6], rel=1e-3
    )


def test_the_world_s_chips_of_2025() -> None:
    plan = tw.plan.fleet("world-2025")
    found = plan.amount("energy_j")
    assert [value / TWH for value in (found.low, found.mid, found.high)] == pytest.approx([77, 103, 133], rel=0.02)
    shares = {driver.key: driver.share_frac for driver in plan.drivers}
    assert shares["stock_power_w"] == pytest.approx(0.37, abs=0.03)
    assert shares["load_frac"] == pytest.approx(0.34, abs=0.03)
    assert plan.drivers[0].key == "stock_power_w"


def test_what_a_fleet_is_told_against_and_what_becomes_of_it_are_divisions() -> None:
    """Each home, the world and the dam take what their own tables say; a year later work and chips have both grown."""
    plan = tw.plan.fleet("world-2025")
    energy = plan.amount("energy_j")
    for key, each in (
        ("world_share_frac", bundled("world")["world_electricity_j"]),
        ("home_count", bundled("equivalents")["home_year_us_energy_j"]),
        ("dam_day_count", bundled("equivalents")["three_gorges_day_energy_j"]),
    ):
        assert plan.amount(key).mid * each.interval.mid == pytest.approx(energy.mid), key
    growth = read_scenario("world-2025").growth
    assert growth is not None
    (table,) = (table for table in plan.tables if table.name == "growth")
    for years, row in enumerate(table.rows, start=1):
        net = (growth.factor.mid / growth.efficiency) ** years
        assert row.numbers["energy_j"].mid == pytest.approx(energy.mid * net)


def test_the_claim_about_the_dam_is_off_by_thirty() -> None:
    energy = tw.plan.fleet("three-gorges").amount("energy_j")
    assert energy.mid / 3.6e6 == pytest.approx(27.54e8)
    assert 840e8 / (energy.mid / 3.6e6) == pytest.approx(30.5, rel=1e-3)


@pytest.mark.parametrize("name", ["de-vries-2027", "iea-2026", "iea-2030", "lbnl-2028"])
def test_presets_stay_within_what_their_authors_published(name: str) -> None:
    scenario, found = read_scenario(name), tw.plan.fleet(name, draws=2000).amount("energy_j")
    assert scenario.published is not None
    if scenario.published.mid_j:
        assert found.mid == pytest.approx(scenario.published.mid_j, rel=0.05)
    if scenario.published.low_j and scenario.published.high_j:
        assert scenario.published.low_j <= found.low <= found.high <= scenario.published.high_j


def test_there_are_the_presets_of_the_help() -> None:
    named = "de-vries-2027 iea-2026 iea-2030 lbnl-2028 three-gorges world-2025".split()
    assert [name for name in presets() if name in named] == named


@given(low=st.floats(0.1, 10), middle=st.floats(0, 1), width=st.floats(0.01, 10))
def test_draws_follow_their_distribution(low: float, middle: float, width: float) -> None:
    interval = Interval(low=low, mid=low + middle * width, high=low + width)
    even = draw(Input(key="a", label="a", interval=interval, distribution="uniform"), draws=1000, seed=1)
    peaked = draw(Input(key="a", label="a", interval=interval, distribution="triangular"), draws=1000, seed=1)
    for values in (even, peaked):
        assert low - 1e-9 <= values.min() <= values.max() <= low + width + 1e-9
    assert even[1:].mean() == pytest.approx(low + width / 2)
    assert peaked[1:].mean() == pytest.approx((interval.low + interval.mid + interval.high) / 3, rel=0.01)
    assert np.array_equal(
        even, draw(Input(key="a", label="b", interval=interval, distribution="uniform"), draws=1000, seed=1)
    )


@given(g=st.floats(1.01, 100), response=st.floats(0, 3))
def test_a_saving_backfires_exactly_where_demand_responds_more_than_in_proportion(g: float, response: float) -> None:
    ratio = energy_ratio(g, response)
    assert (ratio > 1 + 1e-12) == (response > 1 + 1e-12) or ratio == pytest.approx(1)
    assert rebound_frac(g, 0.0) == pytest.approx(0.0, abs=1e-9)
    assert rebound_frac(g, 1.0) == pytest.approx(1.0)


@given(first=st.floats(0.1, 10), second=st.floats(0.1, 10), share=st.floats(1.01, 5))
def test_a_product_is_narrower_than_its_ends_multiplied(first: float, second: float, share: float) -> None:
    one = Interval(low=first / share, mid=first, high=first * share)
    two = Interval(low=second / share, mid=second, high=second * share)
    found = product(one, two, key="a")
    assert found.mid == pytest.approx(first * second)
    assert one.low * two.low < found.low < found.mid < found.high < one.high * two.high
    exact = share ** np.sqrt(2)  # two independent lognormals of one spread
    assert found.high / found.mid == pytest.approx(exact, rel=0.15)


SCENARIO = """
schema = "twentywatts.fleet/1"
title = "ours"
[inputs.unit_count]
value = 1000
unit = "1"
where = "our inventory"
[inputs.unit_power_w]
low = 5
value = 6
high = 8
unit = "kW"
where = "meters"
[inputs.pue]
value = 1.2
unit = "1"
where = "meters"
"""


def test_a_file_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    found = tw.plan.fleet(str(path), draws=500, grid="DE")
    assert found.amount("energy_j").mid == pytest.approx(1000 * 6000 * 1.2 * 8760 * 3600)
    assert found.amount("carbon_kg").mid > 0


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('"twentywatts.fleet/1"', '"other/1"', "needs schema"),
        ('title = "ours"', "", "title"),
        ("value = 1000", "value = -5", "positive"),
        ("value = 1000", "value = true", "number"),
        ("value = 1000", "value = nan", "number"),
        ("value = 1000", "value = 1e300", "below"),
        ('unit = "kW"', 'unit = "kWh"', "cannot be given"),
        ('unit = "kW"', 'unit = "zorg"', "unknown unit"),
        ("low = 5", "low = 7", "low ≤ value"),
        ("[inputs.pue]\nvalue = 1.2", "[inputs.pue]\nvalue = 0.9", "cannot use less"),
        ("[inputs.pue]", "[inputs.pui]", "did you mean 'pue'"),
        ("[inputs.unit_count]", "[inputs.stock_power_w]", "cannot be given"),
        ("schema", "extra = 1\nschema", "unknown keys"),
        ('where = "our inventory"', f'where = "{"x" * 500}"', "at most 400"),
        ('where = "our inventory"', 'where = "x"\ndistribution = "normal"', "distribution"),
        ("[inputs.pue]", "[inputs.base_energy_j]", "cannot be given"),
        ("title", "[[[", "not valid TOML"),
    ],
)
def test_a_bad_file_is_named(old: str, new: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    assert old in SCENARIO
    path.write_text(SCENARIO.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=word):
        tw.plan.fleet(str(path), draws=10)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'world-2025'"):
        tw.plan.fleet("world2025")
    with pytest.raises(InputError, match="cannot read"):
        tw.plan.fleet(str(tmp_path / "none.toml"))
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(InputError, match="not a file"):
        tw.plan.fleet(str(folder))
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 200_000)
    with pytest.raises(InputError, match="larger than"):
        tw.plan.fleet(str(large))


def test_a_key_of_absurd_depth_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("a." * 40_000 + "b = 1", encoding="utf-8")
    with pytest.raises(InputError, match="parts"):
        tw.plan.fleet(str(path))


def test_a_fleet_of_ones_own_is_told_in_words_and_says_where_its_numbers_are_from(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        'schema = "twentywatts.fleet/1"\ntitle = "our cluster"\n'
        '[inputs.unit_count]\nvalue = 1000\nunit = "1"\nwhere = "inventory"\n'
        '[inputs.unit_power_w]\nlow = 5\nvalue = 6\nhigh = 8\nunit = "kW"\nwhere = "meters"\n',
        encoding="utf-8",
    )
    stream = io.StringIO()
    Console(file=stream, width=80, no_color=True).print(plan_view(plan_document(tw.plan.fleet(str(path)))))
    text = stream.getvalue()
    assert re.search(r"^ number of machines +1,000 +inventory", text, flags=re.MULTILINE)
    assert re.search(r"^ power of one machine +6 kW \(5–8\) +meters", text, flags=re.MULTILINE)
    assert "unit_" not in text
