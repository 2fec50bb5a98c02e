"""The charts of a plan as plotly figures: bands on a log axis, and a tornado."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from twentywatts.reports.charts import chart_layout, chart_text, error_bars, name_axis, wrapped_text
from twentywatts.reports.plan import LEAST_SHARE_FRAC, shown
from twentywatts.units import to_base, unit_of_key

__all__ = ["band_chart", "tornado_chart"]

Record = Mapping[str, Any]
Chart = dict[str, Any]

WATT_HOUR_J = to_base(1.0, "Wh")
_ROW_PX = 34
_WRAPPED_PX = 44  # where names take several lines
_LEAST_SPREAD = 1.5  # rows nearer together than this say more as a table
_BOUNDS = re.compile(r" \([^()]*\)")
_LOW, _HIGH = "#7fb0dd", "#1f4e8c"
_GRID = "#e3e6ea"


def tornado_chart(document: Record) -> Chart:
    """Return how far each input moves the result: one bar from its 5 % to its 95 % quantile, around mid."""
    drivers = [item for item in document["drivers"] if item["share_frac"] >= LEAST_SHARE_FRAC] or document["drivers"]
    key = document["driven"]
    mid = next(amount[key]["mid"] for amount in document["amounts"] if amount["key"] == key)
    traces = [_half(drivers, end, mid, key, colour) for end, colour in (("low", _LOW), ("high", _HIGH))]
    labels = [wrapped_text(item["label"], 26) for item in drivers]
    values = [item[end] for item in drivers for end in ("low", "high")] + [mid]
    ticks = [min(values), mid, max(values)]
    names = [shown(key, {"low": value, "mid": value, "high": value}) for value in ticks]
    axis = {"tickvals": ticks, "ticktext": names, "gridcolor": _GRID, "zeroline": False, "fixedrange": True}
    axis["tickangle"] = 0
    layout = chart_layout(
        height=_WRAPPED_PX * len(drivers) + 90, xaxis=axis, yaxis=name_axis(labels), barmode="overlay"
    )
    return {"data": traces, "layout": layout}


def _half(drivers: Sequence[Record], end: str, mid: float, key: str, colour: str) -> Chart:
    quantile = {"low": "5 %", "high": "95 %"}[end]
    return {
        "type": "bar",
        "orientation": "h",
        "name": quantile,
        "base": [mid] * len(drivers),
        "x": [item[end] - mid for item in drivers],
        "y": list(range(len(drivers))),
        "marker": {"color": colour, "line": {"color": "#20262d", "width": 0.8}},
        "customdata": [
            f"{chart_text(item['label'], 60)} at its {quantile} quantile: "
            + shown(key, {"low": item[end], "mid": item[end], "high": item[end]})
            for item in drivers
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def band_chart(table: Record) -> Chart | None:
    """Return the first number of each row with its interval on a log axis; None where there is none to draw."""
    key = next(iter(table["labels"]), "")
    rows = [row for row in table["rows"] if isinstance(row.get(key), Mapping) and row[key]["mid"] > 0]
    if len(rows) < 2 or key.endswith("_frac"):
        return None
    quantities = [row[key] for row in rows]
    mids = [quantity["mid"] for quantity in quantities]
    if max(mids) < _LEAST_SPREAD * min(mids):
        return None
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "x": mids,
        "y": list(range(len(rows))),
        "text": [_BOUNDS.sub("", shown(key, quantity)) for quantity in quantities],  # rounded as the table beside it
        "textposition": "top center",
        "cliponaxis": False,
        "error_x": error_bars(quantities, _HIGH),
        "marker": {"size": 10, "color": _HIGH},
        "customdata": [f"{chart_text(row['name'], 60)}: {shown(key, row[key])}" for row in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    names = [wrapped_text(row["name"], 26) for row in rows]
    row_px = _WRAPPED_PX if any("<br>" in name for name in names) else _ROW_PX
    layout = chart_layout(height=row_px * len(rows) + 110, xaxis=_log_axis(quantities, key), yaxis=name_axis(names))
    return {"data": [trace], "layout": layout}


def _log_axis(quantities: Sequence[Record], key: str) -> Chart:
    unit = WATT_HOUR_J if unit_of_key(key) == "J" else 1.0  # whole decades of what is shown
    low = math.floor(math.log10(min(quantity["low"] or quantity["mid"] for quantity in quantities) / unit))
    high = math.ceil(math.log10(max(quantity["high"] for quantity in quantities) / unit))
    decades = range(low, high + 1)
    step = max(1, len(decades) // 5)
    values = [unit * 10.0**decade for decade in decades]
    shift = math.log10(unit)
    return {
        "type": "log",
        "range": [low + shift - 0.2, high + shift + 0.2],
        "tickvals": values,
        "ticktext": [
            shown(key, {"low": v, "mid": v, "high": v}) if index % step == 0 else "" for index, v in enumerate(values)
        ],
        "gridcolor": _GRID,
        "zeroline": False,
        "fixedrange": True,
        "tickangle": 0,
    }
