"""``twentywatts slim`` of a language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twentywatts.cli import main


def test_settings_are_ranked_and_recipes_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, document = tmp_path / "out", tmp_path / "slim.json"
    line = ["slim", "gpt2", "--on", "t4x1", "--requests", "2", "--out", str(out), "--json", str(document)]
    line += ["--html", str(tmp_path / "page.html")]
    assert main(line) == 0
    told = capsys.readouterr()
    assert "The cheapest settings" in told.out
    assert "none for fp8: llm-compressor quantises layers of the class Linear" in " ".join(told.out.split())
    assert f"written: {out / 'quantise-int4.py'}" in told.err
    assert [path.name for path in out.iterdir()] == ["quantise-int4.py"]
    assert "Serving GPT-2" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert json.loads(document.read_text(encoding="utf-8"))["schema"] == "twentywatts.slim-language/1"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["gpt2"], "a language model wants --on"),
        (["gpt2", "--on", "t4x1", "--html", "missing/page.html"], "does not exist"),
        (["gpt2", "--on", "t4x1", "--step", "50"], "has no unit"),
        (["gpt2", "--on", "t4x1", "--out", ""], "--out is empty"),
        (["gpt-2000", "--on", "t4x1"], "unknown model"),
        (["gpt2", "--on", "t4x1", "--software", "vllm-1999"], "unknown software"),
        (["model.onnx", "--on", "t4"], "needs --data"),
        (["model.onnx", "--data", "x.npz", "--requests", "3"], "--requests is for language models"),
        (["gpt2", "--on", "t4x1", "--train", "x.npz"], "--train is for networks"),
    ],
)
def test_wrong_lines_say_what_is_wanted(line: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slim", *line]) == 2
    assert said in capsys.readouterr().err
