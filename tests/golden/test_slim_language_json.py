"""The document of a served language model, byte for byte.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_slim_language_json.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.support.golden import RUN, check_golden, check_schema

from twentywatts.reports.slim_language_document import language_document
from twentywatts.slimming.language.ranking import Load, recommend

GOLDEN = Path(__file__).with_name("slim-language-1.json")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    advice = recommend("gpt2", on="t4x1,loihi", load=Load(most_batch=4, step_s=0.1))
    return language_document(advice, model="", run=RUN)


def test_the_document_is_the_golden_one(document: dict[str, Any], tmp_path: Path) -> None:
    check_golden(document, GOLDEN, tmp_path)


def test_the_document_satisfies_its_schema(document: dict[str, Any]) -> None:
    check_schema(document, "slim-language-1")
    with pytest.raises(jsonschema.ValidationError):
        check_schema({**document, "best": {"machine": "t4"}}, "slim-language-1")
