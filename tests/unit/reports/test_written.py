"""What results write of themselves from Python: the same page and document as their verbs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.example_comparison import example_comparison

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.reports.document import comparison_document


def estimated() -> Any:
    return tw.estimate("llama-3.1-8b", on="h100-sxm", batch=8)


def planned() -> Any:
    return tw.plan.equivalents(3.6e12)


@pytest.mark.parametrize(
    ("make", "title", "schema"),
    [
        (example_comparison, "What one inference of digits.onnx costs", "comparison/1"),
        (estimated, "What Llama 3.1 8B costs", "estimate/1"),
        (planned, "What 1 GWh compares to", "plan/1"),
    ],
)
def test_a_result_writes_its_page_and_its_document(make: Any, title: str, schema: str, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    result = make()
    result.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<h1>{title}</h1>" in page
    assert ">How it was made</h2></section>" not in page
    result.report(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["schema"] == f"twentywatts.{schema}"


def test_the_document_is_that_of_the_verb(tmp_path: Path) -> None:
    comparison = example_comparison()
    comparison.report(tmp_path / "result.JSON")
    assert json.loads((tmp_path / "result.JSON").read_text(encoding="utf-8")) == comparison_document(comparison)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        planned().report(tmp_path / "nowhere" / "page.html")
