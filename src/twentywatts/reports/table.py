"""The comparison in a terminal: readable at 80 columns and without colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twentywatts.comparison.text import accuracy_mark, accuracy_text, metric_text, points_text
from twentywatts.errors import clean
from twentywatts.reports.always_on_views import always_on_view
from twentywatts.reports.at_scale import at_scale_view
from twentywatts.reports.twins import twin_sentences
from twentywatts.reports.words import (
    BASELINE_CALL,
    CAUSES,
    baseline_sentence,
    cause_name,
    evidence_legend,
    evidence_text,
    form_text,
    headline,
    interval_text,
    main_causes,
    order_text,
    quantity_text,
    ratio_words,
    scenario_text,
    yardstick,
)

__all__ = ["answer_view", "comparison_view"]

Record = Mapping[str, Any]
_MARK_STYLES = {True: "green", False: "red", None: "yellow"}


def comparison_view(document: Record) -> RenderableType:
    """Return what `twentywatts compare` shows of a comparison document; print it with a rich Console."""
    parts: list[RenderableType] = [
        Text(f"{clean(document['model']['name'])} on {clean(document['data']['name'])}", style="bold"),
        Text(f"{scenario_text(document)}; {clean(document['data']['split'])}", style="dim"),
        Text(),
        *answer_view(headline(document), is_warned=bool(document["chance"])),
        _table(document),
        _legend(document),
    ]
    if document["always_on"]:
        parts.append(always_on_view(document))
    parts += at_scale_view(document)
    parts += _section(
        f"Baselines ({BASELINE_CALL})", [baseline_sentence(item, document) for item in document["baselines"]]
    )
    refused = [f"{clean(item['machine'])}: {clean(item['reason'])}" for item in document["refused"]]
    parts += _section("Without spikes on the same chip", twin_sentences(document))
    parts += _section("Refused", refused)
    parts += _section("What to know", map(clean, document["notes"]))
    parts += _section("What this does not cover", map(clean, document["not_covered"]))
    return Group(*parts)


def answer_view(sentences: Sequence[str], *, is_warned: bool) -> list[Text]:
    """Return the answer; a first sentence that makes it worthless stands alone, in red, before it."""
    loud = 1 if is_warned else 0
    return [*(Text(f"{text}\n", style="bold red") for text in sentences[:loud]), Text(" ".join(sentences[loud:]))]


def _table(document: Record) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=False, pad_edge=False)
    table.add_column("machine, form", max_width=22)
    table.add_column(metric_text(document["data"]["metric"]), justify="right", max_width=12)
    table.add_column("energy (90 %), causes", max_width=26)
    table.add_column("× reference", max_width=16)
    table.add_column("latency", justify="right", no_wrap=True)
    last = yardstick(document)
    for row in document["rows"]:
        if row is last:
            table.add_section()
        table.add_row(*_cells(row, document["data"]["metric"]))
    return table


def _cells(row: Record, metric: str) -> Sequence[Text]:
    mark, style = "", ""
    if row["role"] == "candidate":
        mark, style = f" {accuracy_mark(row['keeps_accuracy'])}", _MARK_STYLES[row["keeps_accuracy"]]
    causes = ",\n".join(main_causes(row))  # a line each: a narrow column would part a number from its %
    return (
        Text(clean(row["machine"]), style="bold").append(f"\n{form_text(row)}", style="not bold"),
        Text(accuracy_text(row["accuracy"], metric)).append(mark, style=style),
        Text(interval_text(row["energy_j"], "J")).append(f"\n{causes}", style="dim"),
        _against(row),
        Text(quantity_text(row["latency_s"], "s")).append(f"\n{evidence_text(row)}", style="dim"),
    )


def _against(row: Record) -> Text:
    if row["role"] == "reference":
        return Text("reference")
    words, bounds = ratio_words(row["ratio"])
    first = "yardstick" if row["role"] == "yardstick" else words
    return Text(first).append(f"\n{bounds}" if bounds and row["role"] == "candidate" else "", style="dim")


def _legend(document: Record) -> Text:
    metric = document["data"]["metric"]
    limit = points_text(document["max_drop"], metric)
    lines = [f"✓ keeps the {metric_text(metric)} within {limit}, ✗ does not, ? too few samples to tell."]
    lines += [order_text(document), f"{evidence_legend(document)}."]
    if any(item["cause"] == "unsplit" for row in document["rows"] for item in row["causes"]):
        lines.append(f"{cause_name('unsplit').capitalize()}: {CAUSES['unsplit']}.")
    return Text("\n".join(lines), style="dim")


def _section(title: str, lines: Iterable[str]) -> list[RenderableType]:
    found = [Padding(Text(f"- {line}"), (0, 0, 0, 1)) for line in lines]
    return [Text(f"\n{title}", style="bold"), *found] if found else []
