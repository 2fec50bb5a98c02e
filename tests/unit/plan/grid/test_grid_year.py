"""A site over a year: accounts that add up, evidence that is told, bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.figures import Evidence
from twentywatts.plan.grid import Trace
from twentywatts.plan.grid.trace_file import parse_trace

pytest.importorskip("scipy")


def trace(hours: int = 72, *, carbon: bool = True) -> Trace:
    rows = ["time,load_mw,pv_pu,wind_pu" + (",ci_g_per_kwh,marginal_g_per_kwh" if carbon else "")]
    for hour in range(hours):
        sun = max(0.0, np.sin((hour % 24 - 6) / 12 * np.pi))
        tail = f",{300 - 100 * sun:.1f},600" if carbon else ""
        rows.append(f"2025-06-{1 + hour // 24:02d}T{hour % 24:02d}:00Z,100,{sun:.4f},{hour % 7 / 10}{tail}")
    return parse_trace(rows, "three-days.csv")


OPTIONS = {"grid": "DE", "pv_w": 250e6, "wind_w": 50e6, "battery_j": 200e6 * 3600, "flexible_frac": 0.3}


def test_the_account_adds_up() -> None:
    plan = tw.plan.grid_year(trace(), **OPTIONS)
    mid = {amount.key: amount.interval.mid for amount in plan.amounts}
    assert mid["load_energy_j"] == pytest.approx(72 * 100e6 * 3600)
    sun = np.maximum(0, np.sin((np.arange(24) - 6) / 12 * np.pi)).round(4).sum() * 3
    wind = sum(hour % 7 / 10 for hour in range(72))
    assert mid["own_energy_j"] == pytest.approx((250e6 * sun + 50e6 * wind) * 3600, rel=1e-6)
    assert mid["hourly_share_frac"] < mid["matched_share_frac"] <= mid["annual_share_frac"] + 1e-9
    assert mid["grid_energy_j"] == pytest.approx(mid["load_energy_j"] * (1 - mid["matched_share_frac"]))
    assert mid["marginal_carbon_kg"] == pytest.approx(mid["grid_energy_j"] / 3.6e6 * 0.6)
    assert mid["total_carbon_kg"] == pytest.approx(
        mid["carbon_kg"] + mid["plants_embodied_kg"] + mid["battery_embodied_kg"]
    )
    pv_kg, wind_kg = 250e3 * sun * 0.048, 50e3 * wind * 0.011
    assert mid["plants_embodied_kg"] == pytest.approx(pv_kg + wind_kg, rel=1e-6)
    assert mid["battery_embodied_kg"] == pytest.approx(200e3 * 80 * 3 / (15 * 365), rel=1e-6)
    assert mid["saved_carbon_kg"] > 0
    assert mid["battery_saved_carbon_kg"] > 0
    assert plan.kind == "grid"


def test_what_the_trace_tells_is_no_guess_and_what_is_made_up_is_one() -> None:
    told = tw.plan.grid_year(trace(), **{**OPTIONS, "battery_w": 50e6, "most_w": 125e6})
    assert told.evidence is Evidence.MODELLED
    assert not [item.key for item in told.inputs if item.key.startswith("carbon_day")]
    for options in (OPTIONS, {"grid": "DE", "pv_w": 1e6}):
        made = tw.plan.grid_year(trace(carbon=options is OPTIONS), **options)
        assert made.evidence is Evidence.GUESSED  # the battery's hours; the hourly shape of the carbon
    assert any("guess around the country's mean" in note for note in made.notes)


def test_without_anything_of_its_own_a_site_takes_all_from_the_grid() -> None:
    plan = tw.plan.grid_year(100e6, grid="FR")
    assert plan.amount("grid_energy_j").mid == pytest.approx(876e9 * 3600)
    assert plan.amount("carbon_kg").mid == pytest.approx(876e6 * 0.044, rel=1e-6)
    low, high = plan.amount("carbon_kg").low, plan.amount("carbon_kg").high
    assert (low, high) == pytest.approx((876e6 * 0.033, 876e6 * 0.067), rel=0.01)
    assert "hourly_share_frac" not in {amount.key for amount in plan.amounts}
    assert plan.tables[0].rows[0].name == "as it comes"


def test_the_aim_decides_what_is_least() -> None:
    carbon = tw.plan.grid_year(trace(), **OPTIONS)
    share = tw.plan.grid_year(trace(), **OPTIONS, aim="share")
    assert share.amount("grid_energy_j").mid <= carbon.amount("grid_energy_j").mid * (1 + 1e-6)
    assert carbon.amount("carbon_kg").mid <= share.amount("carbon_kg").mid * (1 + 1e-4)


def test_overhead_multiplies_the_load() -> None:
    plain, cooled = (tw.plan.grid_year(trace(), grid="DE", pue=pue) for pue in (None, ((0.0, 1.25),)))
    assert cooled.amount("load_energy_j").mid == pytest.approx(1.25 * plain.amount("load_energy_j").mid)


def test_carbon_of_another_trace_may_stand_in() -> None:
    own = trace()
    plan = tw.plan.grid_year(trace(carbon=False), **OPTIONS, carbon=own)
    assert plan.amount("carbon_kg").mid == pytest.approx(tw.plan.grid_year(own, **OPTIONS).amount("carbon_kg").mid)
    with pytest.raises(InputError, match="does not fit"):
        tw.plan.grid_year(trace(48, carbon=False), **OPTIONS, carbon=own)


def test_two_weeks_of_hours_are_drawn() -> None:
    plan = tw.plan.grid_year(50e6, grid="GB", pv_w=100e6)
    assert [series.name for series in plan.series] == ["best", "worst"]
    for series in plan.series:
        assert {len(values) for values in series.values.values()} == {168}
        assert series.values.keys() == series.labels.keys()
        assert series.start.endswith("Z")
    best, worst = (sum(series.values["grid_power_w"]) for series in plan.series)
    assert best < worst


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": "Germny"}, "did you mean 'Germany'"),
        ({"grid": "world", "pv_w": 1e6}, "latitude"),
        ({"grid": "DE", "battery_w": 1e6}, "capacity"),
        ({"grid": "DE", "flexible_frac": 1.2}, "0 to 1"),
        ({"grid": "DE", "aim": "money"}, "carbon or share"),
        ({"grid": "DE", "flexible_frac": 0.1, "most_w": 1e6}, "below its load"),
        ({"grid": "DE", "latitude": 95.0, "longitude": 0.0}, "latitude must be"),
        ({"grid": "DE", "latitude": 5.0}, "both"),
        ({"grid": "DE", "pv_w": -1.0}, "photovoltaics must be positive"),
        ({"grid": "DE", "flexible_frac": 0.1, "wait_s": 60.0}, "longest wait"),
        ({"grid": "DE", "pv_w": 1e6, "pv_yield": 0.9}, "yield"),
    ],
)
def test_bad_options_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tw.plan.grid_year(100e6, **options)  # type: ignore[arg-type]


def test_a_trace_without_load_is_told(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    path.write_text("time,pv_pu\n2025-01-01T00:00Z,0\n2025-01-01T01:00Z,0\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no load"):
        tw.plan.grid_year(path, grid="DE")
    path.write_text("time,load_w\n2025-01-01T00:00Z,0\n2025-01-01T01:00Z,0\n", encoding="utf-8")
    with pytest.raises(InputError, match="0 throughout"):
        tw.plan.grid_year(path, grid="DE")
