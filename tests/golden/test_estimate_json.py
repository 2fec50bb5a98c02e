"""The document of an estimation, byte for byte: it changes only when the format, the fit or a figure does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_estimate_json.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support.repository import PACKAGE

import twentywatts as tw
from twentywatts.reports.output import write_json
from twentywatts.reports.plain import plain

FOLDER = Path(__file__).parent
RUN = {"command": "twentywatts …", "time": "2026-01-01T00:00:00+00:00"}
# a chip of the tests' own: a corrected figure of a bundled one must not change the format's example
CHIP = str(FOLDER.parent / "support" / "machines" / "plan-chip.toml")


def test_the_document_is_the_golden_one(tmp_path: Path) -> None:
    golden = FOLDER / "estimate-1.json"
    target = golden if os.environ.get("TWENTYWATTS_GOLDEN") == "write" else tmp_path / "document.json"
    found = tw.estimate("llama-3.1-8b", on=[CHIP, "tpu-v5e"], batch="1..4", prompt_tokens=500, output_tokens=300)
    write_json(plain({**found.as_document(), "run": RUN}), target)
    assert target.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def test_documents_keep_the_schema() -> None:
    validate = pytest.importorskip("jsonschema").validate
    schema = json.loads((PACKAGE / "data/schemas/estimate-1.schema.json").read_text(encoding="utf-8"))
    validate(json.loads((FOLDER / "estimate-1.json").read_text(encoding="utf-8")), schema)
    for model, options in (
        ("qwen3-30b-a3b", {"batch": 8}),
        ("sdxl", {"images": 2}),
        ("bert-base-uncased", {"batch": 4}),
    ):
        validate(plain(tw.estimate(model, on="b200x8", **options).as_document()), schema)
