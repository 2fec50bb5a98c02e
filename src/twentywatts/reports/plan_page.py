"""A plan as one self-contained page: bands of the amounts, tornado of the drivers, every table, every source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twentywatts.errors import clean
from twentywatts.reports import sections
from twentywatts.reports.grid_charts import week_caption, week_chart, week_legend
from twentywatts.reports.html import Markup, bullets, join, table, tag
from twentywatts.reports.page import citation, command, figure, footer, section, whole_page
from twentywatts.reports.plan import LEAST_SHARE_FRAC, cell_text, evidence_sentence, origin_text, shown
from twentywatts.reports.plan_charts import band_chart, tornado_chart

__all__ = ["plan_page"]

Record = Mapping[str, Any]
_TILES = 4
_BRACKETS = "Brackets hold 90 % intervals."


def plan_page(document: Record) -> str:
    """Return the page of a plan document as one HTML text; raises MissingExtraError without plotly."""
    title = clean(document["title"])
    first, *others = document["sentences"]
    header = tag(
        "header",
        tag("p", "twentywatts", class_="brand"),
        tag("h1", title),
        tag("p", clean(first), class_="lead"),
        *(tag("p", clean(sentence), class_="more") for sentence in others),
        _tiles(document),
    )
    return whole_page(f"{title}: {document['kind']} plan", join([header, tag("main", *_sections(document)), footer()]))


def _tiles(document: Record) -> Markup:
    tiles = []
    for amount in document["amounts"][:_TILES]:
        value, _, bounds = shown(amount["key"], amount[amount["key"]]).partition(" (")
        detail = tag("p", f"({bounds}", class_="tile-detail") if bounds else Markup("")
        head, number = (
            tag("p", sections.heading(amount["label"]), class_="tile-head"),
            tag("p", value, class_="tile-value"),
        )
        tiles.append(tag("div", head, number, detail, class_="tile"))
    return tag("div", *tiles, class_="tiles") if tiles else Markup("")


def _sections(document: Record) -> list[Markup]:
    parts = [_hours(series) for series in document.get("series", [])]
    if document["drivers"]:
        caption = (
            f"{_driven(document)} when one input goes from its 5 % to its 95 % quantile and all others stay. "
            "The share tells how much of the whole spread an input explains."
        )
        chart = figure("tornado", tornado_chart(document), legend=Markup(""), caption=caption)
        parts.append(section("What drives the spread", chart, _drivers(document)))
    for index, record in enumerate(document["tables"]):
        parts.append(section(clean(record["title"]), *_chart_of(record, index), _table(record)))
    parts.append(section("All numbers", _amounts(document)))
    parts.append(section("What went in", _inputs(document), command(document)))
    parts += sections.coverage(document)
    parts.append(section("Sources", sections.sources(document)))
    return [*parts, section("How to cite", citation(document))]


def _hours(series: Record) -> Markup:
    name = f"hours-{clean(series['name'])}"
    chart = figure(name, week_chart(series), legend=week_legend(series), caption=week_caption(series))
    return section(clean(series["title"]), chart)


def _driven(document: Record) -> str:
    label = next(amount["label"] for amount in document["amounts"] if amount["key"] == document["driven"])
    return sections.heading(label)


def _chart_of(record: Record, index: int) -> list[Markup]:
    """Return a chart of the first number of a table, where there is one with a spread of sizes."""
    chart = band_chart(record)
    if chart is None:
        return []
    key = next(iter(record["labels"]))
    label = sections.heading(record["labels"][key])
    caption = f"{label} with 90 % intervals, on a scale where each step is ten times the last."
    return [figure(f"bands-{index}", chart, legend=Markup(""), caption=caption)]


def _table(record: Record) -> Markup:
    rows = [(clean(row["name"]), *(cell_text(key, row.get(key)) for key in record["labels"])) for row in record["rows"]]
    headers = ["", *(sections.heading(label) for label in record["labels"].values())]
    return table(_brackets(rows), headers, rows, class_="cards")


def _brackets(rows: Sequence[Sequence[object]]) -> str:
    """Return what brackets hold, where a table has any."""
    return _BRACKETS if any("–" in str(cell) and "(" in str(cell) for row in rows for cell in row[1:]) else ""


def _amounts(document: Record) -> Markup:
    rows = [(sections.heading(a["label"]), shown(a["key"], a[a["key"]]), clean(a["note"])) for a in document["amounts"]]
    with_notes = any(note for *_, note in rows)
    headers = ["", "Value", "Note"] if with_notes else ["", "Value"]
    return table(_brackets(rows), headers, [row[: len(headers)] for row in rows], class_="cards")


def _drivers(document: Record) -> Markup:
    def end(value: float) -> str:
        return shown(document["driven"], {"low": value, "mid": value, "high": value})

    lines = [
        f"{sections.heading(item['label'])}: {end(item['low'])} at its 5 %, {end(item['high'])} at its 95 % quantile "
        f"({100 * item['share_frac']:.0f} % of the spread)"
        for item in document["drivers"]
        if item["share_frac"] >= LEAST_SHARE_FRAC
    ]
    return bullets(lines, class_="notes")


def _inputs(document: Record) -> Markup:
    numbers = {key: number for number, key in enumerate(document["sources"], start=1)}
    rows: list[Sequence[object]] = [
        (
            sections.heading(item["label"]),
            shown(item["key"], item[item["key"]]),
            clean(", ".join(text for text in (item["year"], item["region"]) if text)) or "–",
            _origin(item, numbers),
            clean(item["condition"]) or "–",
        )
        for item in document["inputs"]
    ]
    headers = ["Input", "Value", "Year, region", "From", "Holds for"]
    caption = f"Every input, with where it comes from. {evidence_sentence(document)}"
    return table(caption, headers, rows, class_="cards inputs")


def _origin(item: Record, numbers: Mapping[str, int]) -> object:
    if item["source"] not in numbers:
        return origin_text(item)
    link = tag("a", f"[{numbers[item['source']]}]", href=f"#source-{numbers[item['source']]}")
    return join([f"{clean(item['grade'])} ", link, tag("span", clean(item["where"]), class_="sub")])
