import io
import json
from importlib.resources import files

import jsonschema
import pytest
from rich.console import Console
from tests.support.example_comparison import fake_machine

from twentywatts.machines import bundled_names, load
from twentywatts.reports.machines import figure_text, machine_view, machines_document, machines_view

SCHEMA = json.loads((files("twentywatts") / "data/schemas/machines-1.schema.json").read_text(encoding="utf-8"))


def shown(view, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(view)
    return stream.getvalue()


@pytest.fixture(scope="module")
def machines():
    return [load(name) for name in bundled_names()]


def test_the_document_of_all_machines_satisfies_its_schema(machines):
    document = machines_document(machines)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), SCHEMA)
    figures = [figure for machine in document["machines"] for figure in machine["figures"].values()]
    assert {figure["source"] for figure in figures} <= document["sources"].keys()
    assert len(figures) == sum(len(machine.figures) for machine in machines)


def test_the_table_names_every_machine_and_every_refusal(machines):
    text = shown(machines_view(machines))
    assert max(map(len, text.splitlines())) <= 80
    assert all(machine.name in text for machine in machines)
    assert text.count("refused:") == sum(bool(machine.refused) for machine in machines)


def test_the_detail_shows_every_figure_with_condition_and_source(machines):
    for machine in machines:
        text = " ".join(shown(machine_view(machine), 400).split())
        for key, figure in machine.figures.items():
            assert key in text
            assert figure_text(figure) in text
            assert " ".join(figure.condition.split()) in text
            assert f"[{figure.source}]" in text
        assert ("Figures, with 90 % intervals" in text) == ("Its power figures" in text) == bool(machine.figures)


def test_figures_are_written_for_people():
    machine = fake_machine("neuromorphic", "fake-spikes")
    assert figure_text(machine.figures["synaptic_event_energy_j"]) == "20 pJ (12–28)"
    assert figure_text(machine.figures["synapses_per_core_count"]) == "131,072"
    assert figure_text(machine.figures["weight_bits"]) == "8 bit"


def test_names_cannot_steer_the_terminal():
    machine = fake_machine("processor", "x", title="[bold]\x1b[2J", summary="[/]")
    for view in (machines_view([machine]), machine_view(machine)):
        assert "[bold] [2J" in shown(view)
