"""Rule "published": a quantity of a known entity against its published figure; W for Wh, scope, stale, ×10, ×1000."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from twentywatts.claims.context import Context, matches, nearest_of, off_by, owner, sentence_years
from twentywatts.claims.facts import Fact, facts_of
from twentywatts.claims.quantities import PERIODS
from twentywatts.claims.terms import AuditVerdict, Finding, Mention, Quantity, Sentence
from twentywatts.claims.wording import amount, factor_text, phrase, quotient, range_text, replaced, tell
from twentywatts.units import convert

__all__ = ["RULE", "hint", "published"]

RULE = "published"
_SAME_NUMBER = 1.6  # a unit is wrong where the number is right to this factor
_SLIP = 0.06  # of a power of ten
_LEAST_TOTAL_J = convert(10, "TWh", "J")  # a centre without a region may be any; so much are all of them
_LEAST_TRAINING_J = convert(0.1, "MWh", "J")


def published(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield a finding for each open energy or power whose entity is known."""
    for quantity in context.open([*sentence.of("energy"), *sentence.of("power")]):
        for mention in _subjects(sentence, quantity):
            chosen = _meant(sentence, context, quantity, mention)
            finding = _judged(sentence, quantity, chosen, context) if chosen else None
            if finding is not None:
                context.use(quantity)
                _remember(context, quantity, mention, chosen[0][0])
                yield finding
                break


def _remember(context: Context, quantity: Quantity, mention: Mention, fact: Fact) -> None:
    if quantity.dimension == "energy":
        context.told_j[mention.name] = quantity.value
        if fact.kind == "training":
            context.total_j, context.total_quote = quantity.value, quantity.text


def _subjects(sentence: Sentence, quantity: Quantity) -> list[Mention]:
    """Return the names that a quantity may speak of, the likeliest first, each once."""
    first = owner(sentence, quantity)
    low, high = sentence.clause_of(quantity.start)
    known = [m for m in sentence.mentions if m.kind != "region" and facts_of(m.name) and m != first]
    known.sort(key=lambda mention: (not low <= mention.start < high, nearest_of(mention, quantity)))
    others = [mention for mention in known if low <= mention.start < high or mention.end <= quantity.start]
    ordered = [first, *others] if first else others
    found: dict[str, Mention] = {}
    for mention in ordered:
        found.setdefault(mention.name, mention)
    return list(found.values())


def _meant(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention) -> list[tuple[Fact, float]]:
    """Return the facts that a quantity can be held against, each with the factor for its period or count."""
    found = []
    for fact in facts_of(mention.name):
        if any(not sentence.has(cue, within=(0, quantity.start)) for cue in fact.needs) or fact.dimension == "count":
            continue
        scale = _scale(sentence, context, quantity, mention, fact)
        if scale:
            found.append((fact, scale))
    special = [item for item in found if item[0].needs]
    return special or found


def _scale(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention, fact: Fact) -> float:
    """Return by what the fact is multiplied to be comparable; 0 where it is not meant."""
    tests = {
        "training": _training,
        "query": _query,
        "task": _task,
        "year": _year,
        "one": _one,
        "power": _power,
        "thought": _power,
    }
    return tests[fact.kind](sentence, context, quantity, mention) if fact.kind in tests else 0.0


def _training(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention) -> float:
    if sentence.names("task") and not sentence.has("training"):
        return 0.0
    if quantity.per in ("day", "month", "query", "thousand") or sentence.has("daily"):
        return 0.0
    return 1.0 if sentence.has("training") or quantity.value > _LEAST_TRAINING_J else 0.0


def _query(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention) -> float:
    asked = any(item.name == "query" for item in sentence.mentions) or quantity.per == "query"
    if not asked and mention.name != "search":
        return 0.0
    counted = [item for item in sentence.of("count") if item.noun in ("query", mention.name)]
    return 0.0 if counted or quantity.per == "day" else 1.0


def _task(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention) -> float:
    return 1000.0 if sentence.has("per_thousand") or quantity.per == "thousand" or context.thousand else 1.0


