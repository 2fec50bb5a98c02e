"""Rows for a paper: every special letter escaped, every number with its interval, every row with its sources."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.example_comparison import example_comparison

from twentywatts.cli import main
from twentywatts.errors import InputError
from twentywatts.reports.document import comparison_document
from twentywatts.reports.output import write_json
from twentywatts.reports.paper import csv_table, latex_table, read_rows

DOCUMENT = comparison_document(example_comparison())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "out.json"
    write_json(DOCUMENT, path)
    return path


def titled(title: str) -> dict[str, Any]:
    first, *others = DOCUMENT["rows"]
    return {**DOCUMENT, "rows": [{**first, "title": title, "machine": title}, *others]}


def bare(latex: str) -> str:
    """What LaTeX would still read as a command after the escaped ones are taken out."""
    known = r"\\(?:textbackslash|textasciitilde|textasciicircum|textbraceleft|textbraceright)\{\}|\\[&%$#_]"
    return re.sub(known, "", latex)


def test_every_row_has_energy_interval_and_citation(file: Path) -> None:
    text = latex_table(read_rows(file))
    rows = [line for line in text.splitlines() if line.endswith("\\\\")][1:]
    assert len(rows) == len(DOCUMENT["rows"])
    assert all("\\cite{" in row for row in rows)
    assert all(re.search(r"\(\d[\d.]*--\d[\d.]*\)", row) for row in rows)
    assert {line.count(" & ") for line in text.splitlines() if " & " in line} == {7}


def test_special_letters_are_escaped() -> None:
    line = latex_table(titled(r"50 % & more_of #1 {x} \input ~^ $")).splitlines()[6]
    title = line.partition("~\\cite")[0]
    assert title.startswith(r"50 \% \& more\_of \#1 \textbraceleft{}x\textbraceright{} \textbackslash{}input")
    assert not re.search(r"[\\&%$#_{}~^]", bare(title))


@given(st.text(max_size=40))
def test_no_title_leaves_its_cell(title: str) -> None:
    text = latex_table(titled(title))
    line = text.splitlines()[6]
    assert len(text.splitlines()) == len(latex_table(DOCUMENT).splitlines())
    assert bare(line).count("&") == 7
    assert not re.search(
        r"[\\#_^]",
        bare(line.partition("~\\cite")[0])
        .replace("$\\mu$", "")
        .replace("$\\times$", "")
        .replace("$\\geq$", "")
        .replace("$\\leq$", ""),
    )


def test_the_csv_holds_the_numbers_of_the_document(file: Path) -> None:
    table = list(csv.DictReader(io.StringIO(csv_table(read_rows(file)))))
    assert [row["machine"] for row in table] == [row["machine"] for row in DOCUMENT["rows"]]
    for row, source in zip(table, DOCUMENT["rows"], strict=True):
        for end in ("low", "mid", "high"):
            assert float(row[f"energy_j_{end}"]) == source["energy_j"][end]
        assert row["sources"].split("; ") == source["sources"]
        assert "(20" in row["citations"]


@pytest.mark.parametrize("name", ["=1+1", "@x", "+1", "-1"])
def test_no_cell_is_a_formula(name: str) -> None:
    table = list(csv.DictReader(io.StringIO(csv_table(titled(name)))))
    assert table[0]["machine"] == f"'{name}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "twentywatts.count/1"}, "is no comparison"),
        ({"rows": 1}, "lacks rows"),
        ({"rows": [1]}, "row 1 that is not one"),
        ({"rows": [{**DOCUMENT["rows"][0], "energy_j": {"low": 1, "mid": "a", "high": 3}}]}, "row 1 that is not one"),
        ({"rows": [{**DOCUMENT["rows"][0], "sources": "abc"}]}, "row 1 that is not one"),
        ({"model": {"name": 3}}, "lacks the model's name"),
    ],
)
def test_what_is_no_comparison_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**DOCUMENT, **change}), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_rows(path)


def test_the_command_writes_and_refuses(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.with_name("rows.tex")
    assert main(["cite", str(file), "--format", "latex", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == latex_table(DOCUMENT)
    assert main(["cite", str(file), "--format", "csv", "--out", str(file)]) == 2
    assert "reads or writes that file already" in capsys.readouterr().err
    file.write_text("", encoding="utf-8")
    assert main(["cite", str(file), "--format", "csv"]) == 2


def test_a_row_says_how_many_chips_it_takes_and_what_is_no_whole_chip() -> None:
    first, *others = DOCUMENT["rows"]
    table = latex_table({**DOCUMENT, "rows": [{**first, "chip_count": 24, "standing": "design"}, *others]})
    assert "24 chips, never built" in table
    assert "Machine & Form & Accuracy & Kept" in table
