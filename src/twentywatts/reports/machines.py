"""Machines as published: the document ``twentywatts.machines/1``, the table of all, the detail of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twentywatts.errors import clean
from twentywatts.figures import Figure
from twentywatts.machines import Machine
from twentywatts.reports.names import names_text
from twentywatts.reports.records import plain_document, source_records
from twentywatts.units import format_interval, format_si

__all__ = ["SCHEMA", "figure_text", "machine_view", "machines_document", "machines_view"]

SCHEMA = "twentywatts.machines/1"
_UNSCALED = ("bit", "nm", "1/s")

# per family: the figures that say most about a chip, with a short word for each
_KEY_FIGURES: Mapping[str, Sequence[tuple[str, str]]] = {
    "processor": (
        ("peak_fp32_flop_per_s", "fp32"),
        ("peak_int8_op_per_s", "int8"),
        ("max_power_w", "at most"),
        ("idle_power_w", "idle"),
    ),
    "neuromorphic": (
        ("synaptic_event_energy_j", "event"),
        ("neuron_update_energy_j", "update"),
        ("static_power_w", "static"),
        ("core_count", "cores"),
    ),
    "crossbar": (
        ("array_rows_count", "rows"),
        ("array_count", "arrays"),
        ("adc_energy_j", "ADC"),
        ("digital_mac_energy_j", "MAC"),
        ("static_power_w", "static"),
    ),
    "brain": (("power_w", "all of it"), ("communication_power_w", "communication"), ("computation_power_w", "compute")),
}

_DESCRIBED = {"brain": "the whole brain, without the body around it"}  # others: the boundary


def machines_document(machines: Iterable[Machine]) -> dict[str, Any]:
    """Return machines as plain values: every figure in SI units with interval, condition and source."""
    found = list(machines)
    keys = {figure.source for machine in found for figure in machine.figures.values()}
    keys |= {str(machine.traits["source"]) for machine in found if "source" in machine.traits}
    own = {key: source for machine in found for key, source in machine.sources.items()}
    return plain_document(
        {
            "schema": SCHEMA,
            "machines": [_record(machine) for machine in found],
            "sources": source_records(keys, own=own),
        }
    )


def _record(machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "title": machine.title,
        "family": machine.family,
        "year": machine.year,
        "summary": machine.summary,
        "refused": machine.refused or None,
        "boundary": str(machine.boundary),
        "origin": machine.origin,
        "traits": dict(machine.traits),
        "figures": {key: _figure_record(figure) for key, figure in machine.figures.items()},
        "operating_points": list(machine.operating_points),
    }


def _figure_record(figure: Figure) -> dict[str, Any]:
    names = ("value", "low", "high", "unit", "grade", "source", "where", "condition")
    return {name: getattr(figure, name) for name in names}


def figure_text(figure: Figure) -> str:
    """Return a figure with its interval for people: ``23.6 pJ (17–40)``; a count without prefix."""
    if figure.unit == "1" or figure.unit in _UNSCALED:
        unit = "" if figure.unit == "1" else f" {figure.unit}"
        value = f"{figure.value:,.6g}{unit}"
        return value if figure.low == figure.high else f"{value} ({figure.low:,.6g}–{figure.high:,.6g})"
    return format_interval(figure.low, figure.value, figure.high, figure.unit)


def machines_view(machines: Iterable[Machine]) -> RenderableType:
    """Return the table that `twentywatts machines` shows."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("machine", no_wrap=True)
    table.add_column("year", justify="right")
    table.add_column("what it is, key figures")
    family = ""
    for machine in machines:
        if machine.family != family:
            family = machine.family
            table.add_section()
            table.add_row(Text(clean(family), style="bold italic"), Text(), Text())
        what = Text(clean(machine.title)).append(f"\n{_key_figures(machine)}", style="dim")
        table.add_row(Text(clean(machine.name), style="bold"), Text(str(machine.year)), what)
    hint = "`twentywatts machines show NAME` prints every figure with its interval, condition and source."
    return Group(table, Text(hint, style="dim"))


def _key_figures(machine: Machine) -> str:
    if machine.refused:
        return f"refused: {clean(machine.refused)}"
    known = [(word, machine.figures[key]) for key, word in _KEY_FIGURES[machine.family] if key in machine.figures]
    return ", ".join(f"{word} {_short(figure)}" for word, figure in known)


def _short(figure: Figure) -> str:
    return f"{figure.value:,.6g}" if figure.unit == "1" else format_si(figure.value, figure.unit).replace(" ", "\u00a0")


def machine_view(machine: Machine) -> RenderableType:
    """Return everything that is known of one machine, figure by figure."""
    parts: list[RenderableType] = [
        Text(f"{clean(machine.title)} ({clean(machine.name)}), {machine.family}, {machine.year}", style="bold"),
        Text(clean(machine.summary)),
    ]
    if machine.refused:
        parts.append(Text(f"Refused: {clean(machine.refused)}", style="yellow"))
    described = _DESCRIBED.get(machine.family, f"the {machine.boundary}")
    powers = f"Its power figures describe {described}. " if machine.figures else ""
    parts.append(Text(f"{powers}Origin: {clean(machine.origin)}."))
    traits = ", ".join(f"{clean(key)} = {clean(value)}" for key, value in machine.traits.items())
    parts += [Text(f"Traits: {traits}")] if traits else []
    if machine.figures:
        parts.append(Text("\nFigures, with 90 % intervals in brackets", style="bold"))
    for figure in machine.figures.values():
        parts += _figure_lines(figure)
    parts += _source_lines(machine)
    return Group(*parts)


def _figure_lines(figure: Figure) -> list[RenderableType]:
    title = Text(figure.key, style="bold").append("  ").append(figure_text(figure), style="not bold")
    title.append(f"  {figure.grade}", style="not bold yellow" if figure.grade == "guess" else "not bold dim")
    origin = f"[{clean(figure.source)}] {clean(figure.where)}"
    return [
        title,
        Padding(Text(clean(figure.condition)), (0, 0, 0, 2)),
        Padding(Text(origin, style="dim"), (0, 0, 0, 2)),
    ]


def _source_lines(machine: Machine) -> list[RenderableType]:
    records = source_records((figure.source for figure in machine.figures.values()), own=machine.sources)
    lines: list[RenderableType] = [Text("\nSources", style="bold")] if records else []
    for key, record in records.items():
        link = f"https://doi.org/{record['doi']}" if record["doi"] else record["url"]
        who = f"[{key}] {names_text(record['authors'])} ({record['year'] or 'no year'})."
        text = f"{who} {record['title']}. {record['venue']} {link}"
        lines.append(Padding(Text(clean(text)), (0, 0, 0, 1)))
    return lines
