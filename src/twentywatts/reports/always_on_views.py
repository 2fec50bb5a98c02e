"""Always on, drawn: the terminal's table and curve, the page's table and chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from twentywatts.errors import clean
from twentywatts.reports.always_on import always_on_sentences, days_text, power_text, rate_text, use_text
from twentywatts.reports.charts import FAMILY_STYLES, chart_layout, chart_text
from twentywatts.reports.html import Markup, bullets, join, table
from twentywatts.units import format_si

__all__ = ["always_on_chart", "always_on_table", "always_on_view"]

Record = Mapping[str, Any]
_LABELLED = (1, 6, 11, 16)  # points of the curves that bear their names, one after the other
_HEIGHT = 12  # of the curve in the terminal [letters]; every rate has a column, and there is one between two


def always_on_view(document: Record) -> RenderableType:
    """Return what the terminal shows: a table, the sentences, the curve."""
    record = document["always_on"]
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=False, pad_edge=False)
    with_battery = document["scenario"]["battery_j"] is not None
    for name in ("machine, form", "average power (90 %)", *(["battery"] if with_battery else [])):
        shown.add_column(name, max_width=30)
    for row in sorted(record["rows"], key=lambda row: float(row["power_w"]["mid"])):
        cells: list[Text | str] = [
            Text(clean(row["machine"])).append(f" {clean(row['form'])}", style="dim"),
            power_text(row["power_w"]),
        ]
        shown.add_row(*cells, *([days_text(row["battery_days"])] if with_battery else []))
    return Group(
        Text(f"\nAlways on: {document['scenario']['rate_per_s']:g} inferences per second{use_text(document)}", "bold"),
        shown,
        Text(" ".join(always_on_sentences(document))),
        Text(_curve(record)),
    )


def _curve(record: Record) -> str:
    """Return the power of the best event-driven row (o) and of the best other one (x) over the rate as letters."""
    rates, best = record["rates_per_s"], {mark: _best(record, mark == "o") for mark in "ox"}
    values = [value for curve in best.values() for value in curve]
    if not values:
        return ""
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    width = 2 * len(rates) - 1
    lines = [[" "] * width for _ in range(_HEIGHT)]
    for mark, curve in best.items():
        for index, value in enumerate(curve):
            height = round((math.log10(value) - low) / (high - low) * (_HEIGHT - 1))
            line = lines[_HEIGHT - 1 - height]
            line[2 * index] = "*" if line[2 * index] not in (" ", mark) else mark
    names = {0: format_si(10.0**high, "W"), _HEIGHT - 1: format_si(10.0**low, "W")}
    body = [f"{names.get(index, ''):>8} |{''.join(line)}".rstrip() for index, line in enumerate(lines)]
    first, last = f"{rate_text(rates[0])}/s", f"{rate_text(rates[-1])}/s"
    axis = f"{'':>10}{first}{last:>{width - len(first)}}"
    legend = (
        "o best event-driven, x best other, * both: average power over inferences per second, of as many chips as "
        "that rate takes"
    )
    return "\n".join(["", *body, f"{'':>8} +{'-' * width}", axis, legend])


def _best(record: Record, is_event_driven: bool) -> list[float]:
    """Return the least power at each rate of those of one kind that compete."""
    rows = [r for r in record["rows"] if r["competes"] and (r["family"] == "neuromorphic") == is_event_driven]
    return [min(values) for values in zip(*(row["curve_w"] for row in rows), strict=True)] if rows else []


def always_on_table(document: Record) -> Markup:
    """Return the table and the sentences of the page."""
    headers = ["Machine", "Form", "Mean rate", "Average power"]
    with_battery = document["scenario"]["battery_j"] is not None
    headers += ["Battery"] if with_battery else []
    rows = [
        (
            clean(row["title"]),
            clean(row["form"]),
            f"{rate_text(row['inferences_per_s'])}/s",
            power_text(row["power_w"]),
            *([days_text(row["battery_days"])] if with_battery else []),
        )
        for row in document["always_on"]["rows"]
    ]
    caption = f"{document['scenario']['rate_per_s']:g} inferences per second{use_text(document)}; 90 % intervals."
    return join([bullets(always_on_sentences(document)), table(caption, headers, rows, class_="cards")])


def always_on_chart(document: Record) -> dict[str, Any]:
    """Return the average power of every row over the rate: two log axes, dashed where a row does not compete."""
    record = document["always_on"]
    rates = record["rates_per_s"]
    traces = [_trace(row, rates) for row in record["rows"]]
    powers = [value for row in record["rows"] for value in row["curve_w"]]
    layout = chart_layout(
        height=520,
        xaxis={**_log_axis(rates, "/s"), "title": {"text": "inferences per second"}},
        yaxis={**_log_axis(powers, "W"), "automargin": True},
        shapes=[_mark(change["rate_per_s"]["mid"]) for change in record["changes"]],
    )
    layout["margin"]["b"] = 56
    return {"data": traces, "layout": layout, "labels": _labels(record)}


def _labels(record: Record) -> list[dict[str, Any]]:
    """Return the names for page.js to place beside their lines; neighbours bear theirs at different rates."""
    rows = sorted(record["rows"], key=lambda row: float(row["curve_w"][0]))
    return [_label(row, record["rates_per_s"], _LABELLED[index % len(_LABELLED)]) for index, row in enumerate(rows)]


def _label(row: Record, rates: Sequence[float], index: int) -> dict[str, Any]:
    """Return a name at one point of its line, in decades."""
    x, y = math.log10(rates[index]), math.log10(row["curve_w"][index])
    return {"x": x, "low": x, "high": x, "y": y, "text": chart_text(f"{row['machine']} {row['form']}")}


def _trace(row: Record, rates: Sequence[float]) -> dict[str, Any]:
    colour, symbol = FAMILY_STYLES[row["family"]]
    words = chart_text(f"{row['machine']} {row['form']}", 40)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": words,
        "x": list(rates),
        "y": list(row["curve_w"]),
        "line": {"color": colour, "width": 2, "dash": "solid" if row["competes"] else "dot"},
        "marker": {"symbol": symbol, "size": 5},
        "customdata": [
            f"{words}: {format_si(value, 'W')} at {rate_text(rate)}/s"
            for rate, value in zip(rates, row["curve_w"], strict=True)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _log_axis(values: Sequence[float], unit: str) -> dict[str, Any]:
    """Return a log axis that names every decade, of many every third."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    decades = range(low, high + 1)
    step = 1 if len(decades) <= 8 else 3
    names = [format_si(10.0**d, unit) if unit != "/s" else f"{rate_text(10.0**d)}{unit}" for d in decades]
    return {
        "type": "log",
        "range": [low - 0.1, high + 0.1],
        "tickvals": [10.0**decade for decade in decades],
        "ticktext": [name if decade % step == 0 else "" for name, decade in zip(names, decades, strict=True)],
        "gridcolor": "#e3e6ea",
        "zeroline": False,
        "fixedrange": True,
        "tickangle": 0,
    }


def _mark(rate: float) -> dict[str, Any]:
    """Return an upright line at a change."""
    return {
        "type": "line",
        "x0": rate,
        "x1": rate,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": "#1b1f24", "width": 1, "dash": "dash"},
    }
