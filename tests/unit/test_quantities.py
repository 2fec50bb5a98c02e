"""Quantities as people write them: read against pint, printed so that they can be read again, never mistaken."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.errors import InputError
from twentywatts.units import (
    dimension_of,
    format_count_interval,
    format_time_interval,
    parse_quantity,
    to_base,
)


@pytest.mark.parametrize(
    ("text", "to", "value"),
    [
        ("41GWh", "J", 41e9 * 3600),
        ("41 GWh", "J", 41e9 * 3600),
        ("1_000kWh", "J", 3.6e9),
        ("120MW", "W", 120e6),
        (".5J", "J", 0.5),
        ("2e3 J", "J", 2000.0),
        ("1yr", "s", 8760 * 3600.0),
        ("14d", "s", 14 * 86400.0),
        ("70e9", "1", 70e9),
        ("70B", "1", 70e9),
        ("2T", "1", 2e12),
        ("1.5k", "1", 1500.0),
    ],
)
def test_people_s_quantities(text: str, to: str, value: float) -> None:
    assert parse_quantity(text, to) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "to", "word"),
    [
        ("41GW", "J", "is a power"),
        ("41GWh", "W", "is an energy"),
        ("41MW/h", "J", "is a power per time"),
        ("41MWh/d", "J", "is an energy per time"),
        ("2s", "J", "is a time"),
        ("41", "J", "has no unit"),
        ("0J", "J", "positive"),
        ("-3J", "J", "positive"),
        ("1e99J", "J", "finite"),
        ("nanJ", "J", "cannot read"),
        ("", "J", "cannot read"),
        ("GWh", "J", "cannot read"),
        ("1,5GWh", "J", "unknown unit"),
        ("70GB", "1", "no unit"),
        ("9" * 10_000, "1", "cannot read"),
        ("1" + " " * 10_000, "1", "cannot read"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, to: str, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        parse_quantity(text, to)
    assert len(str(caught.value)) < 300


@given(text=st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    for unit in ("J", "W", "s", "1"):
        with contextlib.suppress(InputError):
            assert 0 < parse_quantity(text, unit) < 1e60
    assert isinstance(dimension_of(text), str)


UNITS = ("J", "kJ", "Wh", "kWh", "GWh", "TWh", "W", "MW", "s", "min", "h", "g", "kg", "t", "L", "mL")


@given(value=st.floats(1e-6, 1e9), unit=st.sampled_from(UNITS))
def test_base_units_agree_with_pint(value: float, unit: str) -> None:
    pint = pytest.importorskip("pint")
    registry = _registry(pint)
    name = {"h": "hour", "t": "metric_ton", "L": "liter", "mL": "milliliter", "min": "minute"}.get(unit, unit)
    theirs = registry.Quantity(value, name.replace("Wh", "watt_hour")).to_base_units().magnitude
    assert to_base(value, unit) == pytest.approx(theirs)


def _registry(pint: object, cache: dict[str, object] = {}) -> object:  # noqa: B006
    if "it" not in cache:
        cache["it"] = pint.UnitRegistry()  # type: ignore[attr-defined]
    return cache["it"]


@given(mid=st.floats(1e-12, 1e30), below=st.floats(0.1, 1), above=st.floats(1, 10))
def test_intervals_are_told_without_powers_where_people_know_words(mid: float, below: float, above: float) -> None:
    text = format_count_interval(mid * below, mid, mid * above)
    assert "nan" not in text
    if 1e6 <= mid < 9e14:
        assert any(word in text for word in ("million", "billion", "trillion"))
    assert format_time_interval(mid * below, mid, mid * above)


def test_times_are_told_in_the_largest_unit_that_fits() -> None:
    assert format_time_interval(3e6, 3e6, 3e6) == "34.7 days"
    assert format_time_interval(7200, 7200, 7200) == "2 h"
    assert format_time_interval(0.03, 0.03, 0.03) == "30 ms"
    assert format_count_interval(1e6, 1.29e6, 1.6e6) == "1.29 million (1–1.6)"
    assert format_count_interval(2048, 2048, 2048) == "2,048"
    assert format_count_interval(3.7e-4, 4.65e-4, 5.1e-4) == "0.000465 (0.00037–0.00051)"


def test_numbers_far_from_one_share_a_power_of_ten() -> None:
    assert format_count_interval(5.3e23, 1.07e24, 1.9e24) == "1.07 × 10²⁴ (0.53–1.9 × 10²⁴)"
    assert format_count_interval(2e-8, 2e-8, 2e-8) == "2 × 10⁻⁸"
