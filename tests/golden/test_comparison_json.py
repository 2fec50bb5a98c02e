"""The comparison document, byte for byte: it changes only when the format does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_comparison_json.py
"""

from pathlib import Path

from tests.support.example_comparison import golden_comparison
from tests.support.golden import check_golden

from twentywatts.reports.document import comparison_document

GOLDEN = Path(__file__).with_name("comparison-1.json")


def test_the_document_is_the_golden_one(tmp_path):
    check_golden(comparison_document(golden_comparison()), GOLDEN, tmp_path)
