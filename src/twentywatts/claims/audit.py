"""The audit of a text, sentence by sentence: rules in order, what is not understood counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from twentywatts.claims.context import Context
from twentywatts.claims.parse import parsed
from twentywatts.claims.rules.comparison import country, ratio, share
from twentywatts.claims.rules.dimension import dimension
from twentywatts.claims.rules.equivalence import equivalence
from twentywatts.claims.rules.headline import headline, revised
from twentywatts.claims.rules.product import product
from twentywatts.claims.rules.published import published
from twentywatts.claims.rules.statements import missing, rhetoric, statement
from twentywatts.claims.rules.told import concurrent, conversion, each
from twentywatts.claims.sentences import cut
from twentywatts.claims.terms import Audit, AuditedSentence, Finding, Sentence

__all__ = ["LAST", "RULES", "WORDS", "audit", "audited"]

Rule = Callable[[Sentence, Context], Iterator[Finding]]
# in this order: what a rule has judged, the later ones leave
RULES: tuple[Rule, ...] = (
    dimension,
    conversion,
    product,
    concurrent,
    headline,
    country,
    equivalence,
    each,
    ratio,
    share,
    published,
)
WORDS: tuple[Rule, ...] = (statement,)
_BARE: tuple[Rule, ...] = (dimension,)  # of RULES, what looks at a sentence without any quantity or name
_TELLING = re.compile(r"[^\W_]")  # rules and dots between sentences are none
LAST: tuple[Rule, ...] = (rhetoric, missing)  # where nothing else was found


def audit(text: str, *, name: str = "text") -> Audit:
    """Return the audit of a text: French, Chinese or English, told by sentence.

    Deterministic, offline; memory grows with the findings, not with the text. A web page is read as its text by
    ``read_text_file``.
    """
    found = []
    languages: Counter[str] = Counter()
    counts = Counter(sentences=0, alone=0)
    context = Context()
    for sentence, findings in audited(text, context):
        counts["sentences"] += 1
        languages[sentence.language] += 1
        if findings:
            found.append(_kept(sentence, findings))
        elif sentence.of("energy") or sentence.of("power"):
            counts["alone"] += 1
    return Audit(
        name=name,
        sentences=tuple(revised(sentence, context) for sentence in found),
        sentence_count=counts["sentences"],
        left_alone_count=counts["alone"],
        languages=dict(sorted(languages.items())),
    )


def audited(text: str, context: Context) -> Iterator[tuple[Sentence, tuple[Finding, ...]]]:
    """Yield each sentence with its findings, in the order of the text; context: what is remembered on the way."""
    for index, raw in enumerate(filter(_TELLING.search, cut(text))):
        sentence = parsed(raw, index)
        yield sentence, _findings(sentence, context)


def _findings(sentence: Sentence, context: Context) -> tuple[Finding, ...]:
    context.used.clear()
    rules = RULES if sentence.quantities or sentence.mentions else _BARE
    found = [finding for rule in (*rules, *WORDS) for finding in rule(sentence, context)]
    if not found:
        found = [finding for rule in LAST for finding in rule(sentence, context)]
    context.thousand = sentence.has("per_thousand")
    context.last_j = tuple(quantity.value for quantity in sentence.of("energy"))
    return tuple(sorted(found, key=lambda finding: (finding.start, finding.verdict.rank)))


def _kept(sentence: Sentence, findings: tuple[Finding, ...]) -> AuditedSentence:
    return AuditedSentence(
        index=sentence.index, language=sentence.language, text=sentence.text, raw=sentence.raw, findings=findings
    )
