"""How to serve a language model as one self-contained page: joules a token by batch, settings, what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.errors import clean
from twentywatts.reports import sections
from twentywatts.reports.html import Markup, bullets, join, table, tag
from twentywatts.reports.page import citation, command, figure, footer, section, whole_page
from twentywatts.reports.plan_charts import band_chart
from twentywatts.reports.slim_charts import fine_axis
from twentywatts.reports.slim_language import (
    chips_of,
    facts_text,
    known_by,
    known_notes,
    language_headline,
    legend_text,
    pair_sentences,
    recipe_sentences,
    setting_words,
    table_by_batch,
)
from twentywatts.reports.words import interval_text, quantity_text
from twentywatts.units import format_si

__all__ = ["language_page"]

Record = Mapping[str, Any]
_MOST_DRAWN = 16


def language_page(document: Record) -> str:
    """Return the page of a served language model as one HTML text; raises MissingExtraError without plotly."""
    title = clean(document["model"]["title"])
    first, *others = language_headline(document)
    header = tag(
        "header",
        tag("p", "twentywatts", class_="brand"),
        tag("h1", f"Serving {title}"),
        tag("p", first, class_="lead"),
        *(tag("p", sentence, class_="more") for sentence in others),
        tag("p", facts_text(document), class_="more"),
    )
    return whole_page(f"Serving {title}: joules a token", join([header, tag("main", *_sections(document)), footer()]))


def _sections(document: Record) -> list[Markup]:
    parts = [section(f"On {clean(chip)}", _by_batch(document, chip)) for chip in chips_of(document)]
    parts.append(section("Every setting", *_chart(document), _options(document)))
    parts.append(section("Does FP8 save energy?", bullets(pair_sentences(document)), _pairs_caption(document)))
    recipes = [*recipe_sentences(document), *([document["serve"]] if document["serve"] else [])]
    parts.append(section("Recipes, and how it would be served", bullets(recipes)))
    if document["refused"]:
        refused = [(clean(one["machine"]), clean(one["reason"])) for one in document["refused"]]
        parts.append(section("Refused", table("Each with its reason", ["Machine", "Why"], refused, class_="cards")))
    parts.append(section("What to know", bullets(known_notes(document), class_="notes")))
    if found := command(document):
        parts.append(section("How it was made", found))
    parts.append(section("Sources", sections.sources(document)))
    return [*parts, section("How to cite", citation(document))]


def _by_batch(document: Record, chip: str) -> Markup:
    headers, rows = table_by_batch(document, chip)
    cells = [(first, *(text.replace("\n", ", ") for text in rest)) for first, *rest in rows]
    return table(legend_text(document), headers, cells, class_="cards")


def _chart(document: Record) -> list[Markup]:
    """Return joules a token of the cheapest settings with their intervals, where there are several."""
    borne = [option for option in document["options"] if option["borne"]][:_MOST_DRAWN]
    rows = [{"name": _short(option), "token_energy_j": option["energy_j_per_token"]} for option in borne]
    chart = band_chart({"labels": {"token_energy_j": "Energy"}, "rows": rows})
    if chart is None:
        return []
    chart["layout"]["xaxis"] = fine_axis([row["token_energy_j"] for row in rows], lambda value: format_si(value, "J"))
    marker = chart["data"][0]["marker"]
    marker["symbol"] = ["circle" if known_by(option).startswith("runs") else "circle-open" for option in borne]
    marker["line"] = {"color": marker["color"], "width": 2}
    caption = (
        f"Joules per output token of the {len(borne)} cheapest settings, with 90 % intervals. Open: guessed or "
        "extrapolated."
    )
    return [figure("options", chart, legend=Markup(""), caption=caption)]


def _short(option: Record) -> str:
    cache = "" if option["cache"] == "full" else f"/{option['cache']}"
    return clean(f"{option['weights']}{cache} {option['machine']}, batch {option['batch']:,}")


def _options(document: Record) -> Markup:
    headers = ["Setting", "Joules a token", "Between tokens", "Against the published weights", "Known by"]
    rows = [
        (
            setting_words(option) + ("" if option["borne"] else " (too slow)"),
            interval_text(option["energy_j_per_token"], "J"),
            quantity_text(option["step_s"], "s"),
            _ratio(option["against_published"]),
            known_by(option),
        )
        for option in document["options"]
    ]
    caption = "The least energy first. Brackets hold 90 % intervals."
    shown, rest = rows[:_MOST_DRAWN], rows[_MOST_DRAWN:]
    first = table(caption, headers, shown, class_="cards")
    if not rest:
        return first
    others = tag("details", tag("summary", f"{len(rest)} more"), table(caption, headers, rest, class_="cards"))
    return join([first, others])


def _ratio(ratio: Record | None) -> str:
    return "–" if ratio is None else interval_text({key: 100 * value for key, value in ratio.items()}, "%")


def _pairs_caption(document: Record) -> Markup:
    pairs = document["pairs"]
    text = f"Whether FP8 saves was foreseen rightly in {pairs['right_count']} of {pairs['pair_count']} pairs, held out."
    return tag("p", text, class_="legend")
