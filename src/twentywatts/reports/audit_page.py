"""An audit as one self-contained page: the text with notes in its margin, beneath it on a phone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from twentywatts.claims.sentences import cut
from twentywatts.errors import clean
from twentywatts.reports import sections
from twentywatts.reports.audit import MARKS, summary
from twentywatts.reports.html import Markup, join, tag
from twentywatts.reports.page import citation, command, footer, section

__all__ = ["audit_page"]

Record = Mapping[str, Any]
_LONGEST = 400_000  # characters of text on a page; what follows is told by its findings alone


def audit_page(document: Record, text: str) -> str:
    """Return the page of an audit document with the text that it judges, every word of it escaped; no script runs."""
    title = f"Audit of {clean(document['text'])}"
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
        ),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", Markup(_style("style.css") + _style("audit.css"))),
    )
    brand = tag("p", "twentywatts", class_="brand")
    header = tag("header", brand, tag("h1", title), tag("p", summary(document), class_="lead"))
    body = join([header, tag("main", *_sections(document, text)), footer()])
    return f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def _style(name: str) -> str:
    return (files("twentywatts") / "reports" / name).read_text(encoding="utf-8")


def _sections(document: Record, text: str) -> list[Markup]:
    return [
        section("The text, with notes", *_lines(document, text)),
        *sections.coverage(document),
        section("How it was made", command(document)),
        section("Sources", sections.sources(document)),
        section("How to cite", citation(document)),
    ]


def _lines(document: Record, text: str) -> list[Markup]:
    found = {sentence["index"]: sentence for sentence in document["sentences"]}
    lines: list[Markup] = []
    plain: list[str] = []
    for index, raw in enumerate(cut(text[:_LONGEST])):
        if index not in found:
            plain.append(clean(raw))
            continue
        lines += _plain(plain)
        plain = []
        lines.append(_found(found.pop(index)))
    lines += _plain(plain)
    lines += [_found(sentence) for sentence in found.values()]
    if len(text) > _LONGEST:
        lines.append(tag("p", "The text goes on; beyond this only sentences with findings are shown.", class_="more"))
    return lines


def _plain(sentences: list[str]) -> list[Markup]:
    return [tag("div", tag("p", "\n".join(sentences)), class_="line plain")] if sentences else []


def _found(sentence: Record) -> Markup:
    notes = tag("div", *(_note(finding) for finding in sentence["findings"]))
    return tag("div", tag("p", _marked(sentence), lang=sentence["language"]), notes, class_="line found")


def _marked(sentence: Record) -> Markup:
    """Return the sentence with every quote marked, the first place of each; overlapping quotes are marked once."""
    text, end = sentence["text"], 0
    parts: list[object] = []
    places = _places(sentence)
    for start, finding in places:
        if start < end:
            continue
        parts += [clean(text[end:start]), tag("mark", clean(finding["quote"]), class_=MARKS[finding["verdict"]][1])]
        end = start + len(finding["quote"])
    return join([*parts, clean(text[end:])])


def _places(sentence: Record) -> list[tuple[int, Record]]:
    found = [(sentence["text"].find(item["quote"]), item) for item in sentence["findings"] if item["quote"]]
    return sorted((item for item in found if item[0] >= 0), key=lambda item: (item[0], -len(item[1]["quote"])))


def _note(finding: Record) -> Markup:
    name, colour = MARKS[finding["verdict"]]
    parts = [tag("p", tag("strong", name, class_=colour), f" «{clean(finding['quote'])}», rule {finding['rule']}")]
    parts.append(tag("p", clean(finding["message"])))
    if finding["corrected"]:
        parts.append(tag("p", "→ ", tag("em", clean(finding["corrected"]))))
    if finding["arithmetic"]:
        parts.append(tag("p", clean(finding["arithmetic"]), class_="sums"))
    if finding["sources"]:
        parts.append(tag("p", ", ".join(finding["sources"]), class_="sums"))
    return tag("div", *parts, class_=f"note {colour if colour != 'sub' else ''}".strip())
