"""The verb: one line for what cannot be used, a document and a page for what can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.commands import command
from tests.support.golden import check_schema
from tests.support.slim_models import network, samples, written

from twentywatts.slimming.job import METHODS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("slim")
    written(found, network(), samples(120))
    return found


def test_a_document_a_page_and_a_folder(folder: Path) -> None:
    line = ["slim", "model.onnx", "--data", "data.npz", "--budget", "0", "--methods", "int8", "--max-drop", "2%"]
    done = command(*line, "--json", "out.json", "--html", "out.html", "--out", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Not provable at this n" in " ".join(done.stdout.split())
    document = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    check_schema(document, "slim-1")
    assert document["max_drop"] == 0.02
    assert document["best"] == document["candidates"][0]["digest"]
    assert document["run"]["command"].startswith("twentywatts")
    assert (folder / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (folder / "out" / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--budget", "-5s"], "90s, 2m or 1h, or 0, got '-5s'"),
        (["--budget", "5"], "90s"),
        (["--max-drop", "0.02"], "2%"),
        (["--max-drop", "-1"], "largest drop"),
        (["--methods", "distill"], "did you mean 'distil'"),
        (["--on", "loihy"], "did you mean 'loihi'"),
        (["--on", ","], "machine"),
        (["--train", "missing.npz"], "missing.npz"),
        (["--out", "data.npz"], "not a folder"),
        (["--out", ""], "--out is empty"),
        (["--json", "data.npz"], "reads or writes that file already"),
        (["--html", "nowhere/x.html"], "nowhere"),
        (["--batch", "0"], "batch"),
    ],
)
def test_what_cannot_be_used_is_one_line(options: list[str], words: str, folder: Path) -> None:
    done = command("slim", "model.onnx", "--data", "data.npz", *options, cwd=folder)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_data_are_asked_for(folder: Path) -> None:
    done = command("slim", "model.onnx", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--data" in done.stderr


def test_every_method_is_named_in_the_help() -> None:
    told = command("slim", "--help").stdout
    assert [name for name in METHODS if name not in told] == []
