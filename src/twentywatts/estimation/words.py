"""An estimation in words: the first line, and one line per row."""

from __future__ import annotations

from collections.abc import Sequence

from twentywatts.estimation.result import EstimationRow
from twentywatts.uncertain import Interval
from twentywatts.units import convert, format_interval, format_si

__all__ = ["answer_of", "row_text", "wh_text"]


def wh_text(energy_j: Interval) -> str:
    """Return joules as watt-hours with their interval: ``0.21 Wh (0.16–0.28)``."""
    low, mid, high = (convert(value, "J", "Wh") for value in (energy_j.low, energy_j.mid, energy_j.high))
    return format_interval(low, mid, high, "Wh")


def answer_of(rows: Sequence[EstimationRow], *, what: str, of: str) -> str:
    """Return the first line: what one of them costs, from a full server to a lone user, over all rows."""
    least = min(rows, key=lambda row: row.ledger.energy_j.mid)
    most = max(rows, key=lambda row: row.ledger.energy_j.mid)
    if least is most:
        return f"{what} by {of} costs {wh_text(least.ledger.energy_j.interval)} ({_place(least)})."
    low, high = (wh_text(row.ledger.energy_j.interval) for row in (least, most))
    return f"{what} by {of} costs from {low} ({_place(least)}) to {high} ({_place(most)})."


def _place(row: EstimationRow) -> str:
    users = "a lone user" if row.batch == 1 else f"{row.batch:,} at a time"
    return f"{users} on {row.machine}"


def row_text(row: EstimationRow) -> str:
    """Return one row as a line."""
    energy = format_interval(*_triple(row.energy_j_per_unit), "J")
    speed = format_si(row.units_per_s.mid, f"{row.unit}/s") if row.unit in ("token", "image") else ""
    return f"{row.machine}, batch {row.batch:,}: {energy} per {row.unit}{', ' + speed if speed else ''}"


def _triple(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.mid, interval.high
