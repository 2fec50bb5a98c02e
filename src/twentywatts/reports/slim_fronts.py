"""The fronts of a slimmed model as parts of its page: one chart and one table for each machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twentywatts.comparison.text import metric_text, setting_text
from twentywatts.errors import clean
from twentywatts.reports import sections
from twentywatts.reports.html import Markup, bullets, table, tag
from twentywatts.reports.page import figure
from twentywatts.reports.slim_charts import front_chart, front_legend, near
from twentywatts.reports.slim_words import drop_words, guard_text, share_text, target_sentence
from twentywatts.reports.words import evidence_text, interval_text

__all__ = ["front_figure", "state_of", "target_parts"]

Record = Mapping[str, Any]
_MOST_CHARTS = 6
_ALIKE = 1.02  # joules closer than this factor are alike


def state_of(guard: Record | None, *, is_given: bool) -> str:
    """Return how a candidate is drawn: given, accepted, unproved or open."""
    if is_given:
        return "given"
    return "open" if guard is None else "accepted" if guard["keeps"] is True else "unproved"


def front_figure(name: str, points: Sequence[Record], document: Record, what: str) -> Markup:
    """Return a front with its legend and caption; ``what`` says what the shares are of."""
    metric = document["data"]["metric"]
    caption = (
        f"{what}, against the {metric_text(metric)} on the search samples. The grey line is the front, the dotted one "
        "the largest loss allowed. What is proved is proved on guard samples that no search has seen."
    )
    far = len(points) - len(near(points, document["max_drop"]))
    caption += f" {far} far from it {'is' if far == 1 else 'are'} not drawn." if far else ""
    chart = front_chart(points, metric, drops=document["max_drop"])
    return figure(f"front-{name}", chart, legend=front_legend(points), caption=caption)


def target_parts(document: Record, names: Mapping[str, str]) -> list[Markup]:
    """Return one front per machine, with what each machine refuses."""
    metric = document["data"]["metric"]
    parts = [
        tag(
            "p",
            "The float candidates, each in the form and setting that a machine runs best. Joules are predicted from "
            "counts and published figures; against the model as given on the same machine what both share cancels.",
        )
    ]
    for number, target in enumerate(document["targets"]):
        parts.append(tag("h3", clean(target["title"])))
        parts.append(tag("p", sections.heading(target_sentence(target, metric)) + "."))
        shares = [point["against_given"]["mid"] for point in target["points"]]
        if len(shares) > 1 and max(shares) < _ALIKE * min(shares):
            parts.append(tag("p", "All candidates take the same here: there is no front to draw.", class_="legend"))
        elif len(shares) > 1 and number < _MOST_CHARTS:
            points = [_point(point, names) for point in target["points"]]
            what = (
                f"Joules per inference on {clean(target['title'])}, as a share of what the model as given takes there"
            )
            parts.append(front_figure(str(number), points, document, what))
        if target["points"]:
            parts.append(_points(target, metric, names))
        parts.append(
            bullets((f"{clean(one['name'])}: {clean(one['reason'])}" for one in _refused(target)), class_="notes")
        )
    return parts


def _refused(target: Record) -> list[Record]:
    return list(target["refused"]) if target["points"] else []


def _point(point: Record, names: Mapping[str, str]) -> Record:
    return {
        "name": names[point["digest"]],
        "share": point["against_given"],
        "score": point["search"]["score"],
        "state": state_of(point["guard"], is_given=point["name"] == "as given"),
        "on_front": point["on_front"],
    }


def _points(target: Record, metric: str, names: Mapping[str, str]) -> Markup:
    headers = ["Candidate", "Form", "Search samples", "Guard samples", "Energy", "Against as given", "Evidence"]
    rows = [
        (
            names[point["digest"]],
            clean(", ".join(text for text in (point["form"], setting_text(point["setting"])) if text)),
            drop_words(point["search"], metric),
            guard_text(point["guard"], metric),
            interval_text(point["energy_j"], "J"),
            share_text(point["against_given"]),
            evidence_text(point),
        )
        for point in target["points"]
    ]
    return table("The least energy first. Brackets hold 90 % intervals.", headers, rows, class_="cards")