def _one(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention) -> float:
    if any(item.noun == mention.name for item in sentence.of("count")):
        return 0.0
    hours = [item for item in (*sentence.of("time"), *sentence.of("period")) if item.unit == "hour"]
    if mention.name == "streaming-hour":
        words = sentence.folded[mention.start : mention.end].lower()
        hourly = hours or quantity.per == "hour" or words.startswith(("hour", "heure"))
        return 1.0 if hourly else 0.0
    return 1.0


def _power(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention) -> float:
    if any(item.noun == mention.name and item.value > 1 for item in sentence.of("count")) and not sentence.has("each"):
        counted = next(item for item in sentence.of("count") if item.noun == mention.name)
        return 1.0 if quantity.value < 100 * counted.value else 0.0
    if quantity.dimension == "energy" and (quantity.per or sentence.of("time") or sentence.of("period")):
        return 0.0
    return 1.0


def _year(sentence: Sentence, context: Context, quantity: Quantity, mention: Mention) -> float:
    if mention.name == "home":
        if any(item.noun == "home" for item in sentence.of("count")):
            return 0.0
        if quantity.per == "day" or sentence.has("daily"):
            return PERIODS["day"] / PERIODS["year"]
        return PERIODS["month"] / PERIODS["year"] if quantity.per == "month" else 1.0
    if mention.kind == "sector":
        if sentence.names("company") or sentence.has("increase", within=sentence.clause_of(quantity.start)):
            return 0.0
        place = sentence.names("region") or sentence_years(sentence)
        return 1.0 if place or quantity.value > _LEAST_TOTAL_J else 0.0
    return 1.0 if not sentence.has("capacity") and quantity.per not in ("day", "month") else 0.0


def _judged(
    sentence: Sentence, quantity: Quantity, chosen: list[tuple[Fact, float]], context: Context
) -> Finding | None:
    same = [
        (fact, scale) for fact, scale in _placed(sentence, quantity, chosen) if fact.dimension == quantity.dimension
    ]
    other = [(fact, scale) for fact, scale in chosen if fact.dimension != quantity.dimension]
    fitting = [(fact, scale) for fact, scale in same if matches(quantity, fact, scale=scale)]
    scope = _scope(sentence, quantity, chosen[0][0]) if not fitting and quantity.dimension == "energy" else None
    if scope is not None:
        return scope
    if not same:
        return _unit_error(sentence, quantity, other)
    if fitting:
        return _fitting(sentence, quantity, fitting, same)
    return _unfitting(sentence, quantity, same)


def _fitting(
    sentence: Sentence, quantity: Quantity, fitting: list[tuple[Fact, float]], same: list[tuple[Fact, float]]
) -> Finding:
    """Return that a figure agrees, or that it is one that was replaced."""
    fact, scale = min(fitting, key=lambda item: item[0].stale)
    if fact.kind == "thought":
        return _thought(sentence, quantity, fact)
    if fact.stale and not _dated(sentence, fact):
        return _stale(sentence, quantity, fact, same)
    return _consistent(sentence, quantity, fact, scale)


def _unfitting(sentence: Sentence, quantity: Quantity, same: list[tuple[Fact, float]]) -> Finding:
    """Return that the nearest figure does not agree, or that the claim may be of another place."""
    current = [item for item in same if not item[0].stale or len(same) == 1]
    fact, scale = min(current, key=lambda item: _distance(quantity, item), default=same[0])
    if fact.kind == "thought":
        return _thought(sentence, quantity, fact)
    if fact.entity in ("data-centres", "ai") and not sentence.names("region") and not _slip(quantity, fact):
        return _elsewhere(sentence, quantity, fact)
    return _off(sentence, quantity, fact, scale)


def _slip(quantity: Quantity, fact: Fact) -> bool:
    """Return whether a total is off by a power of ten: then it is the world's, miswritten, and no other place's."""
    power = math.log10(off_by(quantity, fact))
    return abs(power - round(power)) < _SLIP and abs(power) > 1 - _SLIP


