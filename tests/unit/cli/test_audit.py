"""``twentywatts audit`` on the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from twentywatts.cli import main

TEXT = "Training GPT-3 consumed 1,287 MW."


def test_a_text_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--text", TEXT]) == 0
    assert "unit error" in capsys.readouterr().out


def test_a_file_gives_a_document_and_a_page(tmp_path: Path) -> None:
    source, page, document = tmp_path / "a.html", tmp_path / "out.html", tmp_path / "out.json"
    source.write_text(f"<html><body><script>20 W</script><p>{TEXT}</p></body></html>", encoding="utf-8")
    assert main(["audit", str(source), "--html", str(page), "--json", str(document)]) == 0
    found = json.loads(document.read_text(encoding="utf-8"))
    assert found["schema"] == "twentywatts.audit/1"
    assert found["verdicts"]["unit_error"] == 1
    assert "<mark" in page.read_text(encoding="utf-8")


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert main(["audit", "-", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "standard input"


@pytest.mark.parametrize(
    "arguments", [[], ["a.txt", "--text", "b"], ["missing.txt"], ["--text", "a", "--json", "-", "--html", "-"]]
)
def test_bad_input_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("text", [" ", "  \n\n", "…  ."])
def test_nothing_to_audit_is_bad_input_and_writes_nothing(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "out.json"
    assert main(["audit", "--text", text, "--json", str(report)]) == 2
    assert capsys.readouterr().err == "twentywatts: there is nothing to audit: 'text' holds no sentence\n"
    assert not report.exists()


def test_a_report_is_not_written_over_the_article(tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text(TEXT, encoding="utf-8")
    assert main(["audit", str(source), "--json", str(source)]) == 2
    assert source.read_text(encoding="utf-8") == TEXT
