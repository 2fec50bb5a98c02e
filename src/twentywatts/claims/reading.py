"""Texts as they come: plain, or a saved web page whose scripts, styles and navigation are dropped."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from twentywatts.errors import InputError, clean

__all__ = ["MAX_BYTES", "html_text", "looks_like_html", "read_text_file", "text_of_bytes"]

MAX_BYTES = 20_000_000
_DROPPED = {"script", "style", "nav", "noscript", "template", "svg", "select", "iframe", "footer"}
_BLOCKS = {
    "p",
    "div",
    "li",
    "br",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "tr",
    "td",
    "th",
    "section",
    "article",
    "blockquote",
}
_BLOCKS |= {"title", "figcaption", "header", "main", "aside", "ul", "ol", "table", "dd", "dt", "hr", "pre", "body"}


class _Text(HTMLParser):
    """Gathers what a reader sees; an element that is never closed drops nothing beyond its parent's end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._dropped: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _DROPPED:
            self._dropped.append(tag)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._dropped:
            while self._dropped.pop() != tag:
                continue
        elif tag in _BLOCKS:
            self.parts.append("\n")
        if tag in ("body", "html", "main", "article"):
            self._dropped.clear()

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self.parts.append(data)


def html_text(page: str) -> str:
    """Return the text of a web page, a block a line."""
    reader = _Text()
    try:
        reader.feed(page)
        reader.close()
    except (AssertionError, ValueError):  # a page may be cut anywhere: what was read until there counts
        reader.parts.append("\n")
    lines = (" ".join(line.split()) for line in "".join(reader.parts).splitlines())
    return "\n".join(line for line in lines if line)


def looks_like_html(text: str) -> bool:
    """Return whether a text is a web page, as far as its beginning tells."""
    start = text[:2000].lstrip("\ufeff \t\r\n").lower()
    return start.startswith(("<!doctype html", "<html", "<head", "<body")) or "<body" in start or "<meta " in start


def text_of_bytes(data: bytes, *, name: str) -> str:
    """Return the text of a file's bytes: UTF-8, UTF-16 with its mark, or GB 18030; raises InputError."""
    if len(data) > MAX_BYTES:
        raise InputError(f"'{clean(name)}' has {len(data):,} bytes, at most {MAX_BYTES:,} are read: give a part of it")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _page_or_text(data.decode("utf-16", errors="replace"))
    try:
        return _page_or_text(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        pass
    if b"\0" in data[:4096]:
        raise InputError(f"'{clean(name)}' is no text: save the article as a text file or a web page (.html)")
    try:
        return _page_or_text(data.decode("gb18030"))
    except UnicodeDecodeError:
        return _page_or_text(data.decode("cp1252", errors="replace"))


def _page_or_text(text: str) -> str:
    return html_text(text) if looks_like_html(text) else text


def read_text_file(path: str | Path) -> str:
    """Return the text of a file, plain or a web page; raises InputError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read '{clean(path)}': {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"cannot read '{clean(path)}': {error}") from error
    return text_of_bytes(data, name=str(path))
