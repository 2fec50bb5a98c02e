"""An estimation as one self-contained page: the answer, every row, where the joules go, every source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.errors import clean
from twentywatts.reports import sections
from twentywatts.reports.estimate import (
    brackets_text,
    causes_text,
    facts_text,
    notes_of,
    part_name,
    parts_text,
    speed_text,
    use_text,
    wh_quantity,
)
from twentywatts.reports.html import Markup, join, table, tag
from twentywatts.reports.page import citation, command, figure, footer, section, whole_page
from twentywatts.reports.plan_charts import band_chart
from twentywatts.reports.words import evidence_legend, evidence_text, interval_text, quantity_text

__all__ = ["estimation_page"]

Record = Mapping[str, Any]


def estimation_page(document: Record) -> str:
    """Return the page of an estimation document as one HTML text; raises MissingExtraError without plotly."""
    title = clean(document["model"]["title"])
    header = tag(
        "header",
        tag("p", "twentywatts", class_="brand"),
        tag("h1", f"What {title} costs"),
        tag("p", clean(document["answer"]), class_="lead"),
        tag("p", f"{facts_text(document)}; {use_text(document)}", class_="more"),
    )
    return whole_page(f"{title}: joules", join([header, tag("main", *_sections(document)), footer()]))


def _sections(document: Record) -> list[Markup]:
    parts = [section("From a lone user to a full server", *_chart(document), _rows(document))]
    parts.append(section("Where the joules go", _causes(document)))
    if document["refused"]:
        refused = [(clean(item["machine"]), clean(item["reason"])) for item in document["refused"]]
        caption = "No published figure, no number; a model that does not fit takes more chips"
        parts.append(section("Refused", table(caption, ["Machine", "Why"], refused, class_="cards")))
    parts += sections.coverage({"notes": notes_of(document), "not_covered": document["not_covered"]})
    made = command(document)
    parts += [section("How it was made", made)] if made else []
    parts.append(section("Sources", sections.sources(document)))
    return [*parts, section("How to cite", citation(document))]


def _name(row: Record) -> str:
    return clean(f"{row['machine']}, batch {row['batch']:,}")


def _chart(document: Record) -> list[Markup]:
    """Return joules per request with their intervals, where there is more than one row."""
    rows = [{"name": _name(row), "request_energy_j": row["energy_j"]} for row in document["rows"]]
    chart = band_chart({"labels": {"request_energy_j": "Energy"}, "rows": rows})
    if chart is None:
        return []
    caption = (
        f"Energy per {document['rows'][0]['per']} with 90 % intervals; each step of the scale is ten times the last."
    )
    return [figure("energy", chart, legend=Markup(""), caption=caption)]


def _rows(document: Record) -> Markup:
    first = document["rows"][0]
    headers = ["Machine, batch", f"Per {first['per']}", f"Per {first['unit']}", "Speed", "Power", "Evidence"]
    rows = [
        (
            _name(row),
            wh_quantity(row["energy_j"]),
            interval_text(row["energy_j_per_unit"], "J"),
            speed_text(row).replace("\n", ", "),
            interval_text(row["power_w"], "W"),
            evidence_text(row),
        )
        for row in document["rows"]
    ]
    caption = f"{brackets_text(document)} {evidence_legend(document)}."
    return table(caption, headers, rows, class_="cards")


def _causes(document: Record) -> Markup:
    rows = [
        (
            _name(row),
            "; ".join(text for text in (causes_text(row), parts_text(row)) if text) or "–",
            ", ".join(f"{part_name(item['part'])} {quantity_text(item['energy_j'], 'J')}" for item in row["parts"]),
        )
        for row in document["rows"]
    ]
    caption = "Only causes that can be told apart stand by name; all others are one sum, called other."
    return table(caption, ["Machine, batch", "Shares", "Parts"], rows, class_="cards")
