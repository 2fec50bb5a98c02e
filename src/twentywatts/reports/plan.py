"""A plan as JSON document (schema ``twentywatts.plan/1``) and in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twentywatts.errors import clean
from twentywatts.plan.result import Input, Plan, Series
from twentywatts.plan.words import quantity_text
from twentywatts.reports.records import plain_document, source_records
from twentywatts.uncertain import Interval

__all__ = [
    "LEAST_SHARE_FRAC",
    "SCHEMA",
    "cell_text",
    "evidence_sentence",
    "origin_text",
    "plan_document",
    "plan_view",
    "shown",
]

SCHEMA = "twentywatts.plan/1"

Record = Mapping[str, Any]

_MANY_COLUMNS = 4  # so many leave room for numbers only where names are narrow
LEAST_SHARE_FRAC = 0.01  # of the spread: what drives less is not told
_EVIDENCE = {"L0": "some inputs are guesses (they are marked)", "L1": "computed from cited or given inputs"}


def plan_document(plan: Plan, run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a plan as plain values, keys in a fixed order; ``run`` alone may differ between two runs of one command.

    Quantities are ``{"low", "mid", "high"}`` in SI units under a key with the unit's suffix.
    """
    document = {
        "schema": SCHEMA,
        "kind": plan.kind,
        "title": plan.title,
        "sentences": list(plan.sentences),
        "amounts": [
            {"key": a.key, "label": a.label, a.key: a.interval.as_dict(), "note": a.note} for a in plan.amounts
        ],
        "tables": [
            {
                "name": table.name,
                "title": table.title,
                "labels": dict(table.labels),
                "rows": [
                    {
                        "name": row.name,
                        **{key: interval.as_dict() for key, interval in row.numbers.items()},
                        **row.texts,
                        "sources": list(row.sources),
                    }
                    for row in table.rows
                ],
            }
            for table in plan.tables
        ],
        "drivers": [_driver(plan, driver.key) for driver in plan.drivers],
        "driven": plan.driven,
        "inputs": [_input(item) for item in plan.inputs],
        "evidence": plan.evidence.label,
        "notes": list(plan.notes),
        "not_covered": list(plan.not_covered),
        "sources": source_records(plan.sources, own=plan.own_sources),
        "draws": plan.draws,
        "seed": plan.seed,
        "run": dict(run or {}),
    }
    if plan.series:
        document["series"] = [_series(series) for series in plan.series]
    return plain_document(document)


def _series(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "title": series.title,
        "start": series.start,
        "step_s": series.step_s,
        "labels": dict(series.labels),
        "values": {key: list(values) for key, values in series.values.items()},
    }


def _driver(plan: Plan, key: str) -> dict[str, Any]:
    driver = next(driver for driver in plan.drivers if driver.key == key)
    return {"key": key, "label": driver.label, "low": driver.low, "high": driver.high, "share_frac": driver.share_frac}


def _input(item: Input) -> dict[str, Any]:
    return {
        "key": item.key,
        "label": item.label,
        item.key: item.interval.as_dict(),
        "origin": item.origin,
        "distribution": item.distribution,
        "grade": item.grade,
        "source": item.source,
        "where": item.where,
        "condition": item.condition,
        "year": item.year,
        "region": item.region,
    }


def shown(key: str, quantity: Record) -> str:
    """Return a quantity of a document for people: ``1.3 GWh (0.9–2.1)``."""
    return quantity_text(key, Interval(low=quantity["low"], mid=quantity["mid"], high=quantity["high"]))


def plan_view(document: Record) -> RenderableType:
    """Return what `twentywatts plan` shows of a document; print it with a rich Console."""
    title = Text(clean(document["title"]), style="bold")
    parts: list[RenderableType] = [title, Text(), Text(clean(" ".join(document["sentences"])))]
    if document["amounts"]:
        parts.append(_amounts(document))
    parts += [_table(table) for table in document["tables"]]
    parts += _list("What drives the spread", _drivers(document))
    parts += [_inputs(document)] if document["inputs"] else []
    parts += _list("What to know", map(clean, document["notes"]))
    parts += _list("What this does not cover", map(clean, document["not_covered"]))
    return Group(*parts, Text(f"Brackets hold 90 % intervals. {evidence_sentence(document)}", style="dim"))


def evidence_sentence(document: Record) -> str:
    """Return what the whole stands on, such as ``Evidence L1: computed from cited or given inputs``."""
    level = document["evidence"]
    return f"Evidence {level}: {_EVIDENCE[level]}."


def _amounts(document: Record) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("")
    for amount in document["amounts"]:
        note = f" ({clean(amount['note'])})" if amount["note"] else ""
        table.add_row(Text(clean(amount["label"]) + note), Text(shown(amount["key"], amount[amount["key"]])))
    return table


def _table(record: Record) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", max_width=32 if len(record["labels"]) < _MANY_COLUMNS else 16, overflow="fold")
    for label in record["labels"].values():
        table.add_column(clean(label), max_width=30, overflow="fold")
    for row in record["rows"]:
        table.add_row(Text(clean(row["name"])), *(Text(cell_text(key, row.get(key))) for key in record["labels"]))
    return Group(Text(clean(record["title"]), style="bold"), table)


def cell_text(key: str, value: Any) -> str:
    """Return a cell of a table: a quantity, a text, or a dash where there is none."""
    if value is None:
        return "–"
    return shown(key, value) if isinstance(value, Mapping) else clean(value)


def _drivers(document: Record) -> Iterable[str]:
    for driver in document["drivers"]:
        ends = sorted((driver["low"], driver["high"]))
        texts = [shown(document["driven"], {"low": end, "mid": end, "high": end}) for end in ends]
        if driver["share_frac"] >= LEAST_SHARE_FRAC and texts[0] != texts[1]:
            yield f"{clean(driver['label'])}: {texts[0]} to {texts[1]} ({100 * driver['share_frac']:.0f} %)"


def _inputs(document: Record) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name, width in (("input", 32), ("value (90 %)", 26), ("from", 20)):
        table.add_column(name, max_width=width, overflow="fold")  # a source's name is there to be looked up
    for item in document["inputs"]:
        origin = item["source"] or origin_text(item)
        origin += f", {item['grade']}" if item["grade"] == "guess" else ""
        table.add_row(
            Text(clean(item["label"])), Text(shown(item["key"], item[item["key"]])), Text(clean(origin), style="dim")
        )
    return Group(Text("What went in", style="bold"), table)


def origin_text(item: Record) -> str:
    """Return where an input without a source comes from: in words, where it has any."""
    return clean(item["where"] or item["origin"])


def _list(title: str, lines: Iterable[str]) -> list[RenderableType]:
    found = [Padding(Text(f"- {line}"), (0, 0, 0, 1)) for line in lines]
    return [Text(title, style="bold"), *found, Text()] if found else []
