"""The pytest plug-in, in a pytest of its own, on machines that live and machines that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.living import living

TESTS = """
import time, pytest

def test_sleep(): time.sleep(0.3)

def test_below(assert_energy_below):
    with assert_energy_below(1000.0): time.sleep(0.3)

def test_above(assert_energy_below):
    with assert_energy_below(0.5): time.sleep(0.3)

def test_limit(assert_energy_below):
    with pytest.raises(ValueError):
        with assert_energy_below(0.0): pass
"""


def ran(folder: Path, root: Path, *options: str) -> str:
    (folder / "test_it.py").write_text(TESTS)
    plugin = ["-p", "twentywatts.integrations.pytest_plugin"]
    environment = {**os.environ, "TWENTYWATTS_ROOT": str(root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    line = [sys.executable, "-m", "pytest", *plugin, *options, "-p", "no:cacheprovider", "-rs", str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=folder, timeout=120, check=False)
    return done.stdout + done.stderr


def test_a_limit_holds_where_counters_live(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    with living("client", tmp_path / "machine"):
        text = ran(tmp_path / "tests", tmp_path / "machine", "--energy")
    assert "1 failed, 3 passed" in text, text
    assert "more than the limit of 0.5 J" in text
    assert "= energy =" in text
    (line,) = [line for line in text.splitlines() if line.endswith("test_it.py::test_sleep")]
    assert "ESTIMATED" not in line


def test_an_estimate_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "bare").mkdir()
    text = ran(tmp_path / "tests", tmp_path / "bare")
    assert "2 passed, 2 skipped" in text, text
    assert "an estimate proves nothing" in text
    assert "= energy =" not in text


def test_it_costs_nothing_while_it_is_not_used() -> None:
    code = "import sys, pytest, twentywatts.integrations.pytest_plugin as p\n"
    code += "print([m for m in sys.modules if m.startswith('twentywatts.meter') or m == 'numpy'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_workers_measure_and_the_controller_tells(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    (tmp_path / "tests").mkdir()
    with living("client", tmp_path / "machine"):
        text = ran(
            tmp_path / "tests", tmp_path / "machine", "--energy", "-p", "xdist", "-n", "2", "-k", "sleep or below"
        )
    assert "2 passed" in text, text
    assert text.count("J (") == 2, text
    assert "side by side" in text
