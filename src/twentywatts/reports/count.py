"""What ``twentywatts count`` shows: the layers with most work, as wide as the terminal is."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from twentywatts.counting.result import Counts, busiest, cells, remarks, title
from twentywatts.errors import clean

__all__ = ["counts_view"]

_NUMBERS = ("MAC", "other op", "weights", "activations")


def counts_view(counts: Counts) -> RenderableType:
    """Return the counts as a table and what it leaves out; print it with a rich Console."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("operator", max_width=22, overflow="fold")
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    for layer in busiest(counts):
        table.add_row(Text(clean(layer.name)), Text(clean(layer.op)), *cells(layer))
    table.add_section()
    table.add_row("total", "", *cells(counts), style="bold")
    return Group(Text(clean(title(counts)), style="bold"), table, *(Text(clean(line)) for line in remarks(counts)))
