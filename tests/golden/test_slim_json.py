"""The slimming document, byte for byte: it changes only when the format does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_slim_json.py
"""

import json
from pathlib import Path

import jsonschema
import pytest
from tests.support.golden import check_golden, check_schema
from tests.support.golden_slim import golden_slim

from twentywatts.reports.slim import slim_view
from twentywatts.reports.slim_document import slim_document
from twentywatts.reports.slim_page import slim_page

GOLDEN = Path(__file__).with_name("slim-1.json")


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_document_is_the_golden_one(tmp_path):
    check_golden(slim_document(golden_slim()), GOLDEN, tmp_path)


def test_it_keeps_the_schema(golden):
    check_schema(golden, "slim-1")


def test_the_schema_refuses_what_is_no_result(golden):
    candidate, target = golden["candidates"][1], golden["targets"][0]
    wrong = [
        {**golden, "extra": 1},
        {**golden, "best": None},
        {**golden, "candidates": []},
        {**golden, "candidates": [{**candidate, "precision": "int7"}]},
        {**golden, "candidates": [{**candidate, "search": {**candidate["search"], "keeps": "yes"}}]},
        {**golden, "targets": [{**target, "points": [{**target["points"][0], "evidence": "L9"}]}]},
        {**golden, "run": {}},
    ]
    for document in wrong:
        with pytest.raises(jsonschema.ValidationError):
            check_schema(document, "slim-1")


def test_table_and_page_render_it(golden):
    assert slim_view(golden)
    assert "slim" in slim_page(golden)
