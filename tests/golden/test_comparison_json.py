"""The comparison document, byte for byte: it changes only when the format does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_comparison_json.py
"""

import os
from pathlib import Path

from tests.support.example_comparison import golden_comparison

from twentywatts.reports.document import comparison_document, write_json

GOLDEN = Path(__file__).with_name("comparison-1.json")


def test_the_document_is_the_golden_one(tmp_path):
    target = GOLDEN if os.environ.get("TWENTYWATTS_GOLDEN") == "write" else tmp_path / "document.json"
    write_json(comparison_document(golden_comparison()), target)
    assert target.read_text(encoding="utf-8") == GOLDEN.read_text(encoding="utf-8")
