"""Always on in words, letters and on the page."""

from __future__ import annotations

import copy
import io
import json
from typing import Any

import pytest
from rich.console import Console
from tests.support.example_comparison import example_comparison

from twentywatts.reports.always_on import always_on_sentences, title_inside
from twentywatts.reports.always_on_views import always_on_chart, always_on_view
from twentywatts.reports.document import comparison_document
from twentywatts.reports.table import comparison_view


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return comparison_document(
        example_comparison(rate_per_s=20.0, duty_frac=0.25, event_rate_per_s=2.0, battery_j=1080.0)
    )


def shown(view: Any, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(view)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_power_battery_and_curve(document: dict[str, Any], width: int) -> None:
    text = shown(comparison_view(document), width)
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    assert "20 inferences per second, awake 25 % of the time, 2 events per second, battery 300 mWh" in flat
    assert "fake-spikes spiking" in text
    assert "days" in text
    curve = text[text.index("average power (90 %)") :]
    assert {"o", "x"} <= set("".join(line.partition("|")[2] for line in curve.splitlines() if "|" in line))


def test_without_a_battery_there_is_no_column_for_it() -> None:
    text = shown(always_on_view(comparison_document(example_comparison(rate_per_s=20.0))))
    assert "battery" not in text


def test_a_change_is_told_with_its_interval(document: dict[str, Any]) -> None:
    told = copy.deepcopy(document)
    rates = told["always_on"]["rates_per_s"]
    change = {"rate_per_s": {"low": 40.0, "mid": 120.0, "high": rates[-1]}, "below": 2, "above": 1}
    told["always_on"]["changes"] = [{**change, "event_driven_stops": True}]
    sentences = " ".join(always_on_sentences(told))
    assert "Event-driven stops winning at 120 inferences per second (90 %: 40 to at least 200,000)" in sentences
    assert "below, Fake spiking chip draws least, above, This computer's processor (fake)" in sentences


def test_where_nothing_changes_that_is_said(document: dict[str, Any]) -> None:
    told = copy.deepcopy(document)
    told["always_on"]["changes"] = []
    assert always_on_sentences(told)[-1] == (
        "At every rate from 0.02 to 200,000 inferences per second an event-driven machine draws least."
    )
    for row in told["always_on"]["rows"]:
        row["curve_w"] = [value if row["family"] == "processor" else 1e9 for value in row["curve_w"]]
    assert always_on_sentences(told)[-1] == (
        "At no rate from 0.02 to 200,000 inferences per second does an event-driven machine draw least."
    )


def test_the_chart_is_plain_values_and_trusts_no_name(document: dict[str, Any]) -> None:
    told = copy.deepcopy(document)
    told["always_on"]["rows"][0]["machine"] = "<b>x</b>"
    chart = always_on_chart(told)
    assert "<b>" not in json.dumps(chart)
    assert len(chart["data"]) == len(told["always_on"]["rows"])
    assert chart["layout"]["xaxis"]["type"] == chart["layout"]["yaxis"]["type"] == "log"


def test_the_page_has_the_section(document: dict[str, Any]) -> None:
    pytest.importorskip("plotly")
    from twentywatts.reports.page import comparison_page

    page = comparison_page(document)
    assert "<h2>Always on</h2>" in page
    assert 'id="chart-power"' in page


def test_this_computer_is_written_small_within_a_sentence() -> None:
    assert title_inside("This computer: AMD EPYC") == "this computer (AMD EPYC)"
    assert title_inside("Intel Loihi") == "Intel Loihi"
