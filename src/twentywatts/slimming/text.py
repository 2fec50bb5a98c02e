"""A result of slimming as plain text: what ships first, then everything that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twentywatts.comparison.text import accuracy_mark, accuracy_text, points_text, ratio_text
from twentywatts.errors import clean
from twentywatts.units import format_interval, format_si

if TYPE_CHECKING:
    from twentywatts.slimming.result import Entry, Slimmed

__all__ = ["plain_result"]

_HEADERS = ("candidate", "search", "guard", "drop at most", "CPU time", "energy (predicted)", "file")


def plain_result(result: Slimmed) -> str:
    """Return the result as aligned plain text; joules are predicted, processor time is measured."""
    metric = result.data.metric
    lines = [f"{clean(result.chance)}", ""] if result.chance else []
    lines += [f"{clean(result.model.name)} on {clean(result.data.name)}: {clean(result.data.split)}", ""]
    table = [_HEADERS, *(_cells(entry, metric) for entry in result.entries)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADERS))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines += ["", f"best: {clean(result.best.name)}"]
    if result.outcome is not None:
        lines.append(result.outcome.verdict)
    lines += [text for text in (result.unproved, *result.notes) if text and text != result.chance]
    lines += [f"refused: {clean(one.title)}: {clean(one.reason)}" for one in result.refused]
    return "\n".join(lines)


def _time(entry: Entry) -> str:
    """Return the time and how many times less that is than the model as given takes; ≈ where measured but quickly."""
    if entry.time_s is None or entry.saving is None:
        return "–"
    ratio = f" ({ratio_text(1 / entry.saving)})" if entry.candidate.steps else ""
    return f"{'≈ ' if entry.timed == 'quick' else ''}{format_si(entry.time_s, 's')}{ratio}"


def _cells(entry: Entry, metric: str) -> tuple[str, ...]:
    look = entry.look
    energy = None if entry.ledger is None else entry.ledger.energy_j.interval
    return (
        clean(entry.name),
        accuracy_text(entry.search.value, metric),
        "–" if look is None else f"{accuracy_text(look.score.value, metric)} {accuracy_mark(look.score.verdict.keeps)}",
        "–" if look is None else points_text(look.score.verdict.bound, metric),
        _time(entry),
        "–" if energy is None else format_interval(energy.low, energy.mid, energy.high, "J"),
        f"{entry.file_bytes:,} bytes",
    )
