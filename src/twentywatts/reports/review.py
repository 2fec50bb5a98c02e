"""A review, rendered: the document ``twentywatts.review/1`` and what the terminal shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twentywatts.claims.review import Review, ReviewedRow
from twentywatts.errors import clean
from twentywatts.reports.records import plain_document, source_records
from twentywatts.uncertain import Interval
from twentywatts.units import format_interval, format_si

__all__ = ["SCHEMA", "energy_text", "factor_text", "review_document", "review_view"]

SCHEMA = "twentywatts.review/1"
Record = Mapping[str, Any]
_LEGEND = (
    "How many times less the spikes need than the network without them (below 1×: more): as told; once, by the same "
    "shortcut with every factor once; honest, with memory on both sides.\n"
)
_QUANTITIES = ("spiking_j", "dense_j", "twin_j", "honest_ratio", "twin_ratio")
_NUMBERS = ("sop_count", "shortcut_j", "shortcut_ann_j", "told_ratio", "counted_ratio", "twin_bits")


def review_document(review: Review, *, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a review as plain values, numbers with six significant digits; ``run`` alone may differ between runs."""
    document = {
        "schema": SCHEMA,
        "table": review.name,
        "rows": [_row(row) for row in review.rows],
        "evidence": review.evidence.label,
        "sources": source_records(review.sources, own={}),
        "notes": [],
        "not_covered": list(review.not_covered),
        "run": dict(run),
    }
    return plain_document(document)


def _row(row: ReviewedRow) -> dict[str, Any]:
    quantities = {key: _quantity(getattr(row, key)) for key in _QUANTITIES}
    return {
        "name": row.given.name,
        "line": row.given.line,
        "given": {key: value for key, value in asdict(row.given).items() if key not in ("name", "line")},
        "formula": str(row.formula),
        "verdict": str(row.verdict),
        "sentence": row.sentence,
        **{key: getattr(row, key) for key in _NUMBERS},
        **quantities,
        "findings": [asdict(finding) for finding in row.findings],
    }


def _quantity(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.as_dict()


def review_view(document: Record) -> RenderableType:
    """Return what `twentywatts review` shows; print it with a rich Console."""
    parts: list[RenderableType] = [Text(f"Review of {clean(document['table'])}", style="bold"), _table(document)]
    parts.append(Text(_LEGEND, style="dim"))
    common = _common(document)
    for row in document["rows"]:
        parts.append(Text(f"{clean(row['name'])} (line {row['line']})", style="bold"))
        parts.append(Padding(Text(clean(row["sentence"])), (0, 0, 0, 1)))
        own = [item["text"] for item in row["findings"] if item["text"] not in common]
        parts += [Padding(Text(f"- {clean(text)}"), (0, 0, 0, 1)) for text in own]
    if common:
        parts.append(Text("\nEvery row", style="bold"))
        parts += [Padding(Text(f"- {clean(text)}"), (0, 0, 0, 1)) for text in common]
    parts.append(Text("\nWhat this does not cover", style="bold"))
    parts += [Padding(Text(f"- {clean(text)}"), (0, 0, 0, 1)) for text in document["not_covered"]]
    names = ", ".join(clean(key) for key in document["sources"])
    parts.append(Text(f"\nSources: {names}. 45 nm, 8-bit weights, 32-bit potentials; 90 % intervals.", style="dim"))
    return Group(*parts)


def _common(document: Record) -> list[str]:
    """Return findings that every one of several rows shares: they are told once."""
    rows = document["rows"]
    if len(rows) < 2:
        return []
    shared = set.intersection(*({item["text"] for item in row["findings"]} for row in rows))
    return [item["text"] for item in rows[0]["findings"] if item["text"] in shared]


def _table(document: Record) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=False, pad_edge=False)
    for title, width in (("row", 16), ("told", 8), ("once", 8), ("honest", 16), ("spikes, J", 20), ("without, J", 20)):
        table.add_column(title, max_width=width, overflow="fold")
    for row in document["rows"]:
        ratio = row["twin_ratio"] or row["honest_ratio"]
        table.add_row(
            clean(row["name"]),
            factor_text(row["told_ratio"], 3),
            factor_text(row["counted_ratio"], 3),
            f"{factor_text(ratio['mid'])} ({factor_text(ratio['low'])}–{factor_text(ratio['high'])})" if ratio else "–",
            energy_text(row["spiking_j"]),
            _rival(row),
        )
    return table


def _rival(row: Record) -> Text:
    """Return the joules without spikes that the honest ratio is against, and their bits."""
    twin = row["twin_j"] if row["twin_ratio"] else None
    bits = f", {row['twin_bits']}-bit" if twin else ", int8" if row["dense_j"] else ""
    return Text(energy_text(twin or row["dense_j"])).append(bits, style="dim")


def factor_text(value: float | None, digits: int = 2) -> str:
    """Return how many times less spikes need, – where it is not known."""
    return "–" if value is None else f"{float(f'{value:.{digits}g}'):,.10g}×"


def energy_text(quantity: Record | float | None) -> str:
    """Return joules, with their interval where there is one."""
    if quantity is None:
        return "–"
    if isinstance(quantity, Mapping):
        return format_interval(quantity["low"], quantity["mid"], quantity["high"], "J")
    return format_si(quantity, "J")
