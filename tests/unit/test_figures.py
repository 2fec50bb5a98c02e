"""Figures and sources: what a table must hold."""

from __future__ import annotations

from typing import Any

import pytest

from twentywatts.errors import InputError
from twentywatts.figures import (
    Boundary,
    Evidence,
    Figure,
    load_figures,
    load_sources,
    parse_figure,
    parse_source,
    sample,
)

GOOD = {
    "value": 23.6,
    "low": 17,
    "high": 40,
    "unit": "pJ",
    "grade": "paper",
    "source": "davies2018",
    "where": "Table 1",
    "condition": "0.75 V",
}
PAPER = {"kind": "paper", "title": "A chip", "authors": "Doe, Jane", "year": 2024}


def figure(**changes: Any) -> Figure:
    return parse_figure("synaptic_event_energy_j", {**GOOD, **changes})


def test_a_figure_is_converted_to_si() -> None:
    found = figure()
    assert (found.low, found.value, found.high) == pytest.approx((17e-12, 23.6e-12, 40e-12))
    assert found.unit == "J"
    assert found.interval.mid == found.value


def test_a_guess_is_evidence_zero_and_anything_cited_is_one() -> None:
    assert figure(grade="guess").evidence is Evidence.GUESSED
    assert {figure(grade=grade).evidence for grade in ("paper", "datasheet", "measured", "derived")} == {
        Evidence.MODELLED
    }
    assert [evidence.label for evidence in Evidence] == ["L0", "L1", "L2", "L3", "L4"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"value": "23"}, "finite number 'value'"),
        ({"value": True}, "finite number 'value'"),
        ({"high": float("nan")}, "finite number 'high'"),
        ({"high": float("inf")}, "finite number 'high'"),
        ({"value": 10**400}, "finite number 'value'"),
        ({"low": None}, "finite number 'low'"),
        ({"low": -1}, "0 < low"),
        ({"low": 0}, "0 < low"),
        ({"low": 30}, "low ≤ value"),
        ({"high": 20}, "value ≤ high"),
        ({"unit": "pJ/bit"}, "'pJ/bit' cannot be given where 'J'"),
        ({"unit": "joules"}, "unknown unit 'joules'"),
        ({"unit": ""}, "a text 'unit'"),
        ({"unit": 7}, "a text 'unit'"),
        ({"grade": "recalled"}, "grade 'recalled', wanted one of measured"),
        ({"source": ""}, "a text 'source'"),
        ({"where": "  "}, "a text 'where'"),
        ({"condition": ["dense"]}, "a text 'condition'"),
    ],
)
def test_a_bad_figure_is_refused_with_its_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        figure(**changes)
    assert "'synaptic_event_energy_j'" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_every_part_of_a_figure_is_wanted(key: str) -> None:
    with pytest.raises(InputError, match=f"'{key}'"):
        parse_figure("mac_energy_j", {name: value for name, value in GOOD.items() if name != key})


@pytest.mark.parametrize("table", [3, "text", [GOOD], None])
def test_a_figure_that_is_no_table_says_what_a_figure_is(table: Any) -> None:
    with pytest.raises(InputError, match="must be a table with value, low, high"):
        parse_figure("static_power_w", table)


def test_nothing_at_all_is_a_figure_where_it_is_said_of_all_three() -> None:
    assert figure(value=0, low=0, high=0).value == 0


def test_figures_that_share_a_stream_share_their_draws() -> None:
    figures = {"a": figure(shared="dram.hbm"), "b": figure(shared="dram.hbm"), "c": figure()}
    one = sample(figures, namespace="one", draws=50, seed=0)
    two = sample(figures, namespace="two", draws=50, seed=0)
    assert one["a"].tolist() == one["b"].tolist() == two["a"].tolist()
    assert one["c"].tolist() != one["a"].tolist()
    assert one["c"].tolist() != two["c"].tolist()


def test_a_source_needs_who_what_and_when() -> None:
    source = parse_source("doe2024", {**PAPER, "doi": "10.1/2"})
    assert (source.key, source.year, source.doi, source.read) == ("doe2024", 2024, "10.1/2", "full")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"year": "2024"}, "whole number 'year'"),
        ({"year": True}, "whole number 'year'"),
        ({"title": ""}, "a text 'title'"),
        ({"authors": None}, "a text 'authors'"),
        ({"doi": 10.1}, "a text 'doi'"),
        ({"autor": "Doe"}, "unknown keys autor"),
    ],
)
def test_a_bad_source_is_refused_with_its_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_source("doe2024", {**PAPER, **changes})
    assert "'doe2024'" in str(caught.value)
    assert words in str(caught.value)


def test_what_boundaries_add_is_guessed_and_wide() -> None:
    for key, found in load_figures("boundaries").items():
        assert found.evidence is Evidence.GUESSED, key
        assert found.high / found.low > 4, key


def test_bundled_sources_say_where_to_find_them() -> None:
    for key, source in load_sources().items():
        assert source.doi or source.url or source.venue, key
        assert 1950 < source.year < 2100, key


def test_boundaries_widen() -> None:
    assert [boundary.rank for boundary in Boundary] == [0, 1, 2, 3]
