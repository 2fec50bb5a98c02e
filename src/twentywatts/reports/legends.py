"""Legends of the charts as HTML with small drawings: they wrap on a phone and stand without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.reports.charts import CAUSE_STYLES, FAMILY_STYLES
from twentywatts.reports.html import Markup, join, tag
from twentywatts.reports.words import cause_name

__all__ = ["cause_legend", "family_legend"]

Record = Mapping[str, Any]

_SYMBOLS = {
    "circle": "M9 2a5 5 0 1 0 .01 0z",
    "square": "M4 2h10v10h-10z",
    "diamond": "M9 1l6 6l-6 6l-6-6z",
    "star": "M9 0l1.8 4.8l5 .2l-3.9 3.2l1.4 4.9l-4.3-2.8l-4.3 2.8l1.4-4.9l-3.9-3.2l5-.2z",
    "x": "M5 1l4 4l4-4l2 2l-4 4l4 4l-2 2l-4-4l-4 4l-2-2l4-4l-4-4z",
}
_PATTERNS = {
    "": "",
    "/": "M0 14l14-14M-7 14l14-14M7 14l14-14",
    "\\": "M4 0l14 14M-3 0l14 14M11 0l14 14",
    "x": "M0 14l14-14M7 14l14-14M4 0l14 14M-3 0l14 14",
    "-": "M0 3h18M0 7h18M0 11h18",
    "|": "M3 0v14M9 0v14M15 0v14",
    "+": "M0 4h18M0 10h18M5 0v14M13 0v14",
    ".": "M3 4h2M9 4h2M15 4h2M6 10h2M12 10h2",
}


def family_legend(document: Record, *, with_accuracy: bool = False) -> Markup:
    """Return the families that a chart holds, each with its symbol; ``with_accuracy`` leaves out who has none."""
    used = {row["family"] for row in document["rows"] if row["accuracy"] is not None or not with_accuracy}
    used |= {"baseline"} if document["baselines"] else set()
    items = [
        (name, _drawing(Markup(f'<path fill="{colour}" d="{_SYMBOLS[symbol]}"/>')))
        for name, (colour, symbol) in FAMILY_STYLES.items()
        if name in used
    ]
    return _legend(items)


def cause_legend(document: Record) -> Markup:
    """Return the causes that the chart holds, each with its pattern."""
    used = {item["cause"] for row in document["rows"] for item in row["causes"]}
    items = []
    for name, (colour, pattern) in CAUSE_STYLES.items():
        box = f'<path fill="{colour}" stroke="#20262d" d="M.5 .5h17v13h-17z"/>'
        lines = f'<path fill="none" stroke="#1b1f24" d="{_PATTERNS[pattern]}"/>'
        items += [(cause_name(name), _drawing(Markup(box + lines)))] if name in used else []
    return _legend(items)


def _drawing(content: Markup) -> Markup:
    return tag("svg", content, width=18, height=14, aria_hidden="true", focusable="false")


def _legend(items: list[tuple[str, Markup]]) -> Markup:
    return tag("ul", *(tag("li", join([drawing, name])) for name, drawing in items), class_="keys")
