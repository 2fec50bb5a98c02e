"""``twentywatts models``: what ships is listed, and what is listed is found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.support.commands import command
from tests.support.repository import PACKAGE, ROOT

from twentywatts.estimation.catalog import bundled_models
from twentywatts.readers.architectures import load_architecture
from twentywatts.readers.diffusions import is_diffusion


def shipped(folder: str) -> set[str]:
    return {path.stem for path in (PACKAGE / "data" / folder).glob("*.toml")} - {"parts"}


def test_every_model_that_ships_is_listed_whole_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = command("models").stdout
    assert max(map(len, text.splitlines())) <= 80
    listed = re.findall(r"^ (\S+) ", text, flags=re.MULTILINE)
    for name in shipped("architectures") | shipped("diffusion"):
        assert listed.count(name) == 1, name
    shown = {word for line in text.splitlines() for word in line.split()}
    for model in bundled_models():
        assert set(model.card.title.split()) <= shown, model.card.title


def test_every_name_and_alias_is_found_by_estimate() -> None:
    for model in bundled_models():
        for name in (model.card.name, *model.aliases):
            assert is_diffusion(name) or load_architecture(name).name == model.card.name


def test_a_word_picks_and_the_document_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    assert command("models", "Meta-Llama/Llama-3.1-8B", "--json", path).returncode == 0
    (found,) = json.loads(path.read_text(encoding="utf-8"))["models"]
    assert found["name"] == "llama-3.1-8b"
    assert found["parameter_count"] == pytest.approx(8030261248, rel=1e-5)  # as its publisher counts
    assert found["active_parameter_count"] == found["parameter_count"]


def test_an_unknown_word_is_one_line_with_the_nearest_name() -> None:
    done = command("models", "lllama-3.1-8b")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "twentywatts: no model that ships is called 'lllama-3.1-8b' (did you mean 'llama-3.1-8b'?)\n"


def test_the_pages_say_how_many_there_are() -> None:
    text = (ROOT / "docs" / "how" / "estimate-a-model.md").read_text(encoding="utf-8")
    assert f"{len(shipped('architectures'))} that read or write, {len(shipped('diffusion'))} that draw" in text


def test_what_a_plan_knows_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = command("plan", "list")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for name in ("WORLD", "DE", "world-2025", "iea-2030", "besiroglu2024"):
        assert name in done.stdout
    for path in (PACKAGE / "data" / "plan" / "fleets").glob("*.toml"):
        assert path.stem in done.stdout
