"""The review document, byte for byte: it changes only when the format or a figure does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_review_json.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.support.golden import check_golden, check_schema

from twentywatts.claims.review import review
from twentywatts.claims.review_table import read_table
from twentywatts.reports.review import review_document, review_view
from twentywatts.reports.review_page import review_page

GOLDEN = Path(__file__).with_name("review-1.json")
TABLE = """Model,T,Spike rate,#OP_ANN (M),#OP_SNN (M),Energy,ANN energy
a paper,,0.1366,18.39,2.51,3.09e-7 J,845.94e-7 J
<b>another</b>,4,25 %,1 G,,0.9 mJ,4.6 mJ
a third,4,,1 G,,1 mJ,
"""


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "table.csv"
    path.write_text(TABLE, encoding="utf-8")
    return review_document(review(read_table(path), name=path.name, draws=50), run={"command": "twentywatts review"})


def test_the_document_is_the_golden_one(document: dict[str, Any], tmp_path: Path) -> None:
    check_golden(document, GOLDEN, tmp_path)


def test_the_document_satisfies_its_schema(document: dict[str, Any]) -> None:
    check_schema(document, "review-1")
    with pytest.raises(jsonschema.ValidationError):
        check_schema({**document, "rows": [{**document["rows"][0], "verdict": "fine"}]}, "review-1")


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_tells_it_all(document: dict[str, Any], width: int) -> None:
    import io

    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(review_view(document))
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    for words in ("274×", "37.4×", "multiplied twice", "nothing can be recomputed", "spikes need more"):
        assert words in flat


def test_the_page_trusts_no_name(document: dict[str, Any]) -> None:
    pytest.importorskip("plotly")
    page = review_page(document)
    assert "<b>another</b>" not in page
    assert "&lt;b&gt;another&lt;/b&gt;" in page
    assert "274×" in page
