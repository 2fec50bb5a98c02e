"""HTML in small pieces: every text is escaped unless it is Markup already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["Markup", "bullets", "join", "link", "section", "table", "tag"]


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def _html(child: object) -> str:
    return child if isinstance(child, Markup) else escape(str(child))


def join(children: Iterable[object]) -> Markup:
    """Return the pieces one after the other, texts escaped."""
    return Markup("".join(_html(child) for child in children))


def tag(name: str, *children: object, **attributes: str | int | bool | None) -> Markup:
    """Return an element; ``class_`` is class, ``_`` in a name is ``-``, None and False leave an attribute out."""
    parts = [name]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{escape(str(value))}"')
    return Markup(f"<{' '.join(parts)}>{join(children)}</{name}>")


def link(text: object, address: str) -> Markup:
    """Return a link where the address is http, https or a place on this page; else the text alone."""
    if address.startswith(("https://", "http://", "#")):
        return tag("a", text, href=address, rel=None if address.startswith("#") else "noreferrer")
    return join([text])


def bullets(items: Iterable[object], *, class_: str | None = None) -> Markup:
    """Return an unordered list, or nothing where there are no items."""
    found = [tag("li", item) for item in items]
    return tag("ul", *found, class_=class_) if found else Markup("")


def table(caption: object, headers: Sequence[str], rows: Iterable[Sequence[object]], *, class_: str = "") -> Markup:
    """Return a table whose first column heads its rows.

    On a narrow screen each row becomes a card (style.css): the header stands in ``data-label``, and the roles keep
    the meaning of a table that ``display: block`` would take away.
    """
    head = tag("tr", *(tag("th", header, scope="col", role="columnheader") for header in headers), role="row")
    body = [tag("tr", *_cells(headers, row), role="row") for row in rows]
    content = (tag("thead", head, role="rowgroup"), tag("tbody", *body, role="rowgroup"))
    above = tag("caption", caption) if caption else Markup("")
    return tag("table", above, *content, role="table", class_=class_ or None)


def _cells(headers: Sequence[str], row: Sequence[object]) -> Iterable[Markup]:
    first, *rest = row
    yield tag("th", first, scope="row", role="rowheader")
    for header, cell in zip(headers[1:], rest, strict=True):
        yield tag("td", cell, data_label=header, role="cell")


def section(heading: str, *content: object) -> Markup:
    """Return a section with its heading."""
    return tag("section", tag("h2", heading), *content)
