"""A slimmed model in a terminal: what ships, what was tried, other machines, advice, and what the search cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twentywatts.comparison.text import accuracy_mark, metric_text
from twentywatts.errors import clean
from twentywatts.reports.slim_headline import headline
from twentywatts.reports.slim_words import (
    advice_of,
    advice_saving,
    cost_facts,
    drop_words,
    effect_texts,
    guard_text,
    names_of,
    notes_of,
    order_sentence,
    ranking_of,
    target_sentence,
    time_text,
    times,
    untried_of,
    use_text,
)
from twentywatts.reports.table import answer_view
from twentywatts.reports.words import quantity_text
from twentywatts.units import format_si

__all__ = ["slim_view"]

Record = Mapping[str, Any]

_MOST_ROWS = 12
_MOST_ORDERS = 5
_STYLES = {True: "green", False: "red", None: "yellow"}


def slim_view(document: Record) -> RenderableType:
    """Return what `twentywatts slim` shows of a document; print it with a rich Console."""
    metric = document["data"]["metric"]
    parts: list[RenderableType] = [
        Text(f"{clean(document['model']['name'])} on {clean(document['data']['name'])}", style="bold"),
        Text(use_text(document), style="dim"),
        Text(),
        *answer_view(headline(document), is_warned=bool(document["chance"])),
        _table(document),
        Text(_legend(document), style="dim"),
    ]
    parts += _section("What each step did, measured in turns", effect_texts(document))
    fronts = [f"{clean(one['machine'])}: {target_sentence(one, metric)}" for one in document.get("targets", [])]
    parts += _section("On other machines", fronts)
    parts += _section("Where the order differs", _orders(document))
    parts += _section("What else would save, without compression", map(_advice, advice_of(document)))
    parts += _section("What the search cost", [f"{name}: {value}" for name, value in cost_facts(document).items()])
    parts += _section("What could not be tried", [f"{what}: {why}" for what, why in untried_of(document)])
    parts += _section("What to know", notes_of(document))
    return Group(*parts)


def _table(document: Record) -> Table:
    metric = document["data"]["metric"]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=False, pad_edge=False)
    table.add_column("candidate", max_width=26)
    table.add_column(metric_text(metric), max_width=18)
    table.add_column("guard samples", max_width=18)
    table.add_column("time", justify="right", max_width=11)
    table.add_column("file", justify="right", no_wrap=True)
    for one in _shown(document):
        table.add_row(*_cells(one, document))
    return table


def _shown(document: Record) -> list[Record]:
    """Return the candidates that a terminal has room for: given, best, likely, those asked about, then the front."""
    wanted = {document["best"], document["likely"]}
    times = ranking_of(document)

    def rank(one: Record) -> tuple[int, float]:
        first = not one["steps"] or one["digest"] in wanted or one["guard"] is not None
        cost = times[one["digest"]]["cpu_time_s"] if one["digest"] in times else float("inf")
        return 0 if first else 1 if one["on_front"] else 2, cost

    chosen = sorted(document["candidates"], key=rank)[:_MOST_ROWS]
    return [one for one in document["candidates"] if one in chosen]


def _cells(one: Record, document: Record) -> Sequence[Text]:
    metric, ranking = document["data"]["metric"], ranking_of(document).get(one["digest"])
    name = Text(names_of(document)[one["digest"]], style="bold" if one["digest"] == document["best"] else "")
    if one["digest"] == document["best"]:
        name.append("\nships" if one["steps"] else "\nstays", style="green" if one["steps"] else "")
    if one["no_effect"]:
        name.append(f"\n{clean(one['no_effect'])}", style="yellow")
    guard = one["guard"]
    asked = Text(guard_text(guard, metric), style=_STYLES[guard["keeps"]] if guard else "dim")
    mark = "" if one["search"]["keeps"] is not False else f" {accuracy_mark(False)}"
    time = Text(time_text(ranking))
    if ranking is not None and one["steps"]:
        time.append(f"\n{times(ranking['saving'])}", style="dim")
    return name, Text(drop_words(one["search"], metric) + mark), asked, time, Text(format_si(one["file_bytes"], "B"))


def _legend(document: Record) -> str:
    left = len(document["candidates"]) - len(_shown(document))
    more = f" {left} more {'was' if left == 1 else 'were'} tried; --html and --json hold them all." if left > 0 else ""
    timed = (
        "Time is processor time per inference: that of the model as given, measured anew, over the ratio below it. "
        "What ships was measured anew too, the others while the search went on (≈: but quickly): they rank. "
    )
    return f"{timed if ranking_of(document) else ''}✓ proved, ✗ disproved, ? too few samples to tell.{more}"


def _orders(document: Record) -> list[str]:
    orders, names = document.get("orders", []), names_of(document)
    told = [order_sentence(order, names) for order in orders[:_MOST_ORDERS]]
    return [*told, f"and {len(orders) - _MOST_ORDERS} more"] if len(orders) > _MOST_ORDERS else told


def _advice(advice: Record) -> str:
    place = "" if advice["machine"] == "this-cpu" else f" on {clean(advice['machine'])}"
    saved = f"saves about {quantity_text(advice['saved_j'], 'J')} an inference"
    return f"{clean(advice['title'])}{place}: {advice_saving(advice)}; {saved}, {clean(advice['text'])}"


def _section(title: str, lines: Iterable[str]) -> list[RenderableType]:
    found = [Padding(Text(f"- {line}"), (0, 0, 0, 1)) for line in lines]
    return [Text(f"\n{title}", style="bold"), *found] if found else []
