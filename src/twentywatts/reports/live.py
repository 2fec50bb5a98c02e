"""Live power by component: a screen for a terminal of 80 by 24 or more, a line for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twentywatts.errors import clean
from twentywatts.units import format_si

if TYPE_CHECKING:
    from rich.console import RenderableType

    from twentywatts.meter.station import Row

__all__ = ["live_line", "live_view"]

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 24
_FRAME_LINES = 8  # of a screen that are not rows: title, head, rules, total, help


def live_line(rows: Sequence[Row], time_text: str) -> str:
    """Return one line: the time, the total, each component; what is not in the total stands in brackets."""
    parts = [_part(row) for row in rows]
    return f"{time_text}  {_total_text(rows)}  {' · '.join(parts) or 'no counter can be read'}"


def _part(row: Row) -> str:
    text = f"{clean(row.component)} {_watts(row.power_w)}"
    return text if row.is_summed else f"({text})"


def _watts(power_w: float | None) -> str:
    return "–" if power_w is None else format_si(power_w, "W")


def _total_text(rows: Sequence[Row]) -> str:
    powers = [row.power_w for row in rows if row.is_summed]
    known = [power_w for power_w in powers if power_w is not None]
    return "–" if not known or len(known) < len(powers) else format_si(sum(known), "W")


def live_view(
    rows: Sequence[Row], history: dict[str, list[float]], notes: Sequence[str], *, height: int
) -> RenderableType:
    """Return the screen; ``history`` keeps the last powers by key [W] and is brought up to date here."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"twentywatts watch   {_total_text(rows)}", title_justify="left", box=None, pad_edge=False)
    for name in ("component", "power", "energy", "trend", "how"):
        is_number = name in ("power", "energy")
        table.add_column(
            name, justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis", max_width=26
        )
    room = max(1, height - _FRAME_LINES - len(notes))
    for row in rows[:room]:
        powers = _remember(history, row)
        energy = format_si(row.energy_j, "J")
        how = f"{row.kind}, {row.source}" + ("" if row.is_summed else ", apart")
        style = "" if row.is_summed else "dim"
        cells = (clean(row.component), _watts(row.power_w), energy, _bars(powers), clean(how))
        table.add_row(*(Text(cell) for cell in cells), style=style)
    hidden = [f"and {len(rows) - room} more: the window is too low for them"] if len(rows) > room else []
    foot = ["", *hidden, *(f"not read: {clean(note)}" for note in notes), "apart: overlaps with the others   q: leave"]
    return Group(table, Text("\n".join(foot), style="dim", no_wrap=True, overflow="ellipsis"))


def _remember(history: dict[str, list[float]], row: Row) -> list[float]:
    powers = history.setdefault(row.key, [])
    if row.power_w is not None:
        powers.append(row.power_w)
        del powers[:-_HISTORY]
    return powers


def _bars(powers: Sequence[float]) -> str:
    """Return the powers as bars from zero to the largest of them."""
    top = max(powers, default=0.0)
    if top <= 0:
        return ""
    return "".join(_BARS[min(len(_BARS) - 1, int(power_w / top * len(_BARS)))] for power_w in powers)
