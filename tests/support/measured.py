"""``twentywatts measure`` as a process of its own, on fixture machines (tests/unit/cli/conftest.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.support.repository import PACKAGE

SCHEMA = json.loads((PACKAGE / "data/schemas/measurement-1.schema.json").read_text(encoding="utf-8"))
MEASURE = [sys.executable, "-m", "twentywatts", "measure"]
SLEEPER = [sys.executable, "-c", "import os,time; print(os.getpid(), flush=True); time.sleep(300)"]


_ADOPTION = """
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
elder, (reading, writing) = os.getpid(), os.pipe()
if os.fork() == 0:
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent: time.sleep(0.01)
        os.write(writing, b"yes" if os.getppid() == elder else b"no")
    os._exit(0)
print(os.read(reading, 3).decode())
"""


@cache
def adopts_orphans() -> bool:
    """Tell whether this kernel gives orphans to whoever asks for them: some say yes and give them to init."""
    done = subprocess.run([sys.executable, "-c", _ADOPTION], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout.strip() == "yes"


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "TWENTYWATTS_ROOT": str(root), "XDG_STATE_HOME": str(root / "state")}


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
