"""Citations: the sources of a document as BibTeX, and the careful reading of such a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError, clean
from twentywatts.reports.members import read_members
from twentywatts.reports.names import unaccented

__all__ = ["bibtex", "cite_key", "latex_text", "read_document"]

_MAX_BYTES = 200_000_000
_MAX_SOURCES_BYTES = 4_000_000  # all that are bundled take 60,000
_ENTRY_TYPES = {"paper": "article", "book": "book"}
_SPECIAL = {letter: f"\\{letter}" for letter in "&%$#_"}
_SPECIAL |= {"{": r"\textbraceleft{}", "}": r"\textbraceright{}"}  # BibTeX counts a brace behind a backslash as well
_SPECIAL |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_WANTED = "a JSON document of twentywatts, as `twentywatts compare … --json out.json` writes it"


def read_document(path: str | Path) -> dict[str, Any]:
    """Return ``schema`` and ``sources`` of a twentywatts JSON document; raises InputError that says what is wrong.

    A document has a line for every layer on every machine, so nothing else of it is built.
    """
    document = _parse(path)
    if not str(document.get("schema", "")).startswith("twentywatts."):
        raise InputError(f"'{path}' is not {_WANTED}")
    sources = document.get("sources")
    if not isinstance(sources, dict):
        raise InputError(f"'{path}' ({clean(document['schema'])}) names no sources; wanted is {_WANTED}")
    for key, source in sources.items():
        if not isinstance(source, dict) or not all(_is_plain(source.get(name)) for name in source):
            raise InputError(f"source '{clean(key)}' in '{path}' is not a table of texts; wanted is {_WANTED}")
    return document


def _parse(path: str | Path) -> dict[str, Any]:
    file = Path(path)
    try:
        if not file.is_file():
            raise InputError("not a file" if file.exists() else "no such file")
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise InputError(f"it has {size:,} bytes, more than any document of twentywatts ({_MAX_BYTES:,})")
        return read_members(file, ("schema", "sources"), max_bytes=_MAX_SOURCES_BYTES)
    except InputError as error:
        raise InputError(f"cannot read '{path}': {error}") from None
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is not valid JSON; wanted is {_WANTED}") from error


def _is_plain(value: object) -> bool:
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def bibtex(document: Mapping[str, Any]) -> str:
    """Return one BibTeX entry per source of a document, in UTF-8, sorted by key."""
    return "\n".join(_entry(key, source) for key, source in sorted(document["sources"].items()))


def _entry(key: str, source: Mapping[str, Any]) -> str:
    kind = _ENTRY_TYPES.get(str(source.get("kind")), "misc")
    venue = {"article": "journal", "book": "publisher"}.get(kind, "howpublished")
    fields = {
        "author": source.get("authors"),
        "title": source.get("title"),
        venue: source.get("venue"),
        "year": source.get("year"),
        "doi": source.get("doi"),
        "url": source.get("url"),
    }
    lines = [f"  {name} = {{{_escape(name, str(value))}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{cite_key(key)},", *lines, "}", ""])


def cite_key(key: str) -> str:
    """Return a key as BibTeX and LaTeX take it."""
    return re.sub(r"[^A-Za-z0-9:_.-]", "-", key)


def _escape(name: str, value: str) -> str:
    text = clean(value).strip()
    if name in ("doi", "url"):  # verbatim fields of biblatex and hyperref: only what would break the entry goes
        return re.sub(r"[{}\\]", "", text)
    if name == "author":
        return _names(text)
    text = latex_text(text)
    return f"{{{text}}}" if name == "title" else text  # the second braces keep capitals


def latex_text(text: str) -> str:
    """Return a text with everything escaped that LaTeX and BibTeX would read as a command."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _names(authors: str) -> str:
    """Return a BibTeX list of names; the braces around an organisation stay, as they keep its name in one piece."""
    names = unaccented(authors).split(" and ")
    escaped = [latex_text(name.strip("{}").replace("{", "").replace("}", "")) for name in names]
    pairs = zip(names, escaped, strict=True)
    return " and ".join(f"{{{name}}}" if raw.startswith("{") and raw.endswith("}") else name for raw, name in pairs)
