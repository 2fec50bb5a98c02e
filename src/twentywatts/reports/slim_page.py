"""A slimmed model as one self-contained page: the front, what each step did, other machines, advice, the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.comparison.text import accuracy_text, metric_text
from twentywatts.errors import clean
from twentywatts.reports import sections
from twentywatts.reports.html import Markup, bullets, join, table, tag
from twentywatts.reports.page import citation, command, footer, section, whole_page
from twentywatts.reports.slim_fronts import front_figure, state_of, target_parts
from twentywatts.reports.slim_headline import headline
from twentywatts.reports.slim_words import (
    advice_of,
    advice_saving,
    candidate_of,
    cost_facts,
    drop_words,
    effect_texts,
    guard_text,
    less,
    names_of,
    notes_of,
    order_sentence,
    ranking_of,
    time_text,
    times,
    untried_of,
    use_text,
    worst_text,
)
from twentywatts.reports.words import interval_text, quantity_text
from twentywatts.units import format_si

__all__ = ["slim_page"]

Record = Mapping[str, Any]


def slim_page(document: Record) -> str:
    """Return the page of a slimming document as one HTML text; raises MissingExtraError without plotly.

    Every name that came with a model is escaped, as on every page.
    """
    title = clean(document["model"]["name"])
    first, *others = headline(document)
    header = tag(
        "header",
        tag("p", "twentywatts", class_="brand"),
        tag("h1", f"{title}, slimmed"),
        tag("p", first, class_="lead no" if document["chance"] else "lead"),
        *(tag("p", sentence, class_="more") for sentence in others),
        _tiles(document),
    )
    return whole_page(f"{title}, slimmed", join([header, tag("main", *_sections(document)), footer()]))


def _tiles(document: Record) -> Markup:
    best, given = candidate_of(document, document["best"]), document["candidates"][0]
    metric, measured = document["data"]["metric"], document["run"].get("measured")
    found = []
    if measured is not None:
        time = quantity_text(measured["best" if best["steps"] else "given"]["cpu_time_s"], "s")  # as in the table
        saving = less(measured["best"]["saving"]) if best["steps"] else "as given"
        found.append(_tile("Processor time", time, f"{saving}, measured anew"))
    guard = best["guard"]
    kept = "not one candidate is proved" if guard is None else f"{guard['sample_count']:,} guard samples"
    score = best["search"]["score"] if guard is None else guard["score"]
    found.append(_tile(sections.heading(metric_text(metric)), accuracy_text(score, metric), kept))
    saved = f"instead of {format_si(given['file_bytes'], 'B')}" if best["steps"] else "as given"
    found.append(_tile("File", format_si(best["file_bytes"], "B"), saved))
    if advice := advice_of(document):
        found.append(
            _tile("Without compression", less(advice[0]["saving"]).partition(" (")[0], clean(advice[0]["title"]))
        )
    return tag("div", *found, class_="tiles")


def _tile(heading: str, value: str, detail: str) -> Markup:
    parts = (("tile-head", heading), ("tile-value", value), ("tile-detail", detail))
    return tag("div", *(tag("p", text, class_=name) for name, text in parts), class_="tile")


def _sections(document: Record) -> list[Markup]:
    names = names_of(document)
    parts = [section("What was tried here", *_front(document, names), _candidates(document, names))]
    if effects := effect_texts(document):
        intro = tag("p", "On the way to what ships, measured in turns with the candidate before.", class_="legend")
        parts.append(section("What each step did", bullets(effects), intro))
    if document.get("targets"):
        parts.append(section("On other machines", *target_parts(document, names)))
    if document.get("orders"):
        intro = tag("p", "Sure ones first: what both candidates share on a machine cancels.", class_="legend")
        told = bullets(order_sentence(order, names) for order in document["orders"])
        parts.append(section("Where the order differs", told, intro))
    if advice_of(document):
        parts.append(section("What else would save, without compression", _advice(document)))
    if facts := cost_facts(document):
        parts.append(section("What the search cost", _facts(facts)))
    if document["refused"]:
        rows = untried_of(document)
        parts.append(
            section(
                "What could not be tried", table("Each with its reason", ["What", "Why"], rows, class_="cards single")
            )
        )
    if notes := notes_of(document):
        parts.append(section("What to know", bullets(map(_coded, notes), class_="notes")))
    parts.append(section("How it was made", tag("p", sections.heading(use_text(document))), command(document)))
    parts.append(section("Sources", sections.sources(document)))
    return [*parts, section("How to cite", citation(document))]


def _facts(facts: Mapping[str, str]) -> Markup:
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", _coded(text))) for name, text in facts.items()))


def _coded(text: str) -> Markup:
    """Return a text whose parts between backticks are code."""
    return join(tag("code", part) if place % 2 else part for place, part in enumerate(text.split("`")))


def _front(document: Record, names: Mapping[str, str]) -> list[Markup]:
    """Return the chart of this processor, where anything was timed."""
    ranking = ranking_of(document)
    points = []
    for one in document["candidates"]:
        if found := ranking.get(one["digest"]):
            share = 1.0 / found["saving"]
            point = {
                "name": names[one["digest"]],
                "share": {"low": share, "mid": share, "high": share},
                "score": one["search"]["score"],
                "state": state_of(one["guard"], is_given=not one["steps"]),
                "on_front": one["on_front"],
            }
            points.append(point)
    what = "Processor time per inference, as a share of what the model as given takes, as the search measured it"
    return [front_figure("here", points, document, what)] if len(points) > 1 else []


def _candidates(document: Record, names: Mapping[str, str]) -> Markup:
    metric, ranking = document["data"]["metric"], ranking_of(document)
    headers = [
        "Candidate",
        "Search samples",
        "Guard samples",
        "Processor time",
        "Against the step before",
        "Energy here, predicted",
        "Size",
    ]
    rows = [
        (
            _name(one, document, names),
            drop_words(one["search"], metric),
            join(
                [guard_text(one["guard"], metric), _sub(worst_text(one["guard"])) if worst_text(one["guard"]) else ""]
            ),
            _time(one, ranking),
            _before(one, document, ranking),
            interval_text(one["predicted"]["energy_j"], "J") if one["predicted"] else "–",
            join([format_si(one["file_bytes"], "B"), _sub(f"{format_si(one['mac_count'], 'MAC')}")]),
        )
        for one in document["candidates"]
    ]
    caption = (
        "Everything that was tried, in its order. Processor time is that of the model as given, measured anew, over "
        "the ratio below it; what ships was measured anew too, the others while the search went on (≈: but quickly), "
        "to rank them. Brackets hold 90 % intervals."
    )
    return table(caption, headers, rows, class_="cards")


def _sub(text: str) -> Markup:
    return tag("span", text, class_="sub")


def _name(one: Record, document: Record, names: Mapping[str, str]) -> Markup:
    ships = tag("span", "ships" if one["steps"] else "stays", class_="sub yes")
    marks = [ships] if one["digest"] == document["best"] else []
    if one["no_effect"]:
        marks.append(tag("span", clean(one["no_effect"]), class_="sub unsure"))
    return join([names[one["digest"]], *marks])


def _time(one: Record, ranking: Mapping[str, Record]) -> object:
    found = ranking.get(one["digest"])
    if found is None:
        return "–"
    return join([time_text(found), _sub(times(found["saving"])) if one["steps"] else ""])


def _before(one: Record, document: Record, ranking: Mapping[str, Record]) -> str:
    """Return what the last step did: time and score against the candidate that it began with, where that was tried."""
    before = next((other for other in document["candidates"] if other["digest"] == one["parent"]), None)
    if before is None or one["digest"] not in ranking or before["digest"] not in ranking:
        return "–"
    metric = document["data"]["metric"]
    saving = ranking[one["digest"]]["saving"] / ranking[before["digest"]]["saving"]
    change = drop_words({**one["search"], "drop": one["search"]["drop"] - before["search"]["drop"]}, metric)
    inside = change.partition("(")[2].rstrip(")").replace("as given", "no change")
    return f"{times(saving)}, {inside}"


def _advice(document: Record) -> Markup:
    headers = ["Advice", "Saves", "Joules an inference", "Held against"]
    rows = [
        (
            join([sections.heading(clean(one["title"])), _sub(clean(one["text"]))]),
            join([f"{advice_saving(one)}", _sub(clean(one["machine"]))]),
            interval_text(one["saved_j"], "J"),
            clean(one["against"]),
        )
        for one in advice_of(document)
    ]
    caption = (
        "By joules saved, as predicted for the machine; where processor time was measured, joules are taken to follow "
        "it. Advice is not added up: each piece stands alone."
    )
    return table(caption, headers, rows, class_="cards")
