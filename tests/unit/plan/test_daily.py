"""A comparison at scale: so many inferences a day, and the carbon of a country."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from tests.support.example_comparison import golden_comparison
from tests.support.repository import PACKAGE

from twentywatts.cli import main
from twentywatts.errors import InputError
from twentywatts.plan.carbon import grid
from twentywatts.plan.daily import at_scale
from twentywatts.reports.at_scale import at_scale_section, at_scale_view, with_scale
from twentywatts.reports.document import comparison_document

DOCUMENT = comparison_document(golden_comparison())


def test_a_year_is_365_days_of_the_row() -> None:
    found = at_scale(DOCUMENT["rows"], 1e9, "DE")
    for row, each in zip(found["rows"], DOCUMENT["rows"], strict=False):
        assert row["machine"] == each["machine"]
        for end in ("low", "mid", "high"):
            assert row["year_energy_j"][end] == pytest.approx(each["energy_j"][end] * 365e9)
        assert row["year_carbon_kg"]["mid"] == pytest.approx(
            row["year_energy_j"]["mid"] * grid("DE").carbon_kg_per_j.mid
        )


def test_a_brain_is_not_fed_by_a_grid() -> None:
    brain = {**DOCUMENT["rows"][0], "role": "yardstick", "machine": "human-brain"}
    assert not any(row["machine"] == "human-brain" for row in at_scale([brain], 1e9, "DE")["rows"])


def test_the_document_keeps_its_schema_and_its_order() -> None:
    document = with_scale(DOCUMENT, at_scale(DOCUMENT["rows"], 1e9, "US"))
    schema = json.loads((PACKAGE / "data/schemas/comparison-1.schema.json").read_text(encoding="utf-8"))
    pytest.importorskip("jsonschema").validate(document, schema)
    assert list(document)[-1] == "run"
    assert {"ecologits-mixes", "epa-equivalencies"} <= set(document["sources"])
    assert "at_scale" not in DOCUMENT


def test_terminal_and_page_say_what_of_when() -> None:
    document = with_scale(DOCUMENT, at_scale(DOCUMENT["rows"], 1e9, "US"))
    console = Console(width=90, record=True, file=io.StringIO())
    for part in at_scale_view(document):
        console.print(part)
    text = console.export_text()
    for page in (text, "".join(at_scale_section(document))):
        assert "1 billion inferences a day, for a year" in page
        assert "United States 2023" in page
        assert "margin" in page
    assert at_scale_view(DOCUMENT) == []
    assert at_scale_section(DOCUMENT) == []


def test_without_a_grid_no_carbon_is_told() -> None:
    found = at_scale(DOCUMENT["rows"], 100.0, None)
    assert found["grid"] is None
    assert not any("year_carbon_kg" in row for row in found["rows"])


@pytest.mark.parametrize("per_day", [0.0, -1.0, float("nan"), 1e19])
def test_nonsense_is_named(per_day: float) -> None:
    with pytest.raises(InputError, match="inferences a day"):
        at_scale(DOCUMENT["rows"], per_day, None)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("--grid DE", "needs --per-day"),
        ("--per-day 1e9 --grid Grmany", "did you mean 'Germany'"),
        ("--per-day 5kWh", "a count has no unit"),
    ],
)
def test_a_wrong_wish_is_told_before_the_long_work(line: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "none.onnx", "--data", "none.npz", *line.split()]) == 2
    assert word in capsys.readouterr().err
