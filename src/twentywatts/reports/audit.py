"""An audit, rendered: the document ``twentywatts.audit/1`` and what the terminal shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from twentywatts.claims.terms import Audit
from twentywatts.errors import clean, counted
from twentywatts.reports.records import plain_document, source_records

__all__ = ["MARKS", "SCHEMA", "audit_document", "audit_view", "summary"]

SCHEMA = "twentywatts.audit/1"
Record = Mapping[str, Any]
# verdict → what it is called, and the class of colour
MARKS = {
    "unit_error": ("unit error", "no"),
    "off": ("off by a factor", "no"),
    "scope_error": ("scope error", "no"),
    "misattributed": ("misattributed", "no"),
    "stale": ("stale", "unsure"),
    "not_checkable": ("not checkable", "unsure"),
    "consistent": ("consistent", "yes"),
    "rhetorical": ("rhetorical", "sub"),
}
_ERRORS = {"unit_error", "scope_error"}  # their names are nouns
_STYLES = {"no": "bold red", "unsure": "yellow", "yes": "green", "sub": "dim"}
_NOT_COVERED = (
    "what stands in pictures, tables and footnotes; money, water and carbon",
    "entities and units that the alias table does not hold: they are left alone and counted",
    "who said it, and whether the article says so",
)


def audit_document(audit: Audit, *, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return an audit as plain values, numbers with six significant digits; ``run`` alone may differ between runs."""
    document = {
        "schema": SCHEMA,
        **audit.as_document(),
        "sources": source_records(audit.sources, own={}),
        "notes": [],
        "not_covered": list(_NOT_COVERED),
        "run": dict(run),
    }
    return plain_document(document)


def summary(document: Record) -> str:
    """Return the audit in one sentence."""
    found = {name: count for name, count in document["verdicts"].items() if count}
    told = ", ".join(_counted(name, count) for name, count in found.items()) or "no claim that a rule knows"
    count, alone = document["sentence_count"], document["left_alone_count"]
    if not count:
        return "There is nothing to audit: no sentence in it."
    return f"{counted(count, 'sentence')}: {told}" + (f"; {alone} with a number left alone." if alone else ".")


def _counted(verdict: str, count: int) -> str:
    """Return how often a verdict fell: ``2 unit errors``, ``1 stale``."""
    return f"{count} {MARKS[verdict][0]}{'s' if verdict in _ERRORS and count > 1 else ''}"


def audit_view(document: Record) -> RenderableType:
    """Return what `twentywatts audit` shows; print it with a rich Console."""
    parts: list[RenderableType] = [Text(f"Audit of {clean(document['text'])}", style="bold"), Text(summary(document))]
    for sentence in document["sentences"]:
        parts.append(Text(f"\n{clean(sentence['text'])}"))
        parts += [Padding(_finding(item), (0, 0, 0, 2)) for item in sentence["findings"]]
    parts.append(Text(f"\nSources: {', '.join(clean(key) for key in document['sources']) or 'none'}.", style="dim"))
    return Group(*parts)


def _finding(finding: Record) -> RenderableType:
    name, colour = MARKS[finding["verdict"]]
    head = Text(name, style=_STYLES[colour])
    head.append(f" «{clean(finding['quote'])}» ", style="default not bold not dim")
    head.append(f"rule {finding['rule']}", style="dim")
    lines = [head, Text(clean(finding["message"]), style="default")]
    if finding["corrected"]:
        lines.append(Text(f"→ {clean(finding['corrected'])}"))
    if finding["arithmetic"]:
        lines.append(Text(clean(finding["arithmetic"]), style="dim"))
    if finding["sources"]:
        lines.append(Text(f"[{', '.join(finding['sources'])}]", style="dim"))
    return Group(*lines)
