"""A snapshot of every figure, so that a change shows as a difference. `python bench/snapshot_figures.py` writes it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = "a figure has changed: look at it, then run `python bench/snapshot_figures.py` and commit the difference"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("snapshot_figures", ROOT / "bench" / "snapshot_figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_figure_has_changed_unseen(script: ModuleType) -> None:
    known = json.loads(script.SNAPSHOT.read_text(encoding="utf-8"))
    found = json.loads(script.snapshot(script.catalogue()))
    changed = {key: (known.get(key), found.get(key)) for key in known | found if known.get(key) != found.get(key)}
    assert not changed, COMMAND


def test_every_guess_is_listed_and_nothing_else(script: ModuleType) -> None:
    page = script.UNVERIFIED.read_text(encoding="utf-8")
    listed = {
        line.split("`")[1]: line for line in page.partition(script.START)[2].splitlines() if line.startswith("- `")
    }
    guessed = {
        f"{name}.{key}"
        for name, group in script.catalogue().items()
        for key, figure in group.items()
        if figure.grade == "guess"
    }
    assert listed.keys() == guessed, COMMAND
    assert script.unverified(page, script.catalogue()) == page, COMMAND


def test_a_guess_is_never_narrow(script: ModuleType) -> None:
    """What is exact by its nature (a count, a node's name, a capacity) may be; an energy, a power or a time may not."""
    for name, group in script.catalogue().items():
        for key, figure in group.items():
            if figure.grade == "guess" and figure.unit in ("J", "W", "s", "J/byte"):
                assert figure.high >= 2 * figure.low, f"{name}.{key}"
