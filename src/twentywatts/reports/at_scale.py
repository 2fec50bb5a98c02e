"""What a comparison takes in a year, in the terminal and on the page: one line a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from twentywatts.errors import clean
from twentywatts.plan.words import count_text
from twentywatts.reports.html import Markup, join, table, tag
from twentywatts.reports.plan import shown
from twentywatts.reports.records import plain, source_records
from twentywatts.reports.sections import heading

__all__ = ["at_scale_section", "at_scale_view", "with_scale"]

Record = Mapping[str, Any]

_NOTE = "The boundary is that of the comparison: what it leaves out (host, cooling, idle hours) is left out here too."


def with_scale(document: Record, scale: Record) -> dict[str, Any]:
    """Return a comparison document with what so many inferences a day take in a year; ``run`` stays last."""
    found = {key: value for key, value in document.items() if key != "run"}
    keys = [] if scale["grid"] is None else [scale["grid"]["source"], scale["grid"]["marginal_source"]]
    known = source_records([key for key in keys if key], own={})
    found["sources"] = dict(sorted({**found["sources"], **known}.items()))
    return {**found, "at_scale": plain(scale), "run": document["run"]}


def at_scale_view(document: Record) -> list[RenderableType]:
    """Return the table of a year for the terminal; nothing where it was not asked for."""
    if "at_scale" not in document:
        return []
    head = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in _headers(document):
        head.add_column(name)
    for cells in _cells(document):
        head.add_row(*(Text(cell) for cell in cells))
    return [Text(f"\n{_title(document)}", style="bold"), head, Text(f"{_about(document)}{_NOTE}", style="dim")]


def at_scale_section(document: Record) -> list[Markup]:
    """Return the section of a year for the page; nothing where it was not asked for."""
    if "at_scale" not in document:
        return []
    body = table(
        f"{_about(document)}{_NOTE}", [heading(name) for name in _headers(document)], _cells(document), class_="cards"
    )
    return [tag("section", tag("h2", _title(document)), join([body]))]


def _title(document: Record) -> str:
    return f"{count_text(document['at_scale']['per_day_count'])} inferences a day, for a year"


def _about(document: Record) -> str:
    """Return which grid, of when, and what it emits."""
    grid = document["at_scale"]["grid"]
    if grid is None:
        return ""
    factor = shown("carbon_intensity_kg_per_j", grid["carbon_intensity_kg_per_j"])
    text = f"{clean(grid['name'])} {grid['year']}: {factor}, {grid['basis']}, average"
    each = grid["marginal_intensity_kg_per_j"]
    if each is not None:
        marginal = shown("carbon_intensity_kg_per_j", {"low": each, "mid": each, "high": each})
        text += f"; one more kWh makes {marginal} at the margin"
    return f"{text}. "


def _headers(document: Record) -> Sequence[str]:
    return ["machine, form", "electricity a year", *(["CO2 a year"] if document["at_scale"]["grid"] else [])]


def _cells(document: Record) -> list[list[str]]:
    rows = []
    for row in document["at_scale"]["rows"]:
        name = ", ".join(clean(text) for text in (row["machine"], row["form"]) if text)
        cells = [name, shown("year_energy_j", row["year_energy_j"])]
        if "year_carbon_kg" in row:
            cells.append(shown("year_carbon_kg", row["year_carbon_kg"]))
        rows.append(cells)
    return rows
