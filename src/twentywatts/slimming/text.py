"""A result of slimming as plain text: what ships first, then everything that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twentywatts.comparison.text import accuracy_mark, accuracy_text, points_text
from twentywatts.errors import clean
from twentywatts.units import format_interval, format_si

if TYPE_CHECKING:
    from twentywatts.slimming.result import Entry, Slimmed

__all__ = ["plain_result"]

_HEADERS = ("candidate", "search", "guard", "drop at most", "CPU time", "energy (predicted)", "file")


def plain_result(result: Slimmed) -> str:
    """Return the result as aligned plain text; joules are predicted, processor time is measured."""
    metric = result.data.metric
    lines = [f"{clean(result.model.name)} on {clean(result.data.name)}: {clean(result.data.split)}", ""]
    table = [_HEADERS, *(_cells(entry, metric) for entry in result.entries)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADERS))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines += ["", f"best: {clean(result.best.name)}"]
    if result.outcome is not None:
        lines.append(result.outcome.verdict)
    lines += [text for text in (result.unproved, *result.notes) if text]
    lines += [f"refused: {clean(one.title)}: {clean(one.reason)}" for one in result.refused]
    return "\n".join(lines)


def _cells(entry: Entry, metric: str) -> tuple[str, ...]:
    look = entry.look
    energy = None if entry.ledger is None else entry.ledger.energy_j.interval
    return (
        clean(entry.name),
        accuracy_text(entry.search.value, metric),
        "–" if look is None else f"{accuracy_text(look.score.value, metric)} {accuracy_mark(look.score.verdict.keeps)}",
        "–" if look is None else points_text(look.score.verdict.bound, metric),
        "–" if entry.time_s is None else format_si(entry.time_s, "s"),
        "–" if energy is None else format_interval(energy.low, energy.mid, energy.high, "J"),
        f"{entry.file_bytes:,} bytes",
    )
