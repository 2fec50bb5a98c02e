"""The models that ship: the document ``twentywatts.models/1`` and the table of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from twentywatts.errors import clean
from twentywatts.estimation.catalog import BundledModel
from twentywatts.estimation.result import ModelCard
from twentywatts.reports.records import plain_document, source_records
from twentywatts.units import format_si

__all__ = ["SCHEMA", "models_document", "models_view"]

SCHEMA = "twentywatts.models/1"
_WIDEST_NAME = 32  # of a column that holds names whole: they are there to be copied


def models_document(models: Iterable[BundledModel]) -> dict[str, Any]:
    """Return models as plain values: sizes, the precision that they are published in, other names, sources."""
    found = list(models)
    records = [{**asdict(model.card), "aliases": list(model.aliases)} for model in found]
    keys = {key for model in found for key in model.card.sources}
    return plain_document({"schema": SCHEMA, "models": records, "sources": source_records(keys, own={})})


def models_view(models: Iterable[BundledModel]) -> RenderableType:
    """Return the table that `twentywatts models` shows."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    found = list(models)
    longest = max(len(model.card.name) for model in found)
    table.add_column("model", overflow="fold", width=min(longest, _WIDEST_NAME))  # a least width would be cropped
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("used", justify="right", no_wrap=True)
    table.add_column("precision", no_wrap=True)
    table.add_column("what it is")
    kind = ""
    for model in found:
        if model.card.kind != kind:
            kind = model.card.kind
            table.add_section()
            table.add_row(Text(kind, style="bold italic"))
        table.add_row(Text(clean(model.card.name), style="bold"), *_cells(model.card))
    hint = (
        "used: parameters that one token uses, where not all of them. Hub ids such as meta-llama/Llama-3.1-8B are "
        "found too. `twentywatts estimate NAME --on h100-sxm` prices one; a folder with its config.json stands for any "
        "other."
    )
    return Group(table, Text(hint, style="dim"))


def _cells(card: ModelCard) -> tuple[str, str, str, str]:
    used = card.active_parameter_count if card.active_parameter_count < 0.9 * card.parameter_count else 0.0
    sizes = [format_si(size, "").strip() if size else "" for size in (card.parameter_count, used)]
    return sizes[0], sizes[1], card.precision, clean(card.title)
