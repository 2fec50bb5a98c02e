"""Rules "conversion", "each" and "concurrent": what a sentence's own numbers say of each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from twentywatts.claims.context import Context
from twentywatts.claims.facts import facts
from twentywatts.claims.rules.published import hint
from twentywatts.claims.terms import AuditVerdict, Finding, Quantity, Sentence
from twentywatts.claims.wording import amount, factor_text, factors_count, replaced, tell

__all__ = ["concurrent", "conversion", "each"]

_ROUNDING = 1.06


def conversion(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield findings on a quantity repeated in brackets in another unit: 0.8 kWh (0.0008 MWh)."""
    for dimension in ("energy", "power"):
        told = sentence.of(dimension)
        for first, second in itertools.pairwise(told):
            between = sentence.text[first.end : second.start].strip()
            closed = sentence.text[second.end : second.end + 2].strip()[:1]
            if between not in ("(", "(或", "(soit", "(or", "(即") or closed != ")" or first.value <= 0:
                continue
            context.use(second)
            yield _conversion(sentence, first, second)


def _conversion(sentence: Sentence, first: Quantity, second: Quantity) -> Finding:
    factor, language = second.value / first.value, sentence.language
    fits = 1 / _ROUNDING < factor < _ROUNDING
    words = {"first": first.text, "second": second.text, "correct": amount(first.value, first.dimension, language)}
    more = (
        {}
        if fits
        else {
            "factor": factor_text(factor, language) if factor else "∞",
            "hint": hint(factor or 1, language, second.text),
        }
    )
    return Finding(
        rule="conversion",
        verdict=AuditVerdict.CONSISTENT if fits else AuditVerdict.OFF,
        quote=second.text,
        start=second.start,
        message=tell("conversion" if fits else "conversion_off", language, **words, **more),
        factor=factor,
        corrected="" if fits else replaced(sentence, second, words["correct"]),
        arithmetic=f"{amount(first.value, first.dimension, 'en')} = {amount(second.value, second.dimension, 'en')}"
        if fits
        else f"{amount(first.value, first.dimension, 'en')} ≠ {amount(second.value, second.dimension, 'en')}",
    )


def each(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield what a total over its queries says of one: half a GWh for 200 million is 2.5 Wh, a figure of 2023."""
    queries = next((item for item in sentence.of("count") if item.noun == "query" and item.value > 1000), None)
    total = next((item for item in context.open(sentence.of("energy")) if item.per not in ("query", "hour")), None)
    service = any(item.name == "chat" for item in sentence.mentions)
    if queries is None or total is None or not service:
        return
    context.use(total, queries)
    language, one = sentence.language, total.value / queries.value
    old, new = facts()["chat_query_2023_energy_j"], facts()["chat_query_energy_j"]
    factor = one / new.interval.mid
    quote = f"{total.text} / {queries.text}"
    arithmetic = (
        f"{amount(total.value, 'energy', 'en')} / {factors_count(queries.value)} = {amount(one, 'energy', 'en')}"
    )
    dated = 2 / 3 < one / old.interval.mid < 1.5
    correct = amount(new.interval.mid, "energy", language)
    fits = new.interval.low / 1.25 < one < new.interval.high * 1.25
    words = {"label": new.label[language], "correct": correct}
    if fits:
        verdict, message = AuditVerdict.CONSISTENT, tell("consistent", language, **words, condition="")
    elif dated:
        # the division holds; that its estimate is old is judged where the sentence tells it per query
        verdict = AuditVerdict.CONSISTENT
        then = amount(old.interval.mid, "energy", language)
        newer = f" ({new.label[language]}: {correct})"
        message = tell("consistent", language, label=old.label[language], correct=then, condition=newer)
    else:
        verdict = AuditVerdict.OFF
        words |= {"factor": factor_text(factor, language), "claimed": amount(one, "energy", language)}
        message = tell("off", language, **words, hint=hint(factor, language, total.text))
    yield Finding(
        rule="each", verdict=verdict, quote=quote, start=total.start, message=message, factor=factor,
        arithmetic=arithmetic, sources=(new.source, old.source) if dated else (new.source,),
    )  # fmt: skip


def concurrent(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield the chips that so many people at once are said to need: a rate is missing."""
    kinds = {mention.name: mention.kind for mention in sentence.mentions}
    chips = next((item for item in sentence.of("count") if kinds.get(item.noun) in ("chip", "server")), None)
    people = next((item for item in sentence.of("count") if item.noun == "people"), None)
    if chips is None or people is None or not sentence.has("concurrent"):
        return
    language = sentence.language
    words = {"chips": f"{chips.text} {chips.noun.upper()}", "people": people.text}
    yield Finding(
        rule="concurrent",
        verdict=AuditVerdict.NOT_CHECKABLE,
        quote=chips.text,
        start=chips.start,
        message=tell("concurrent", language, **words),
        missing="tokens per second of a chip",
        arithmetic=f"{factors_count(chips.value)} chips, {factors_count(people.value)} people",
    )
