"""Rules "statement", "rhetoric" and "missing": known statements, figures of speech, what a sentence does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from twentywatts.claims.context import Context, owner
from twentywatts.claims.lexicon import lowered, table
from twentywatts.claims.terms import AuditVerdict, Finding, Sentence
from twentywatts.claims.wording import phrase, tell

__all__ = ["missing", "rhetoric", "statement"]

_FIGURE = re.compile(
    r"\blike (?:a|an|some)\b|\bcomme (?:un|une|des|quelqu)\b|就像|如同|\bgobbl\w+|\bdevour\w+|\bguzzl\w+"
    r"|\bdévor\w+|\bogre\b|\binsatiable\b|狂吃|吞噬|吞电",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\bia\b|\bai\b|artificial|artificielle|人工智能|大模型|gpt|data cent|数据中心|centres? de données"
    r"|\bmodels?\b|\bmodèles?\b|模型|\bgpus?\b|\bchips?\b",
    re.IGNORECASE,
)
_ENERGY = re.compile(r"\benergy\b|\bénergie\b|électri|electric|\bpower\b|电|能源|能耗|能量", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    name: str
    wanted: tuple[re.Pattern[str], ...]
    unwanted: tuple[re.Pattern[str], ...]
    entry: Any


@cache
def _statements() -> tuple[_Statement, ...]:
    def compiled(texts: list[str]) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(text, re.DOTALL) for text in texts)

    entries = table("audit_statements")["statements"]
    return tuple(
        _Statement(name=name, wanted=compiled(entry["all"]), unwanted=compiled(entry.get("none", [])), entry=entry)
        for name, entry in entries.items()
    )


def statement(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield what is known of statements that this sentence makes."""
    lower = lowered(sentence.folded)
    for known in _statements():
        match = known.wanted[0].search(lower)
        if match is None or not all(pattern.search(lower) for pattern in known.wanted[1:]):
            continue
        if any(pattern.search(lower) for pattern in known.unwanted):
            continue
        yield Finding(
            rule=f"statement.{known.name}",
            verdict=AuditVerdict(known.entry["verdict"]),
            quote=sentence.text[match.start() : match.end()],
            start=match.start(),
            message=known.entry["text"][sentence.language],
            factor=known.entry.get("factor"),
            missing=known.entry.get("missing", ""),
            sources=tuple(known.entry["sources"]),
        )


def rhetoric(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield figures of speech about the energy of AI that hold no quantity."""
    figure = _FIGURE.search(sentence.folded)
    if figure is None or any(item.dimension in ("energy", "power", "ratio", "share") for item in sentence.quantities):
        return
    if _ENERGY.search(sentence.folded) and _SUBJECT.search(sentence.folded):
        yield Finding(
            rule="rhetoric",
            verdict=AuditVerdict.RHETORICAL,
            quote=sentence.text[figure.start() : figure.end()],
            start=figure.start(),
            message=phrase("rhetorical", sentence.language),
        )


def missing(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield energies of AI that nothing published answers, with what a check would need."""
    told = context.open([*sentence.of("energy"), *sentence.of("power")])
    if not told or not sentence.has("consume") or not _SUBJECT.search(sentence.folded):
        return
    for quantity in told:
        if owner(sentence, quantity) is not None and not sentence.names("sector"):
            continue
        language = sentence.language
        wanted = phrase("missing.subject", language)
        yield Finding(
            rule="missing",
            verdict=AuditVerdict.NOT_CHECKABLE,
            quote=quantity.text,
            start=quantity.start,
            message=tell("not_checkable", language, missing=wanted),
            missing=phrase("missing.subject", "en"),
        )
        return
