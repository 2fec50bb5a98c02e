"""Golden documents: byte for byte as they are checked in, and to their checked-in schema."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
from tests.support.repository import PACKAGE

from twentywatts.reports.output import write_json

# what a document says of the run, instead of host and time
RUN = {"command": "twentywatts …", "time": "2026-01-01T00:00:00+00:00"}


def check_golden(document: Mapping[str, Any], golden: Path, folder: Path) -> None:
    """Fail unless the document is written as the golden file has it; TWENTYWATTS_GOLDEN=write writes that file."""
    target = golden if os.environ.get("TWENTYWATTS_GOLDEN") == "write" else folder / "document.json"
    write_json(document, target)
    assert target.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def check_schema(document: Any, name: str) -> None:
    """Fail unless the document satisfies data/schemas/<name>.schema.json, and that is a schema itself."""
    schema = json.loads((PACKAGE / f"data/schemas/{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