def _elsewhere(sentence: Sentence, quantity: Quantity, fact: Fact) -> Finding:
    return Finding(
        rule=RULE,
        verdict=AuditVerdict.NOT_CHECKABLE,
        quote=quantity.text,
        start=quantity.start,
        message=tell("not_checkable", sentence.language, missing=phrase("missing.region", sentence.language)),
        missing=phrase("missing.region", "en"),
        arithmetic=_basis(fact, 1.0),
        sources=(fact.source,),
    )


def _distance(quantity: Quantity, item: tuple[Fact, float]) -> float:
    factor = off_by(quantity, item[0], scale=item[1])
    return max(factor, 1 / factor) if factor > 0 else float("inf")


def _placed(sentence: Sentence, quantity: Quantity, chosen: list[tuple[Fact, float]]) -> list[tuple[Fact, float]]:
    """Return the facts of the sentence's region and years; all of them where it names none that is known."""
    low, high = sentence.clause_of(quantity.start)
    near = [item for item in sentence.names("region") if low <= item.start < high]
    regions = {item.name for item in near or [item for item in sentence.names("region") if item.start < low]}
    if regions - {"world"}:
        regions -= {"world"}
    kept = [(fact, scale) for fact, scale in chosen if not regions or fact.region in regions or not fact.region]
    if not regions and any(fact.region == "world" for fact, _ in kept):
        kept = [item for item in kept if item[0].region == "world"]
    inside = [int(item.value) for item in sentence.of("year") if low <= item.start < high]
    years = inside or sentence_years(sentence)
    dated = [(fact, scale) for fact, scale in kept if set(years) & set(fact.years)]
    return dated or kept


def _dated(sentence: Sentence, fact: Fact) -> bool:
    """Return whether a stale figure is told as one of its time."""
    past = {*fact.years, *(int(word) for word in fact.label["en"].replace(",", " ").split() if word.isdecimal())}
    return bool(past & set(sentence_years(sentence)))


def _unit_error(sentence: Sentence, quantity: Quantity, other: list[tuple[Fact, float]]) -> Finding | None:
    """Return W for Wh: the number is right and its unit is not."""
    for fact, scale in other:
        number = quantity.value / (convert(1, "Wh", "J") if quantity.dimension == "energy" else 1.0)
        wanted = fact.interval.mid * scale / (convert(1, "Wh", "J") if fact.dimension == "energy" else 1.0)
        if not 1 / _SAME_NUMBER <= number / wanted <= _SAME_NUMBER:
            continue
        language = sentence.language
        correct = amount(
            number * (1.0 if fact.dimension == "power" else convert(1, "Wh", "J")), fact.dimension, language
        )
        return Finding(
            rule="unit",
            verdict=AuditVerdict.UNIT_ERROR,
            quote=quantity.text,
            start=quantity.start,
            message=tell(
                "unit_fact",
                language,
                claimed=quantity.text,
                given=phrase(f"given.{quantity.dimension}", language),
                label=fact.label[language],
                correct=range_text(fact.interval, fact.dimension, language),
            ),
            corrected=replaced(sentence, quantity, correct),
            arithmetic=f"{fact.label['en']}: {range_text(fact.interval, fact.dimension, 'en')}; {fact.condition}",
            sources=(fact.source,),
        )
    return None


def _scope(sentence: Sentence, quantity: Quantity, fact: Fact) -> Finding | None:
    """Return AI told for all data centres: the number is theirs."""
    if fact.entity != "ai":
        return None
    everything = _placed(sentence, quantity, [(item, 1.0) for item in facts_of("data-centres")])
    for whole, _ in everything:
        if matches(quantity, whole):
            language = sentence.language
            return Finding(
                rule="scope",
                verdict=AuditVerdict.SCOPE_ERROR,
                quote=quantity.text,
                start=quantity.start,
                message=tell("scope_ai", language, claimed=quantity.text, label=whole.label[language], other=""),
                corrected=_with_all_centres(sentence),
                arithmetic=f"{whole.label['en']}: {range_text(whole.interval, 'energy', 'en')}; {whole.condition}",
                sources=(whole.source,),
            )
    return None


