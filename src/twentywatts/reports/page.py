"""One self-contained page: no network, readable without JavaScript and without colour, pleasant on a phone."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from twentywatts.comparison.text import accuracy_text, is_share, metric_text
from twentywatts.errors import MissingExtraError, clean
from twentywatts.figures import load_sources
from twentywatts.reports import always_on_views, charts, legends, sections
from twentywatts.reports.at_scale import at_scale_section
from twentywatts.reports.html import Markup, join, section, tag
from twentywatts.reports.words import command_text, headline

__all__ = ["citation", "command", "comparison_page", "figure", "footer", "section", "whole_page"]

Record = Mapping[str, Any]


def comparison_page(document: Record) -> str:
    """Return the page of a comparison document as one HTML text; raises MissingExtraError without plotly.

    Every name that came with a model is escaped, and a content security policy lets only the page's own two scripts
    run and nothing be loaded.
    """
    title = clean(document["model"]["name"])
    return whole_page(f"{title}: joules per inference", _body(document, title))


def whole_page(title: str, body: Markup) -> str:
    """Return a page with the house's style, charts and security policy; raises MissingExtraError without plotly."""
    library, script = _plotly(), _asset("page.js")
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy(library, script)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", Markup(_asset("style.css"))),
        tag("noscript", tag("style", Markup(".chart { display: none; }"))),
    )
    scripts = join(tag("script", Markup(text)) for text in (library, script))
    return f"<!doctype html>\n{tag('html', head, tag('body', body, scripts), lang='en')}\n"


def _policy(*scripts: str) -> str:
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    rules = ("default-src 'none'", f"script-src {allowed}", "style-src 'unsafe-inline'", "img-src data: blob:")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def _asset(name: str) -> str:
    return (files("twentywatts") / "reports" / name).read_text(encoding="utf-8")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingExtraError("plotly", "lab") from None
    return str(get_plotlyjs()).replace("\r\n", "\n").replace("\r", "\n")  # as a browser reads it, else the hash differs


def _body(document: Record, title: str) -> Markup:
    first, *others = headline(document)
    header = tag(
        "header",
        tag("p", "twentywatts", class_="brand"),
        tag("h1", f"What one inference of {title} costs"),
        tag("p", first, class_="lead no" if document["chance"] else "lead"),
        *(tag("p", sentence, class_="more") for sentence in others),
        sections.tiles(document),
    )
    return join([header, tag("main", *_sections(document)), footer()])


def _sections(document: Record) -> list[Markup]:
    metric = metric_text(document["data"]["metric"])
    parts = [
        section("Energy, machine by machine", _energy_figure(document)),
        section(f"Energy against {metric}", _accuracy_figure(document)),
        section("All machines", sections.results(document)),
        section("Where the energy goes", _cause_figure(document), sections.machine_details(document)),
    ]
    if document["always_on"]:
        parts.append(section("Always on", _power_figure(document), always_on_views.always_on_table(document)))
    parts += at_scale_section(document)
    if document["baselines"]:
        parts.append(section("Would something simpler do?", sections.baselines(document)))
    if document["refused"]:
        parts.append(section("Refused", sections.refusals(document)))
    parts += sections.coverage(document)
    parts.append(section("Settings", sections.settings(document), command(document)))
    parts.append(section("Sources", sections.sources(document)))
    return [*parts, section("How to cite", citation(document))]


def _energy_figure(document: Record) -> Markup:
    return figure(
        "energy",
        charts.energy_chart(document),
        legend=legends.family_legend(document),
        caption="Energy per inference with 90 % intervals, on a scale where each step is ten times the last. The "
        "symbol tells the family; it is filled where the accuracy is shown to be kept (✓), open where it is not (✗) or "
        "where the samples are too few to tell (?).",
    )


def _power_figure(document: Record) -> Markup:
    return figure(
        "power",
        always_on_views.always_on_chart(document),
        legend=legends.family_legend({**document, "baselines": []}, with_accuracy=True),
        caption="Average power over the inferences per second, each machine at the form and setting chosen at the "
        "asked rate, as many chips as the rate takes; dotted what is no whole chip or loses accuracy. A dashed "
        "upright line marks where event-driven stops or begins to draw least.",
    )


def _accuracy_figure(document: Record) -> Markup:
    metric = document["data"]["metric"]
    name = metric_text(metric)
    best = " The upper left is best: much of it for little energy." if is_share(metric) else ""
    _, far = charts.comparable(document)
    below = ", ".join(f"{clean(row['machine'])} ({accuracy_text(row['accuracy'], metric)})" for row in far)
    best += f" Far below, and not drawn: {below}." if far else ""
    return figure(
        "accuracy",
        charts.accuracy_chart(document),
        legend=legends.family_legend(document, with_accuracy=True),
        caption=f"{sections.heading(name)} on the reported samples against energy per inference (90 % intervals)."
        f"{best}",
    )


def _cause_figure(document: Record) -> Markup:
    return figure(
        "causes",
        charts.cause_chart(document),
        legend=legends.cause_legend(document),
        caption="Share of the energy by cause; the total stands at the end of each bar. Open a machine below for the "
        "numbers, layer by layer.",
    )


def figure(name: str, chart: Record, *, legend: Markup, caption: str) -> Markup:
    """Return a chart's place, its data and its caption; the data cannot end the script element that holds them."""
    data = json.dumps(chart, ensure_ascii=True, allow_nan=False)
    for letter in "<>&":
        data = data.replace(letter, f"\\u{ord(letter):04x}")
    height = f"min-height:{chart['layout']['height']}px"
    place = tag("div", id=f"chart-{name}", class_="chart", role="img", aria_label=caption, style=height)
    values = tag("script", Markup(data), type="application/json", id=f"chart-{name}-data")
    hint = tag("noscript", tag("p", "The chart needs JavaScript; the tables below hold every number."))
    return tag("figure", legend, place, hint, tag("figcaption", caption), values)


def command(document: Record) -> Markup:
    """Return the command that made the document, or nothing."""
    command = command_text(document)
    if not command:
        return Markup("")
    return join([tag("h3", "The command"), tag("pre", tag("code", command), tabindex=0)])


def citation(document: Record) -> Markup:
    """Return how to cite the document."""
    own = load_sources()["twentywatts"]
    version = clean(document["run"].get("twentywatts", ""))
    text = f"{own.authors} ({own.year}). twentywatts{' ' + version if version else ''}. {own.url}"
    advice = ("Cite the sources above with it: ", " gives all of them as BibTeX.")
    return join([tag("p", text), tag("p", advice[0], tag("code", "twentywatts cite FILE.json"), advice[1])])


def footer() -> Markup:
    """Return the foot of every page."""
    text = "Modelled joules carry an interval and a source; where nothing is published, the machine is refused."
    return tag("footer", tag("p", text))
