"""``twentywatts measure`` as a process of its own, on fixture machines (tests/unit/cli/conftest.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.repository import PACKAGE

SCHEMA = json.loads((PACKAGE / "data/schemas/measurement-1.schema.json").read_text(encoding="utf-8"))
MEASURE = [sys.executable, "-m", "twentywatts", "measure"]
SLEEPER = [sys.executable, "-c", "import os,time; print(os.getpid(), flush=True); time.sleep(300)"]


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "TWENTYWATTS_ROOT": str(root)}


def measure(*words: object, env: dict[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    line = [*MEASURE, *map(str, words)]
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=120, check=False, **options)


def started(*words: object, env: dict[str, str]) -> tuple[subprocess.Popen[str], int]:
    """Start a measurement of SLEEPER; return it and the sleeper's process number once that is up."""
    line = [*MEASURE, *map(str, words), "--", *SLEEPER]
    process = subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def document(path: Path) -> dict[str, Any]:
    jsonschema = pytest.importorskip("jsonschema")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    return found
