"""The front of a slimmed model as a chart: what a candidate takes of what the model as given takes, and its metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twentywatts.comparison.text import accuracy_text, metric_text
from twentywatts.reports.charts import chart_layout, chart_text, error_bars, log_axis, metric_axis
from twentywatts.reports.html import Markup, tag
from twentywatts.reports.slim_words import drawn_name

__all__ = ["fine_axis", "front_chart", "front_legend", "near"]

Record = Mapping[str, Any]
Chart = dict[str, Any]

# state: colour, symbol, plotly's name of it open, words; told apart by shape alone too
_STATES = {
    "given": ("#555b66", "star", "the model as given"),
    "accepted": ("#1f4e8c", "circle", "proved to keep it"),
    "unproved": ("#b3440b", "diamond-open", "asked, and not proved"),
    "open": ("#8a929c", "x-thin-open", "not asked"),
}
_DRAWINGS = {
    "given": '<path fill="#555b66" d="M9 0l1.8 4.8l5 .2l-3.9 3.2l1.4 4.9l-4.3-2.8l-4.3 2.8l1.4-4.9l-3.9-3.2l5-.2z"/>',
    "accepted": '<path fill="#1f4e8c" d="M9 2a5 5 0 1 0 .01 0z"/>',
    "unproved": '<path fill="none" stroke="#b3440b" stroke-width="2" d="M9 1l6 6l-6 6l-6-6z"/>',
    "open": '<path fill="none" stroke="#8a929c" stroke-width="2" d="M4 2l10 10M14 2l-10 10"/>',
}
_STEPS = (1, 1.5, 2, 3, 5, 7)
_MOST_TICKS = 9


def front_chart(points: Sequence[Record], metric: str, *, drops: float) -> Chart:
    """Return share of what the model as given takes (log axis) against the metric on the search samples.

    points: ``name``, ``share`` (low, mid, high), ``score``, ``state`` (given, accepted, unproved, open) and
    ``on_front`` of each. drops: the largest loss allowed: its line is drawn. ``labels`` are placed by page.js.
    """
    close = near(points, drops)
    traces = [_front([point for point in close if point["on_front"]])]
    traces += [_trace(state, close, metric) for state in _STATES if any(point["state"] == state for point in close)]
    xaxis = fine_axis([point["share"] for point in close], lambda share: f"{100 * share:.3g} %")
    layout = chart_layout(height=360, xaxis=xaxis, yaxis=metric_axis([point["score"] for point in close], metric))
    given = next((point["score"] for point in close if point["state"] == "given"), None)
    if given is not None:
        layout["shapes"] = [_limit(given, drops, metric)]
    labels = [_label(point) for point in close if point["on_front"] or point["state"] != "open"]
    return {"data": traces, "layout": layout, "labels": labels}


def near(points: Sequence[Record], drops: float) -> list[Record]:
    """Return the points that are drawn: those far from what the model as given reaches would flatten the front."""
    given = [point["score"] for point in points if point["state"] == "given"]
    if not given:
        return list(points)
    far = max(4 * drops, 0.02 * abs(given[0]))
    return [point for point in points if abs(point["score"] - given[0]) <= far or point["state"] != "open"]


def _front(points: Sequence[Record]) -> Chart:
    ordered = sorted(points, key=lambda point: point["share"]["mid"])
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [point["share"]["mid"] for point in ordered],
        "y": [point["score"] for point in ordered],
        "line": {"color": "#c3cad2", "width": 2, "shape": "hv"},
        "hoverinfo": "skip",
    }


def _trace(state: str, points: Sequence[Record], metric: str) -> Chart:
    colour, symbol, words = _STATES[state]
    found = [point for point in points if point["state"] == state]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": words,
        "x": [point["share"]["mid"] for point in found],
        "y": [point["score"] for point in found],
        "error_x": {**error_bars([point["share"] for point in found], colour), "thickness": 1},
        "marker": {"symbol": symbol, "size": 11, "color": colour, "line": {"color": colour, "width": 2}},
        "customdata": [_hover(point, metric) for point in found],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _hover(point: Record, metric: str) -> str:
    score = f"{metric_text(metric)} {accuracy_text(point['score'], metric)} on the search samples"
    return "<br>".join(
        (chart_text(point["name"], 80), score, f"{100 * point['share']['mid']:.3g} % of the model as given")
    )


def _limit(given: float, drops: float, metric: str) -> Chart:
    """Return the line below which more is lost than allowed; an error is lost upwards."""
    level = given + drops if metric == "mean-error" else given - drops
    line = {"color": "#a3261b", "width": 1, "dash": "dot"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line, "layer": "below"}


def _label(point: Record) -> Chart:
    ends = {name: math.log10(point["share"][name] or point["share"]["mid"]) for name in ("low", "mid", "high")}
    text = chart_text(drawn_name(point["name"]), 26)
    return {"x": ends["mid"], "low": ends["low"], "high": ends["high"], "y": point["score"], "text": text}


def fine_axis(quantities: Sequence[Record], words: Callable[[float], str]) -> Chart:
    """Return a log axis with ticks at 1, 1.5, 2, 3, 5 and 7 of each power of ten; ``words`` writes one."""
    axis = log_axis(quantities)
    low = math.log10(min(quantity["low"] or quantity["mid"] for quantity in quantities))
    high = math.log10(max(quantity["high"] for quantity in quantities))
    room = 0.08 * max(high - low, 0.3)
    ticks = [10.0**power * step for power in range(math.floor(low) - 1, math.ceil(high) + 1) for step in _STEPS]
    ticks = [tick for tick in ticks if low - room <= math.log10(tick) <= high + 3 * room]
    while len(ticks) > _MOST_TICKS:
        ticks = ticks[::2]
    return {
        **axis,
        "range": [low - room, high + 3 * room],
        "tickvals": ticks,
        "ticktext": [words(tick) for tick in ticks],
    }


def front_legend(points: Sequence[Record]) -> Markup:
    """Return what the symbols mean, of those that occur."""
    used = {point["state"] for point in points}
    items = [
        tag(
            "li",
            tag("svg", Markup(_DRAWINGS[state]), width=18, height=14, aria_hidden="true", focusable="false"),
            words,
        )
        for state, (_, _, words) in _STATES.items()
        if state in used
    ]
    return tag("ul", *items, class_="keys")
