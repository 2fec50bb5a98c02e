"""The command as a person meets it: verbs, exit codes, one clear line for bad input, nothing half-written."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.commands import Finished, command

from twentywatts.counting import count
from twentywatts.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "examples" / "digits.onnx"


@pytest.fixture(scope="module")
def data(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    with np.load(digits / "test.npz") as whole:
        np.savez(folder / "few.npz", x=whole["x"][:120], y=whole["y"][:120])
    return folder


def refused(result: Finished, *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_help_and_version_name_only_verbs_that_run() -> None:
    result = command("--help")
    assert result.returncode == 0
    for verb in ("compare", "count", "machines", "cite"):
        assert verb in result.stdout
        assert command(verb, "--help").returncode == 0
    assert command("--version").stdout.startswith("twentywatts ")


def test_compare_writes_the_same_document_twice(data: Path, tmp_path: Path) -> None:
    documents = []
    for name in ("a.json", "b.json"):
        options = [
            "--data",
            data / "few.npz",
            "--on",
            "h100-sxm,loihi,neurram",
            "--rate",
            10,
            "--json",
            tmp_path / name,
        ]
        result = command("compare", MODEL, *options)
        assert result.returncode == 0, result.stderr
        documents.append(json.loads((tmp_path / name).read_text()))
    for document in documents:
        document.pop("run")
    assert documents[0] == documents[1]
    assert next(row["machine"] for row in documents[0]["rows"]) == "this-cpu"
    assert documents[0]["rows"][-1]["machine"] == "human-brain"


def test_json_on_standard_output_is_nothing_but_json(data: Path) -> None:
    result = command("compare", MODEL, "--data", data / "few.npz", "--on", "t4", "--json", "-")
    assert json.loads(result.stdout)["schema"] == "twentywatts.comparison/1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--on", "loihy"], ["unknown machine 'loihy'", "did you mean 'loihi'"]),
        (["--rate", "-1"], ["rate"]),
        (["--rate", "nan"], ["rate"]),
        (["--batch", "0"], ["batch"]),
        (["--max-drop", "-0.5"], ["drop"]),
        (["--max-drop", "nan"], ["drop"]),
        (["--max-drop", "2"], ["2%", "points"]),
        (["--max-drop", "much"], ["1%", "much"]),
        (["--metric", "acuracy"], ["metric"]),
        (["--axis", "batch"], ["NAME=SIZE"]),
        (["--train", "missing.npz"], ["missing.npz"]),
        (["--json", "/no/such/folder/out.json"], ["/no/such/folder"]),
        (["--html", "/no/such/folder/out.html"], ["/no/such/folder"]),
        (["--on", "missing.toml"], ["missing.toml"]),
        (["--on", ","], ["machine"]),
        (["--html", ""], ["empty"]),
        (["--json", "-", "--html", "-"], ["standard output"]),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(
    options: list[str], words: list[str], data: Path, tmp_path: Path
) -> None:
    line = ["compare", MODEL, "--data", data / "few.npz", *options]
    refused(command(*line, *([] if "--json" in options else ["--json", "out.json"]), cwd=tmp_path), *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07", b"PK\x03\x04"])
def test_what_is_no_model_is_refused(content: bytes, data: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(content)
    refused(command("count", model), "model.onnx")
    refused(command("compare", model, "--data", data / "few.npz"), "model.onnx")


def test_one_class_only_is_refused(data: Path, tmp_path: Path) -> None:
    with np.load(data / "few.npz") as whole:
        np.savez(tmp_path / "one.npz", x=whole["x"], y=np.zeros(len(whole["y"]), int))
    refused(command("compare", MODEL, "--data", tmp_path / "one.npz", "--on", "t4"), "one class only")


def test_a_batch_of_none_is_refused_whoever_counts() -> None:
    with pytest.raises(InputError, match="at least 1"):
        count(MODEL, batch=0)


def test_count_writes_its_schema() -> None:
    document = json.loads(command("count", MODEL, "--batch", 8, "--json", "-").stdout)
    assert document["schema"] == "twentywatts.count/1"
    assert (
        document["totals"]["mac_count"]
        == 8 * json.loads(command("count", MODEL, "--json", "-").stdout)["totals"]["mac_count"]
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--battery", "220mAh"], "--battery takes an energy such as 0.3Wh"),
        (["--battery", "0.3Wh"], "need a rate"),
        (["--battery", "0Wh", "--rate", "1"], "battery must hold"),
        (["--duty", "2", "--rate", "1"], "duty is a share"),
        (["--event-rate", "nan", "--rate", "1"], "event rate must be"),
    ],
)
def test_a_use_that_makes_no_sense_is_one_line(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from twentywatts.cli import main

    assert main(["compare", str(MODEL), "--data", "none.npz", *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
