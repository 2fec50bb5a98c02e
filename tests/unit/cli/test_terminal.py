"""What a person sees: no line wider than the terminal, one thing without an s, short names told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.commands import command
from tests.support.onnx_models import one_layer, save
from tests.support.repository import ROOT

from twentywatts.machines import load_all, short_names

MODEL = ROOT / "examples" / "digits.onnx"
LONG = "/encoder/layers.0/attention/self/query_projection/with_a_name_that_goes_on/MatMul"


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_counts_are_as_wide_as_the_terminal(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(MODEL)
    for node in model.graph.node:
        node.name = f"{LONG}.{node.name}"
    onnx.save(model, tmp_path / "long.onnx")
    monkeypatch.setenv("COLUMNS", str(width))
    done = command("count", tmp_path / "long.onnx")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert max(map(len, lines)) <= width
    assert "long.onnx, batch 1: 10 layers" in lines[0]
    assert lines[-1].strip() == "… and 1 layer with less work or none"
    if width >= 80:
        assert LONG[:4] in done.stdout
        assert "86.1 k" in done.stdout


@pytest.mark.parametrize("words", ["estimate {} --on h100", "plan grid --load {} --grid DE"])
def test_a_name_that_no_file_can_bear_is_one_line(words: str) -> None:
    done = command(*words.format("x" * 5000 + ".json").split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "cannot be the name of a file" in done.stderr


def test_one_layer_is_no_layers(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path = save(one_layer("Relu", [(1, 3)]), tmp_path)
    assert command("count", path).stdout.startswith("model.onnx, batch 1: 1 layer\n")


def test_a_short_name_is_told() -> None:
    assert short_names(["h100", "loihi", "h100", "mine.toml"]) == ("'h100' is short for h100-sxm",)
    done = command("estimate", "gpt2", "--on", "h100,h100-sxm,h100x2", "--batch", "1", "--json", "-")
    document = json.loads(done.stdout)
    assert [row["machine"] for row in document["rows"]] == ["h100-sxm", "h100-sxmx2"]
    assert document["notes"][0] == "'h100' is short for h100-sxm"
    plan = command("plan", "training", "--params", "7B", "--tokens", "1T", "--on", "a100")
    assert "'a100' is short for a100-sxm-80" in plan.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("count m.onnx --bach=3", "'--bach=3' (did you mean '--batch'?) (`twentywatts count --help` tells"),
        (
            "plan training --params 7B --tokens 1T --on h100 --mfuu 3",
            "'--mfuu' (did you mean '--mfu'?) (`twentywatts plan",
        ),
        ("models qwen extra", "'extra' (`twentywatts models --help` tells what there is)"),
    ],
)
def test_an_unknown_option_is_told_by_its_verb_with_the_nearest(words: str, told: str) -> None:
    done = command(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"twentywatts: unrecognized argument {told}")


def test_two_names_of_one_machine_are_one() -> None:
    assert [machine.name for machine in load_all(["h100", "loihi", "h100-sxm", "loihi"])] == ["h100-sxm", "loihi"]


@pytest.mark.parametrize(("words", "meant"), [("comparee m.onnx", "compare"), ("plan train", "training")])
def test_a_misspelt_verb_is_told_with_the_nearest(words: str, meant: str) -> None:
    done = command(*words.split())
    assert done.returncode == 2
    assert f"(did you mean '{meant}'?)" in done.stderr
