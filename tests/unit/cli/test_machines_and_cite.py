import json
import subprocess
import sys

import pytest
from tests.support.example_comparison import example_comparison

from twentywatts.cli import main
from twentywatts.reports.document import comparison_document, write_json

MACHINE = """
schema = "twentywatts.machine/1"
name = "mine"
title = "My chip"
family = "brain"
year = 2024
summary = "Invented for a test."
[figures.power_w]
value = 2
low = 1
high = 4
unit = "W"
grade = "guess"
source = "nowhere"
where = "here"
condition = "always"
"""


def test_all_machines_as_table_and_as_document(capsys):
    assert main(["machines"]) == 0
    table = capsys.readouterr().out
    assert main(["machines", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = [machine["name"] for machine in document["machines"]]
    assert "this-cpu" in names
    assert "loihi" in names
    assert all(name in table for name in names)


@pytest.mark.parametrize("order", [["--json", "-", "show", "loihi"], ["show", "loihi", "--json", "-"]])
def test_one_machine_as_document_wherever_json_stands(capsys, order):
    assert main(["machines", *order]) == 0
    assert [machine["name"] for machine in json.loads(capsys.readouterr().out)["machines"]] == ["loihi"]


def test_one_machine_in_words(capsys):
    assert main(["machines", "show", "loihi"]) == 0
    assert "synaptic_event_energy_j" in capsys.readouterr().out


@pytest.mark.parametrize("columns", ["0", "1", "39"])
def test_a_terminal_without_a_width_still_gets_its_table(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["machines", "show", "loihi"]) == 0
    assert "synaptic_event_energy_j" in capsys.readouterr().out


def test_the_powers_of_a_brain_are_not_those_of_a_chip(capsys):
    assert main(["machines", "show", "human-brain"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "power figures describe the whole brain" in text


def test_an_unknown_machine_suggests_the_nearest(capsys):
    assert main(["machines", "show", "loihy"]) == 2
    assert "did you mean 'loihi'" in capsys.readouterr().err


def test_a_good_file_is_ok_and_what_it_lacks_is_told(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(MACHINE)
    assert main(["machines", "check", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ok: My chip (brain), 1 figure")
    assert "communication_power_w" in out
    assert "nowhere" in out


def test_a_bad_file_names_all_its_problems_at_once(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(MACHINE.replace('unit = "W"', 'unit = "furlong"').replace("year = 2024", 'year = "soon"'))
    assert main(["machines", "check", str(path)]) == 2
    error = capsys.readouterr().err
    assert "furlong" in error
    assert "year" in error
    assert main(["machines", "check", "mine.txt"]) == 2
    assert ".toml" in capsys.readouterr().err


def test_unwritable_output_is_told_before_anything_else(tmp_path, capsys):
    assert main(["machines", "--json", str(tmp_path / "no" / "out.json")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_cite_prints_bibtex(tmp_path, capsys):
    path = tmp_path / "out.json"
    write_json(comparison_document(example_comparison()), path)
    assert main(["cite", str(path), "--format", "bibtex"]) == 0
    assert "@article{davies2018," in capsys.readouterr().out


def test_cite_refuses_other_files(tmp_path, capsys):
    path = tmp_path / "out.json"
    path.write_text("{}")
    assert main(["cite", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_core_alone_lists_machines():
    code = (
        "import sys; from twentywatts.cli import main; main(['machines']);"
        "print([n for n in 'onnx onnxruntime scipy sklearn numba torch plotly'.split() if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
