"""Tables as papers write them, and one clear line for each that cannot be read."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import twentywatts as tw
from twentywatts.claims.review_table import read_table
from twentywatts.cli import main
from twentywatts.errors import InputError


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("Energy (mJ)", "3.1", 3.1e-3),
        ("energy_uj", "3.1", 3.1e-6),
        ("Claimed energy", "3.09e-7 J", 3.09e-7),
        ("Energy (10^-7 J)", "3.09", 3.09e-7),
        ("E_SNN [pJ]", "1,200", 1.2e-9),
        ("energy", "3.09 x 10^-7 J", 3.09e-7),
    ],
)
def test_energies_with_their_units(tmp_path: Path, header: str, cell: str, value: float) -> None:
    (row,) = read_table(table(tmp_path, f'macs;"{header}"\n1e6;{cell}\n'))
    assert row.claimed_j == pytest.approx(value)


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("MACs", "18.39 M", 18.39e6),
        ("#OP_ANN (M)", "18.39", 18.39e6),
        ("FLOPs (G)", "3", 3e9),
        ("macs", "1.2GMACs", 1.2e9),
        ("mac_count", "1,234,567", 1_234_567.0),
        ("MACs (10^6)", "2", 2e6),
        ("macs", "1e9", 1e9),
    ],
)
def test_counts_with_their_units(tmp_path: Path, header: str, cell: str, value: float) -> None:
    (row,) = read_table(table(tmp_path, f"model\t{header}\nx\t{cell}\n"))
    assert row.mac_count == pytest.approx(value)


def test_a_whole_table_with_gaps_and_unknown_columns(tmp_path: Path) -> None:
    text = "\ufeffModel,T,Spike Rate,#OP_SNN (M),Top-1,Energy (uJ)\nA,4,13.66 %,2.51,95.1,–\n\nB,,0.2,1,–,7\n"
    first, second = read_table(table(tmp_path, text))
    assert (first.name, first.line, first.timesteps, first.claimed_j) == ("A", 2, 4, None)
    assert first.spike_rate == pytest.approx(0.1366)
    assert (second.line, second.timesteps, second.claimed_j) == (4, None, pytest.approx(7e-6))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("model,macs\n", "a header and no row"),
        ("model,accuracy\nx,1\n", "line 1: no column tells the operations"),
        ("model,mac\nx,abc\n", "line 2, column 'mac': 'abc' is no number"),
        ("model,macs\nx,1\ny,-3\n", "line 3, column 'macs': '-3' is below zero"),
        ("model,macs\nx,nan\n", "line 2, column 'macs': 'nan' is no number"),
        ("model,macs\nx,1e400\n", "no number that can be used"),
        ("model;macs\nx;3,1\n", "line 2, column 'macs': '3,1' is no number that can be used"),
        ("model,macs\nx,3 apples\n", "'apples' is no unit of a count"),
        ("macs,energy\n1,3\n", "line 2, column 'energy': no unit"),
        ("macs,energy\n1,3 kg\n", "'kg' is no unit of energy"),
        ("macs,energy (W)\n1,3\n", "'W' is no unit of energy"),
        ("macs,rate\n1,13.66\n", "line 2, column 'rate': 13.66 spikes per neuron and time step"),
        ("macs,rate\n1,3 Hz\n", "after a spike rate"),
        ("macs,T\n1,2.5\n", "line 2, column 'T': time steps are a whole number"),
        ("macs,T\n1,0\n", "time steps are a whole number"),
        ("macs,mac\n1,2\n", "'macs', 'mac' are the same column"),
        ("macs,T\n1,2,3\n", "line 2: 3 cells, and the header has 2"),
        ('macs,T\n1,"2\n', "line"),
        ("macs\0,T\n1,2\n", "zero bytes"),
    ],
)
def test_what_cannot_be_read_is_told_with_line_and_column(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, text)
    assert main(["review", str(path)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("macs\n1 \xb5\n".encode("latin-1"))
    for name, words in (("none.csv", "no such file"), (".", "not a file"), ("latin.csv", "not UTF-8")):
        with pytest.raises(InputError, match=words):
            read_table(tmp_path / name)


@given(st.text(max_size=200))
def test_any_text_is_rows_or_one_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("macs,rate,energy (mJ)\n" + text, encoding="utf-8", errors="replace", newline="")
    with contextlib.suppress(InputError):
        assert read_table(path)


def test_the_command_writes_both_reports_and_never_over_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("plotly")
    path = table(tmp_path, "model,sops\nx,1e6\n")
    out, page = tmp_path / "out.json", tmp_path / "out.html"
    assert main(["review", str(path), "--json", str(out), "--html", str(page)]) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["schema"] == "twentywatts.review/1"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["review", str(path), "--json", str(path)]) == 2
    assert main(["review", str(path), "--json", "-", "--html", "-"]) == 2
    assert path.read_text(encoding="utf-8").startswith("model,sops")
    assert "both write to standard output" in capsys.readouterr().err


def test_a_result_prints_as_plain_text() -> None:
    text = str(tw.review(Path(__file__).parents[3] / "examples" / "paper_table.csv"))
    assert "Told 274× less; 37.4× by the same shortcut" in text
    assert "\n" in text


def test_a_table_wider_than_any_paper_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: more than 1,000 columns") as error:
        read_table(table(tmp_path, "macs," * 20_000 + "\n" + "1," * 20_000 + "\n"))
    assert len(str(error.value)) < 300
