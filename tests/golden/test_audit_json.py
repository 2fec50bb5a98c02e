"""The audit document, byte for byte: it changes only when the format, a rule or a figure does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_audit_json.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.support.golden import check_golden, check_schema

from twentywatts.claims.audit import audit
from twentywatts.reports.audit import audit_document, audit_view
from twentywatts.reports.audit_page import audit_page

GOLDEN = Path(__file__).with_name("audit-1.json")
TEXT = """15.3 million H100 at 750 W for ten days use 84 billion kWh, a year of the Three Gorges dam.
The <b>new</b> data center consumes 300 megawatts per hour. It opened in 2023.
L'entraînement de GPT-3 aurait consommé environ 12 870 MWh. 2023年美国在人工智能上用电176太瓦时。
"""


@pytest.fixture
def document() -> dict[str, Any]:
    return audit_document(audit(TEXT, name="article.txt"), run={"command": "twentywatts audit"})


def test_the_document_is_the_golden_one(document: dict[str, Any], tmp_path: Path) -> None:
    check_golden(document, GOLDEN, tmp_path)


def test_the_document_satisfies_its_schema(document: dict[str, Any]) -> None:
    check_schema(document, "audit-1")
    wrong = {**document["sentences"][0], "verdict": "fine"}
    with pytest.raises(jsonschema.ValidationError):
        check_schema({**document, "sentences": [wrong]}, "audit-1")


@pytest.mark.parametrize("width", [60, 120])
def test_the_terminal_tells_it_all(document: dict[str, Any], width: int) -> None:
    import io

    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(audit_view(document))
    flat = " ".join(stream.getvalue().split())
    for words in ("30.5", "10 months", "22.9 kW", "unit error", "scope error", "three-gorges-2020"):
        assert words in flat


def test_the_page_trusts_no_text(document: dict[str, Any]) -> None:
    page = audit_page(document, TEXT)
    assert "<b>new</b>" not in page
    assert "&lt;b&gt;new&lt;/b&gt;" in page
    assert "It opened in 2023." in page
    assert "<script" not in page
