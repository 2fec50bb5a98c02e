"""Units: scales at load and at print."""

from __future__ import annotations

import math

import pytest

from twentywatts.errors import InputError
from twentywatts.units import (
    convert,
    format_count_interval,
    format_interval,
    format_si,
    format_time_interval,
    unit_of_key,
)


@pytest.mark.parametrize(
    ("value", "unit", "to", "wanted"),
    [
        (3.9, "pJ/bit", "J/byte", 3.12e-11),
        (100, "Gb/s", "byte/s", 12.5e9),
        (1, "KiB", "byte", 1024),
        (1, "MB", "byte", 1e6),
        (1, "uW/MHz", "J", 1e-12),
        (2, "GOP/s", "OP/s", 2e9),
        (1, "kWh", "J", 3.6e6),
        (5, "%", "1", 0.05),
        (2, "min", "s", 120),
        (1.5, "MHz", "1/s", 1.5e6),
        (23.6, "pJ/synop", "J", 23.6e-12),
        (28, "nm", "nm", 28),
        (2.5, "L/kWh", "m3/J", 2.5e-3 / 3.6e6),
        (400, "g/kWh", "kg/J", 0.4 / 3.6e6),
        (1000, "lb/MWh", "g/kWh", 453.59237),
        (2, "USD/h", "USD/s", 2 / 3600),
        (1, "yr", "d", 365),
        (3, "t", "kg", 3000),
    ],
)
def test_conversions_by_hand(value: float, unit: str, to: str, wanted: float) -> None:
    assert convert(value, unit, to) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("micro", ["us", "µs", "μs"])
def test_three_ways_to_write_micro(micro: str) -> None:
    assert convert(1, micro, "s") == pytest.approx(1e-6)


def test_milli_and_mega_are_not_the_same() -> None:
    assert convert(1, "MW", "W") / convert(1, "mW", "W") == pytest.approx(1e9)


@pytest.mark.parametrize("unit", ["", " ", "J/", "/s", "furlong", "pp", "jJ", "k%", "u1", "knm", "J//s", "3", "W s"])
def test_what_is_no_unit_is_named_in_the_message(unit: str) -> None:
    with pytest.raises(InputError, match="unknown unit"):
        convert(1, unit, "J")


@pytest.mark.parametrize(
    ("unit", "to"), [("J", "W"), ("pJ/bit", "J"), ("s", "1/s"), ("nm", "1"), ("bit", "1"), ("GB/s", "GB"), ("Hz", "s")]
)
def test_another_dimension_is_refused_with_both_units(unit: str, to: str) -> None:
    with pytest.raises(InputError) as caught:
        convert(1, unit, to)
    assert f"'{unit}'" in str(caught.value)
    assert f"'{to}'" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("memory_energy_j_per_byte", "J/byte"),
        ("memory_bandwidth_bytes_per_s", "byte/s"),
        ("peak_fp32_flop_per_s", "FLOP/s"),
        ("peak_int8_op_per_s", "OP/s"),
        ("firing_rate_per_s", "1/s"),
        ("static_power_w", "W"),
        ("launch_time_s", "s"),
        ("memory_capacity_bytes", "byte"),
        ("weight_bits", "bit"),
        ("process_nm", "nm"),
        ("core_count", "1"),
        ("drift_exponent", "1"),
    ],
)
def test_the_suffix_of_a_key_promises_a_unit(key: str, unit: str) -> None:
    assert unit_of_key(key) == unit


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.9e-5, "J", "19 µJ"),
        (0, "J", "0 J"),
        (999.6, "W", "1 kW"),
        (0.9996, "s", "1 s"),
        (1234, "J", "1.23 kJ"),
        (-0.002, "J", "-2 mJ"),
        (1e-18, "J", "0.001 fJ"),
        (1e20, "FLOP", "100000 PFLOP"),
        (math.nan, "J", "? J"),
        (math.inf, "J", "inf J"),
    ],
)
def test_numbers_for_people(value: float, unit: str, text: str) -> None:
    assert format_si(value, unit) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((1.1e-5, 1.9e-5, 4.2e-5), "19 µJ (11–42)"),
        ((2.0, 2.0, 2.0), "2 J"),
        ((0.0, 1.0, 2.0), "1 J (0–2)"),
        ((0.5e-3, 1e-3, 2.5), "1 mJ (0.5–2500)"),
        ((1e-9, 1.0, 2.0), "1 J (0.000000001–2)"),
        ((0.0, 0.0, 3e-6), "0 µJ (0–3)"),
        ((95.089, 95.2013, 95.3137), "95.2 J (95.1–95.3)"),
        ((95.19, 95.2, 95.21), "95.2 J (95.19–95.21)"),
        ((95.2, 95.2000001, 95.2000002), "95.2 J"),
        ((31.54, 31.86, 34.2), "31.9 J (31.5–34.2)"),  # in two digits mid would lie below its lower bound
        ((math.nan, math.nan, math.nan), "? J"),
    ],
)
def test_intervals_for_people(bounds: tuple[float, float, float], text: str) -> None:
    assert format_interval(*bounds, "J") == text


def test_a_count_lies_between_its_bounds_as_they_are_shown() -> None:
    assert format_count_interval(31.54, 31.86, 34.2) == "31.9 (31.5–34.2)"
    assert format_count_interval(25.4e6, 31.86e6, 34.2e6) == "31.9 million (25–34)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999_000, "999,000"),
        (1e6, "1 million"),
        (999.4e6, "999 million"),
        (1e9, "1 billion"),
        (2.5e12, "2.5 trillion"),
        (8.4e23, "8.4 × 10²³"),
        (1e15, "1 × 10¹⁵"),
        (3.1e-8, "3.1 × 10⁻⁸"),
        (1e-6, "0.000001"),
    ],
)
def test_counts_in_words(value: float, text: str) -> None:
    assert format_count_interval(value, value, value) == text


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0.0021, "2.1 ms"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172_800, "2 days"),
        (2 * 365 * 86_400, "2 years"),
    ],
)
def test_times_as_people_say_them(time_s: float, text: str) -> None:
    assert format_time_interval(time_s, time_s, time_s) == text


def test_a_bound_that_is_not_zero_is_never_printed_as_zero() -> None:
    assert "(0–" not in format_interval(3e-12, 1.0, 2.0, "J")


def test_prefixed_bytes_are_written_as_people_write_them() -> None:
    assert format_si(2e12, "byte/s") == "2 TB/s"
    assert format_si(12, "byte") == "12 byte"
    assert format_si(1.62e-10, "J/byte") == "162 pJ/byte"
    assert format_interval(5e9, 12e9, 30e9, "byte/s") == "12 GB/s (5–30)"
