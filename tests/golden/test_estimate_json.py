"""The document of an estimation, byte for byte: it changes only when the format, the fit or a figure does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_estimate_json.py
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.golden import RUN, check_golden, check_schema

import twentywatts as tw
from twentywatts.reports.estimate_document import estimation_document

FOLDER = Path(__file__).parent
# a chip of the tests' own: a corrected figure of a bundled one must not change the format's example
CHIP = str(FOLDER.parent / "support" / "machines" / "plan-chip.toml")


def test_the_document_is_the_golden_one(tmp_path: Path) -> None:
    found = tw.estimate("llama-3.1-8b", on=[CHIP, "tpu-v5e"], batch="1..4", prompt_tokens=500, output_tokens=300)
    check_golden({**estimation_document(found), "run": RUN}, FOLDER / "estimate-1.json", tmp_path)


def test_documents_keep_the_schema() -> None:
    check_schema(json.loads((FOLDER / "estimate-1.json").read_text(encoding="utf-8")), "estimate-1")
    for model, options in (
        ("qwen3-30b-a3b", {"batch": 8}),
        ("sdxl", {"images": 2}),
        ("bert-base-uncased", {"batch": 4}),
    ):
        check_schema(estimation_document(tw.estimate(model, on="b200x8", **options)), "estimate-1")