def _with_all_centres(sentence: Sentence) -> str:
    mention = next((item for item in sentence.mentions if item.name == "ai"), None)
    if mention is None:
        return ""
    return (
        sentence.text[: mention.start] + phrase("units.all_centres", sentence.language) + sentence.text[mention.end :]
    )


def _basis(fact: Fact, scale: float) -> str:
    times = "" if scale == 1 else f" × {scale:.6g}"
    return f"{fact.label['en']}: {range_text(fact.interval, fact.dimension, 'en')}{times}; {fact.condition}"


def _consistent(sentence: Sentence, quantity: Quantity, fact: Fact, scale: float) -> Finding:
    language = sentence.language
    correct = range_text(fact.interval, fact.dimension, language)
    return Finding(
        rule=RULE,
        verdict=AuditVerdict.CONSISTENT,
        quote=quantity.text,
        start=quantity.start,
        message=tell("consistent", language, label=fact.label[language], correct=correct, condition=""),
        factor=off_by(quantity, fact, scale=scale),
        arithmetic=_basis(fact, scale),
        sources=(fact.source,),
    )


def _stale(sentence: Sentence, quantity: Quantity, fact: Fact, same: list[tuple[Fact, float]]) -> Finding:
    language = sentence.language
    newer = next((item for item, _ in same if not item.stale), None)
    words = {"claimed": quantity.text, "label": fact.label[language]}
    if newer is None:
        return _consistent(sentence, quantity, fact, 1.0)
    correct = amount(newer.interval.mid, newer.dimension, language)
    return Finding(
        rule="stale",
        verdict=AuditVerdict.STALE,
        quote=quantity.text,
        start=quantity.start,
        message=tell("stale", language, **words, newer=newer.label[language], correct=correct),
        factor=off_by(quantity, newer),
        corrected=replaced(sentence, quantity, correct),
        arithmetic=f"{_basis(fact, 1.0)}; {_basis(newer, 1.0)}",
        sources=(fact.source, newer.source),
    )


def _off(sentence: Sentence, quantity: Quantity, fact: Fact, scale: float) -> Finding:
    language = sentence.language
    factor = off_by(quantity, fact, scale=scale)
    correct = amount(fact.interval.mid * scale, fact.dimension, language)
    return Finding(
        rule=RULE,
        verdict=AuditVerdict.OFF,
        quote=quantity.text,
        start=quantity.start,
        message=tell(
            "off",
            language,
            factor=factor_text(factor, language),
            label=fact.label[language],
            correct=correct,
            claimed=quantity.text,
            hint=hint(factor, language, quantity.text),
        ),
        factor=factor,
        corrected=replaced(sentence, quantity, correct),
        arithmetic=f"{quotient(quantity.value, fact.interval.mid * scale, fact.dimension)}; {_basis(fact, scale)}",
        sources=(fact.source,),
    )


def _thought(sentence: Sentence, quantity: Quantity, fact: Fact) -> Finding:
    correct = amount(fact.interval.mid, "power", sentence.language)
    return Finding(
        rule="brain",
        verdict=AuditVerdict.NOT_CHECKABLE,
        quote=quantity.text,
        start=quantity.start,
        message=tell("thought", sentence.language, claimed=quantity.text, correct=correct),
        missing="a division of the brain's power by function",
        arithmetic=_basis(fact, 1.0),
        sources=(fact.source,),
    )


def hint(factor: float, language: str, text: str) -> str:
    """Return which slip a factor looks like in the words of a number, or nothing."""
    size = factor if factor >= 1 else 1 / factor
    if 9 <= size <= 11.2 and not re.search("亿|億|billion|milliard", text):
        return ""
    for name, low, high in (
        ("tenfold", 9, 11.2),
        ("monthly", 28, 32),
        ("yearly", 340, 390),
        ("thousandfold", 800, 1250),
    ):
        if low <= size <= high:
            return phrase(f"hints.{name}", language)
    return ""
