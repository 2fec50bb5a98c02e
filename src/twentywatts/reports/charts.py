"""The page's three charts as plotly figures: plain values, drawn by page.js. No name is trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import Any

from twentywatts.comparison.text import accuracy_mark, accuracy_text, is_share, metric_text
from twentywatts.errors import clean
from twentywatts.reports.words import CAUSES, cause_name, cause_shares, form_text, interval_text, quantity_text
from twentywatts.units import format_si

__all__ = [
    "CAUSE_STYLES",
    "FAMILY_STYLES",
    "accuracy_chart",
    "cause_chart",
    "chart_layout",
    "chart_text",
    "comparable",
    "energy_chart",
    "error_bars",
    "log_axis",
    "metric_axis",
    "name_axis",
    "wrapped_text",
]

Record = Mapping[str, Any]
Chart = dict[str, Any]

# family: colour, symbol; told apart by shape alone too
FAMILY_STYLES = {
    "processor": ("#1f4e8c", "circle"),
    "neuromorphic": ("#b3440b", "square"),
    "crossbar": ("#0a6b5d", "diamond"),
    "brain": ("#7a2a8a", "star"),
    "baseline": ("#555b66", "x"),
}
# cause: colour, pattern; told apart by pattern alone too
CAUSE_STYLES = {
    "compute": ("#1f4e8c", ""),
    "memory": ("#7fb0dd", "/"),
    "communication": ("#e0a030", "x"),
    "conversion": ("#b3440b", "\\"),
    "static": ("#9aa1ab", "."),
    "host": ("#7a2a8a", "-"),
    "cooling": ("#64b5a6", "|"),
    "unsplit": ("#e9e3d8", "+"),
}
_ROW_PX = 34
_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", "size": 13}
_INK = "#1b1f24"
_GRID = "#e3e6ea"


def energy_chart(document: Record) -> Chart:
    """Return energy by machine: one line each, log axis, 90 % intervals; filled where the accuracy is kept."""
    rows = _lines(document)
    metric = document["data"]["metric"]
    traces = [_energy_trace(family, rows, metric) for family in FAMILY_STYLES]
    axis = log_axis([row["energy_j"] for row in rows])
    layout = chart_layout(height=_ROW_PX * len(rows) + 110, xaxis=axis, yaxis=name_axis(_labels(rows)))
    return {"data": [trace for trace in traces if trace["x"]], "layout": layout}


def _lines(document: Record) -> list[Record]:
    """Return rows and baselines, one line each."""
    baselines = [
        {**item, "machine": item["name"], "family": "baseline", "form": "", "setting": {}, "role": "baseline"}
        for item in document["baselines"]
    ]
    *machines, last = document["rows"]
    return [*machines, *baselines, last] if last["role"] == "yardstick" else [*machines, last, *baselines]


def _energy_trace(family: str, rows: Sequence[Record], metric: str) -> Chart:
    found = [(index, row) for index, row in enumerate(rows) if row["family"] == family]
    colour, symbol = FAMILY_STYLES[family]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": family,
        "x": [row["energy_j"]["mid"] for _, row in found],
        "y": [index for index, _ in found],
        "text": [quantity_text(row["energy_j"], "J") for _, row in found],
        "textposition": "top center",
        "cliponaxis": False,
        "error_x": error_bars([row["energy_j"] for _, row in found], colour),
        "marker": {
            "symbol": [_symbol(symbol, row) for _, row in found],
            "size": 11,
            "color": colour,
            "line": _outline(colour),
        },
        "customdata": [_hover(row, metric) for _, row in found],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _symbol(symbol: str, row: Record) -> str:
    """Return the family's symbol, open where the accuracy is not shown to be kept."""
    kept = row.get("keeps_accuracy", row.get("good_enough"))
    is_open = row["role"] in ("candidate", "baseline") and kept is not True
    return f"{symbol}-open" if is_open else symbol


def _outline(colour: str) -> Chart:
    return {"color": colour, "width": 2}


