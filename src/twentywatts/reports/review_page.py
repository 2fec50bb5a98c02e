"""A review as one self-contained page: told against honest, row by row, with what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.errors import clean
from twentywatts.reports import sections
from twentywatts.reports.html import Markup, bullets, join, table, tag
from twentywatts.reports.page import citation, command, footer, section, whole_page
from twentywatts.reports.review import energy_text, factor_text

__all__ = ["review_page"]

Record = Mapping[str, Any]
_VERDICTS = {
    "holds": "spikes need less",
    "reversed": "spikes need more",
    "cannot_tell": "cannot be told",
    "not_reviewed": "not reviewed",
}


def review_page(document: Record) -> str:
    """Return the page of a review document as one HTML text; raises MissingExtraError without plotly."""
    title = f"Review of {clean(document['table'])}"
    lead = "How much less spikes need: as told, by the same shortcut with every factor once, and with memory counted."
    header = tag("header", tag("p", "twentywatts", class_="brand"), tag("h1", title), tag("p", lead, class_="lead"))
    return whole_page(title, join([header, tag("main", *_sections(document)), footer()]))


def _sections(document: Record) -> list[Markup]:
    return [
        section("Told and honest", _ratios(document)),
        section("Joules per inference", _energies(document)),
        section("Row by row", *(_row(row) for row in document["rows"])),
        *sections.coverage(document),
        section("How it was made", command(document)),
        section("Sources", sections.sources(document)),
        section("How to cite", citation(document)),
    ]


def _ratios(document: Record) -> Markup:
    headers = ["Row", "Told", "Every factor once", "Against int8", "Against the twin", "Verdict"]
    rows = [
        (
            clean(row["name"]),
            factor_text(row["told_ratio"], 3),
            factor_text(row["counted_ratio"], 3),
            _bounds(row["honest_ratio"]),
            _bounds(row["twin_ratio"]),
            _VERDICTS[row["verdict"]],
        )
        for row in document["rows"]
    ]
    return table("Energy without spikes over energy with spikes; 90 % intervals", headers, rows, class_="cards")


def _bounds(ratio: Record | None) -> str:
    if ratio is None:
        return "–"
    return f"{factor_text(ratio['mid'])} ({factor_text(ratio['low'])}–{factor_text(ratio['high'])})"


def _energies(document: Record) -> Markup:
    headers = ["Row", "Claimed", "Shortcut", "With memory", "int8 without spikes", "Twin"]
    rows = [
        (
            clean(row["name"]),
            energy_text(row["given"]["claimed_j"]),
            energy_text(row["shortcut_j"]),
            energy_text(row["spiking_j"]),
            energy_text(row["dense_j"]),
            f"{energy_text(row['twin_j'])}, {row['twin_bits']} bit" if row["twin_j"] else "–",
        )
        for row in document["rows"]
    ]
    return table("45 nm, 8-bit weights, 32-bit potentials", headers, rows, class_="cards")


def _row(row: Record) -> Markup:
    title = tag("summary", tag("strong", clean(row["name"])), tag("span", f"line {row['line']}", class_="sub"))
    findings = bullets((clean(item["text"]) for item in row["findings"]), class_="notes")
    return tag("details", title, tag("p", clean(row["sentence"])), findings, open=True)
