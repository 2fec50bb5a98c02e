"""A week of hours as a plotly figure: what meets the load, stacked; the load as asked and as scheduled; the carbon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.reports.charts import chart_layout
from twentywatts.reports.html import Markup, join, tag
from twentywatts.reports.plan import shown
from twentywatts.units import convert

__all__ = ["week_caption", "week_chart", "week_legend"]

Record = Mapping[str, Any]
Chart = dict[str, Any]

# what meets the load, from the axis up: colour, and the pattern that tells it without colour
_PARTS = {
    "wind_power_w": ("#7fb0dd", "/"),
    "pv_power_w": ("#e0a030", ""),
    "discharge_power_w": ("#64b5a6", "x"),
    "grid_power_w": ("#9aa1ab", "."),
}
_LINES = {"asked_power_w": ("#1b1f24", "dot", 1.4), "load_power_w": ("#1b1f24", "solid", 2.2)}
_CARBON = "#b3440b"
_GRID = "#e3e6ea"
_INK_NAMES = {"dot": "M0 7h3M6 7h3M12 7h3", "solid": "M0 7h18", "dash": "M0 7h7M10 7h7"}


def week_chart(series: Record) -> Chart:
    """Return the hours of one series: power on the left axis [MW], carbon of the grid on the right [g/kWh]."""
    values = series["values"]
    times = _times(series)
    traces = [_area(key, series, times) for key in _PARTS if key in values]
    traces += [_line(key, series, times) for key in _LINES if key in values]
    traces.append(_carbon(series, times))
    stacked = [sum(parts) for parts in zip(*(values[key] for key in _PARTS if key in values), strict=True)]
    top = _megawatt(max([*stacked, *values["asked_power_w"]])) * 1.05
    layout = chart_layout(
        height=360,
        xaxis={"type": "date", **_time_names(series), "gridcolor": _GRID, "fixedrange": True, "automargin": True},
        yaxis={
            "title": {"text": "MW"},
            "ticklabelstandoff": 6,
            "range": [0, top],
            "gridcolor": _GRID,
            "zeroline": False,
            "fixedrange": True,
            "automargin": True,
        },
        yaxis2={
            "title": {"text": "g CO2 per kWh"},
            "ticklabelstandoff": 6,
            "overlaying": "y",
            "side": "right",
            "rangemode": "tozero",
            "tickmode": "auto",  # round numbers of its own, not those that stand beside the other axis's
            "nticks": 6,
            "showgrid": False,
            "fixedrange": True,
            "automargin": True,
        },
    )
    return {"data": traces, "layout": layout}


def _time_names(series: Record) -> Chart:
    """Return days, each named below the whole of it; hours where there are not two days."""
    hours = convert(series["step_s"] * len(series["values"]["asked_power_w"]), "s", "h")
    return {"tickformat": "%H:%M"} if hours < 48 else {"tickformat": "%a %d %b", "ticklabelmode": "period"}


def _times(series: Record) -> list[str]:
    """Return the begin of each step as text."""
    from datetime import datetime, timedelta

    start = datetime.fromisoformat(series["start"])
    count = len(series["values"]["asked_power_w"])
    return [f"{start + timedelta(seconds=series['step_s'] * step):%Y-%m-%d %H:%M}" for step in range(count)]


def _megawatt(power_w: float) -> float:
    return convert(power_w, "W", "MW")


def _curve(name: str, times: list[str], values: list[float], line: Chart) -> Chart:
    """Return values as steps, without what the pointer shows."""
    return {"type": "scatter", "mode": "lines", "name": name, "x": times, "y": values, "line": {"shape": "hv", **line}}


def _power(key: str, series: Record, times: list[str], line: Chart) -> Chart:
    """Return one power of the series [MW]."""
    label = series["labels"][key]
    values = [_megawatt(value) for value in series["values"][key]]
    return {**_curve(label, times, values, line), "hovertemplate": f"{label}: %{{y:.4g}} MW<extra></extra>"}


def _area(key: str, series: Record, times: list[str]) -> Chart:
    colour, pattern = _PARTS[key]
    fill = {"shape": pattern, "bgcolor": colour, "fgcolor": "#1b1f24", "size": 8, "solidity": 0.12}
    power = _power(key, series, times, {"width": 0.5, "color": colour})
    return {**power, "stackgroup": "supply", "fillcolor": colour, "fillpattern": fill}


def _line(key: str, series: Record, times: list[str]) -> Chart:
    colour, dash, width = _LINES[key]
    return _power(key, series, times, {"color": colour, "dash": dash, "width": width})


def _carbon(series: Record, times: list[str]) -> Chart:
    label = series["labels"]["carbon_kg_per_j"]
    values = [convert(value, "kg/J", "g/kWh") for value in series["values"]["carbon_kg_per_j"]]
    curve = _curve(label, times, values, {"color": _CARBON, "dash": "dash", "width": 1.4})
    return {**curve, "yaxis": "y2", "hovertemplate": "carbon: %{y:.4g} g/kWh<extra></extra>"}


def week_legend(series: Record) -> Markup:
    """Return what the colours and lines mean."""
    items = []
    for key, (colour, _) in _PARTS.items():
        if key in series["values"]:
            box = Markup(f'<path fill="{colour}" stroke="#20262d" d="M.5 .5h17v13h-17z"/>')
            items.append((series["labels"][key], box))
    lines = {key: (colour, dash) for key, (colour, dash, _) in _LINES.items() if key in series["values"]}
    lines["carbon_kg_per_j"] = (_CARBON, "dash")
    for key, (colour, dash) in lines.items():
        path = Markup(f'<path fill="none" stroke="{colour}" stroke-width="2" d="{_INK_NAMES[dash]}"/>')
        items.append((series["labels"][key], path))
    return tag("ul", *(tag("li", join([_drawing(box), name])) for name, box in items), class_="keys")


def _drawing(content: Markup) -> Markup:
    return tag("svg", content, width=18, height=14, aria_hidden="true", focusable="false")


def week_caption(series: Record) -> str:
    """Return what the drawing shows, in words and numbers."""
    values, step_s = series["values"], series["step_s"]
    load = sum(values["load_power_w"])
    own = 1 - sum(values.get("grid_power_w", [0.0])) / load if load else 0.0
    grid = {name: sum(values.get("grid_power_w", [0.0])) * step_s for name in ("low", "mid", "high")}
    return (
        f"{series['title']}, from {series['start'][:10]} (UTC), hour by hour: {100 * own:.3g} % of the load is met by "
        f"own generation, {shown('grid_energy_j', grid)} come from the grid. What stands above the load is stored, or "
        "finds no use here."
    )