def error_bars(quantities: Sequence[Record], colour: str) -> Chart:
    """Return the 90 % intervals of quantities as plotly's error bars."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [quantity["high"] - quantity["mid"] for quantity in quantities],
        "arrayminus": [quantity["mid"] - quantity["low"] for quantity in quantities],
        "color": colour,
        "thickness": 1.5,
        "width": 4,
    }


def _hover(row: Record, metric: str) -> str:
    accuracy = row.get("accuracy")
    parts = [_text(row.get("title", row["machine"])), _text(form_text(row)), interval_text(row["energy_j"], "J")]
    parts += [f"{_text(metric_text(metric))} {accuracy_text(accuracy, metric)}"] if accuracy is not None else []
    return "<br>".join(part for part in parts if part)


def _text(name: object) -> str:
    """Return a name for plotly, which reads a little HTML in its texts."""
    return escape(clean(name), quote=False)


def _labels(rows: Sequence[Record]) -> list[str]:
    """Return machine and mark, with the form where a machine stands there twice: ``loihi ✓``, ``this-cpu int8 ✓``."""
    names = [row["machine"] for row in rows]
    return [_label(row, with_form=names.count(row["machine"]) > 1) for row in rows]


def _label(row: Record, *, with_form: bool) -> str:
    mark = ""
    if row["role"] in ("candidate", "baseline"):
        mark = accuracy_mark(row.get("keeps_accuracy", row.get("good_enough")))
    form = _text(row["form"]) if with_form else ""
    return " ".join(part for part in (chart_text(row["machine"]), form, mark) if part)


def chart_text(name: object, length: int = 22) -> str:
    """Return a name for a chart, shortened and escaped."""
    text = clean(name)
    return _text(text if len(text) <= length else text[: length - 1] + "…")


def wrapped_text(name: object, width: int) -> str:
    """Return a long name for a chart on three lines of so many letters, shortened after the third, and escaped."""
    return "<br>".join(_text(line) for line in wrap(clean(name), width, max_lines=3, placeholder=" …"))


def log_axis(quantities: Sequence[Record], unit: str = "J") -> Chart:
    """Return a log axis that holds every quantity with its interval, a tick for each power of ten."""
    low = math.floor(
        math.log10(min(quantity["low"] or quantity["mid"] for quantity in quantities if quantity["mid"] > 0))
    )
    high = math.ceil(math.log10(max(quantity["high"] for quantity in quantities)))
    decades = range(low, high + 1)
    step = 1 if len(decades) <= 10 else 3  # page.js thins them out on a narrow screen
    return {
        "type": "log",
        "range": [low - 0.15, high + 0.15],
        "tickvals": [10.0**decade for decade in decades],
        "ticktext": [format_si(10.0**decade, unit) if decade % step == 0 else "" for decade in decades],
        "gridcolor": _GRID,
        "zeroline": False,
        "fixedrange": True,
        "tickangle": 0,
    }


def name_axis(labels: Sequence[str]) -> Chart:
    """Return an axis that names its rows from top to bottom."""
    return {
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "range": [len(labels) - 0.5, -0.7],
        "automargin": True,
        "showgrid": True,
        "gridcolor": "#f0f2f4",
        "zeroline": False,
        "fixedrange": True,
        "ticks": "",
        "ticklabelstandoff": 6,
    }


def chart_layout(*, height: int, xaxis: Chart, yaxis: Chart, **more: Any) -> Chart:
    """Return the layout that every chart shares: house fonts and colours, nothing to drag."""
    return {
        "height": height,
        "xaxis": xaxis,
        "yaxis": yaxis,
        "font": {**_FONT, "color": _INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 24, "t": 8, "b": 36},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"align": "left", "bgcolor": "#ffffff", "font": {"color": _INK}},
        **more,
    }


def accuracy_chart(document: Record) -> Chart:
    """Return energy against accuracy: log axis, 90 % intervals; ``labels`` are placed by page.js without overlap."""
    rows, _ = comparable(document)
    metric = document["data"]["metric"]
    traces = [_accuracy_trace(family, rows, metric) for family in FAMILY_STYLES]
    axis = metric_axis([row["accuracy"] for row in rows], metric)
    energies = log_axis([row["energy_j"] for row in rows])
    energies["range"][1] += 0.15 * (energies["range"][1] - energies["range"][0])  # room for names to the right
    layout = chart_layout(height=500, xaxis=energies, yaxis=axis)
    labels = [_place(row, text) for row, text in zip(rows, _labels(rows), strict=True)]
    return {"data": [trace for trace in traces if trace["x"]], "layout": layout, "labels": labels}


def comparable(document: Record) -> tuple[list[Record], list[Record]]:
    """Return what the accuracy chart shows, and the baselines so far below that they would flatten it."""
    rows = [row for row in _lines(document) if row["accuracy"] is not None]
    values = [row["accuracy"] for row in rows if row["role"] != "baseline"]
    span = max(values) - min(values) or 0.1 * abs(values[0])
    far = [row for row in rows if row["role"] == "baseline" and row["accuracy"] < min(values) - 2 * span]
    return [row for row in rows if row not in far], far


def metric_axis(values: Sequence[float], metric: str) -> Chart:
    """Return an axis of a metric with room for names above and below; a share has no tick above 100 %."""
    share = is_share(metric)
    span = max(values) - min(values) or 0.1 * abs(values[0]) or 0.1
    rough = 10.0 ** math.floor(math.log10(span))
    step = next(rough * factor for factor in (0.2, 0.5, 1.0, 2.0) if span / (rough * factor) <= 6)
    first, last = math.floor(min(values) / step) - 1, math.ceil(max(values) / step) + 1
    ticks = [round(index * step, 12) for index in range(first, last + 1)]
    ticks = [tick for tick in ticks if not share or 0 <= tick <= 1]
    return {
        "range": [min(values) - 0.4 * span, max(values) + 0.5 * span],
        "tickvals": ticks,
        "ticktext": [f"{100 * tick:.4g} %" if share else f"{tick:.4g}" for tick in ticks],
        "gridcolor": _GRID,
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
    }


def _place(row: Record, text: str) -> Chart:
    """Return a name with its point and interval on the axes (decades, metric)."""
    ends = {name: math.log10(row["energy_j"][name] or row["energy_j"]["mid"]) for name in ("low", "mid", "high")}
    return {"x": ends["mid"], "low": ends["low"], "high": ends["high"], "y": row["accuracy"], "text": text}


def _accuracy_trace(family: str, rows: Sequence[Record], metric: str) -> Chart:
    found = [row for row in rows if row["family"] == family]
    colour, symbol = FAMILY_STYLES[family]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": family,
        "x": [row["energy_j"]["mid"] for row in found],
        "y": [row["accuracy"] for row in found],
        "error_x": {**error_bars([row["energy_j"] for row in found], colour), "thickness": 1},
        "marker": {
            "symbol": [_symbol(symbol, row) for row in found],
            "size": 11,
            "color": colour,
            "line": _outline(colour),
        },
        "customdata": [_hover(row, metric) for row in found],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def cause_chart(document: Record) -> Chart:
    """Return shares of the joules by cause, one bar each, with the total at its end."""
    rows = document["rows"]
    shares = [dict(cause_shares(row)) for row in rows]
    used = [cause for cause in CAUSES if any(cause in share for share in shares)]
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    names = [f"{100 * tick:.0f} %" for tick in ticks]
    axis = {"range": [0, 1], "tickvals": ticks, "ticktext": names, "gridcolor": _GRID, "zeroline": False}
    axis["fixedrange"] = True
    layout = chart_layout(
        height=_ROW_PX * len(rows) + 130,
        xaxis=axis,
        yaxis=name_axis(_labels(rows)),
        barmode="stack",
        bargap=0.3,
        annotations=[_total(index, row) for index, row in enumerate(rows)],
    )
    layout["margin"]["r"] = 72
    return {"data": [_cause_trace(cause, shares) for cause in used], "layout": layout}


def _cause_trace(cause: str, shares: Sequence[Mapping[str, float]]) -> Chart:
    colour, pattern = CAUSE_STYLES[cause]
    values = [share.get(cause, 0.0) for share in shares]
    fill = {"shape": pattern, "bgcolor": colour, "fgcolor": _INK, "size": 8, "solidity": 0.16}
    return {
        "type": "bar",
        "orientation": "h",
        "name": cause_name(cause),
        "x": values,
        "y": list(range(len(values))),
        "marker": {"color": colour, "pattern": fill, "line": {"color": "#20262d", "width": 0.8}},
        "customdata": [f"{cause_name(cause)}: {100 * value:.1f} %" for value in values],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _total(index: int, row: Record) -> Chart:
    text = quantity_text(row["energy_j"], "J")
    return {"x": 1.01, "y": index, "text": text, "xref": "paper", "xanchor": "left", "showarrow": False}
