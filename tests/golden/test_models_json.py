"""The document of the models that ship, byte for byte: it changes only when the format or a model of it does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_models_json.py
"""

from __future__ import annotations

from pathlib import Path

from tests.support.golden import check_golden, check_schema

from twentywatts.estimation.catalog import bundled_models
from twentywatts.reports.models import models_document

FOLDER = Path(__file__).parent


def test_the_document_is_the_golden_one(tmp_path: Path) -> None:
    check_golden(models_document(bundled_models("qwen3-30b")), FOLDER / "models-1.json", tmp_path)


def test_the_document_of_all_keeps_the_schema() -> None:
    check_schema(models_document(bundled_models()), "models-1")
