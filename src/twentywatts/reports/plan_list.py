"""What ``twentywatts plan list`` shows: the names that the verbs of plan take."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from twentywatts.errors import clean
from twentywatts.plan.carbon import Grid, grids
from twentywatts.plan.laws import laws
from twentywatts.plan.scenario_file import presets, read_scenario
from twentywatts.units import convert

__all__ = ["plan_list_view"]


def plan_list_view() -> RenderableType:
    """Return grids with their carbon, fleets and scaling laws as tables."""
    grid_table = _table("grid", "of", "g CO2e per kWh (90 %), year")
    for code, grid in grids().items():
        grid_table.add_row(code, clean(grid.name), _carbon(grid))
    fleet_table = _table("fleet", "what it is")
    for name in presets():
        fleet_table.add_row(name, clean(read_scenario(name).title))
    law_table = _table("law", "what it is")
    for name, law in laws().items():
        law_table.add_row(name, clean(law.title))
    return Group(
        Text("--grid takes", style="bold"),
        grid_table,
        Text("plan fleet takes", style="bold"),
        fleet_table,
        Text("plan scaling --law takes", style="bold"),
        law_table,
        Text("Chips: `twentywatts machines`. Models of plan serving --model: `twentywatts models`.", style="dim"),
    )


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(columns[0], overflow="fold", style="bold")
    for name in columns[1:]:
        table.add_column(name)
    return table


def _carbon(grid: Grid) -> str:
    carbon = grid.carbon_kg_per_j
    low, mid, high = (convert(value, "kg/J", "g/kWh") for value in (carbon.low, carbon.mid, carbon.high))
    return f"{mid:.0f} ({low:.0f}–{high:.0f}), {grid.year}"
