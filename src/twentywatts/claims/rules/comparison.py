"""Rules "country", "ratio" and "share": against a country's electricity, another machine's power, the world's total."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twentywatts.claims.context import Context, sentence_years
from twentywatts.claims.facts import Fact, facts, facts_of
from twentywatts.claims.terms import AuditVerdict, Finding, Mention, Quantity, Sentence
from twentywatts.claims.wording import amount, count_text, factor_text, quotient, replaced, share_text, tell
from twentywatts.units import convert

__all__ = ["country", "ratio", "share"]

_SLACK = 1.35
_TIMES = re.compile(r"^.*?( ?(?:times|fois|[x×]|倍)?)$")
_SHARE_SLACK = 1.6
_LEAST_J = convert(1, "TWh", "J")


def country(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield findings on totals said to equal a country: the increase or the total, electricity or energy."""
    places = [item for item in sentence.names("region") if any(f.region == item.name for f in facts_of("country"))]
    places = [item for item in places if item.name != "world"]
    energies = [item for item in sentence.of("energy") if item.value > _LEAST_J]
    if not places or not energies or not sentence.has("equal"):
        return
    compared = [item for item in places if _after_equal(sentence, item)]
    if not compared:
        return
    pairs = list(zip(_ends(energies[-1], len(compared)), compared, strict=False))
    for value, place in pairs[:1] if len(compared) == 1 else pairs:
        fact = next(item for item in facts_of("country") if item.region == place.name)
        yield _country(sentence, value, place, fact)


def _after_equal(sentence: Sentence, mention: Mention) -> bool:
    return any(-40 < mention.start - at < 60 for at in sentence.cues["equal"])


def _ends(energy: Quantity, count: int) -> list[tuple[float, float]]:
    """Return the range of the energy, or each of its ends where two countries are named."""
    if count == 2 and energy.low < energy.high:
        return [(energy.low, energy.low), (energy.high, energy.high)]
    return [(energy.low, energy.high)] * count


def _country(sentence: Sentence, value: tuple[float, float], place: Mention, fact: Fact) -> Finding:
    language = sentence.language
    low, high = value
    factor = (low * high) ** 0.5 / fact.interval.mid
    correct = amount(fact.interval.mid, "energy", language)
    base = facts()["centres_2022_energy_j"]
    increase = high - base.interval.mid
    quote = sentence.text[place.start : place.end]
    claimed = amount((low * high) ** 0.5, "energy", language)
    words = {
        "country": fact.label[language],
        "correct": correct,
        "factor": factor_text(factor, language) + ("" if language == "zh" else "×"),
    }
    inside = low <= fact.interval.high * _SLACK and high >= fact.interval.low / _SLACK
    verdict, corrected = AuditVerdict.CONSISTENT, ""
    if not inside and 1 / _SLACK < increase / fact.interval.mid < _SLACK and sentence.names("sector"):
        verdict = AuditVerdict.MISATTRIBUTED
        message = tell("increase", language, **words, increase=amount(increase, "energy", language))
    elif not inside:
        verdict = AuditVerdict.OFF
        words["factor"] = factor_text(factor, language)
        message = tell("country_off", language, **words, claimed=claimed)
    elif _energy_meant(sentence, place):
        verdict, message = AuditVerdict.SCOPE_ERROR, tell("scope_energy", language)
        corrected = _electric(sentence)
    else:
        message = tell("country", language, **words)
    return Finding(
        rule="country",
        verdict=verdict,
        quote=quote,
        start=place.start,
        message=message,
        factor=factor,
        corrected=corrected,
        arithmetic=f"{quotient((low * high) ** 0.5, fact.interval.mid, 'energy')}; {fact.condition}",
        sources=(fact.source, base.source) if verdict is AuditVerdict.MISATTRIBUTED else (fact.source,),
    )


def _energy_meant(sentence: Sentence, place: Mention) -> bool:
    """Return whether the comparison says energy where electricity is counted."""
    near = (max(0, place.start - 30), min(len(sentence.text), place.end + 30))
    return sentence.has("energy_word", within=near) and not sentence.has("electric", within=near)


def _electric(sentence: Sentence) -> str:
    """Return the sentence with electricity in the place of energy."""
    words = {"能源": "电力", "能耗": "用电", "能量": "电量", "energy": "electricity", "énergie": "électricité"}
    text = sentence.text
    for wrong, right in words.items():
        text = text.replace(wrong, right)
    return "" if text == sentence.text else text


def ratio(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield findings on how many times one machine, brain or query takes of another."""
    for quantity in context.open([*sentence.of("ratio"), *_brains(sentence)]):
        pair = _pair(sentence, quantity)
        if pair is None or quantity.value <= 0:
            continue
        context.use(quantity)
        yield _ratio(sentence, quantity, *pair)


def _brains(sentence: Sentence) -> list[Quantity]:
    return [item for item in sentence.of("count") if item.noun == "brain" and item.value >= 2]


def _pair(sentence: Sentence, quantity: Quantity) -> tuple[Fact, Fact] | None:
    """Return what is compared, the larger first, where both have a figure of one kind."""
    names = list(dict.fromkeys(mention.name for mention in sentence.mentions))
    for kind in ("power", "query"):
        known = [fact for name in names for fact in facts_of(name)[:1] if fact.kind == kind and not fact.needs]
        if len(known) >= 2:
            first, second = sorted(known[:2], key=lambda fact: -fact.interval.mid)
            return first, second
    return None


def _ratio(sentence: Sentence, quantity: Quantity, first: Fact, second: Fact) -> Finding:
    language = sentence.language
    told = next((item for item in sentence.of("power") if 0.8 < item.value / first.interval.mid < 1.25), None)
    above = told.value if told and first.unit == "W" else first.interval.mid
    expected = above / second.interval.mid
    factor = quantity.value / expected
    dimension = first.dimension
    words = {
        "first": first.label[language],
        "first_value": amount(above, dimension, language),
        "second": second.label[language],
        "second_value": amount(second.interval.mid, dimension, language),
        "correct": count_text(expected, language),
        "claimed": quantity.text,
        "factor": factor_text(factor, language),
    }
    if 1 / _SLACK < factor < _SLACK:
        verdict, message = AuditVerdict.CONSISTENT, tell("ratio", language, **words)
    elif first.kind == "query" and _once_right(first, second, quantity):
        verdict = AuditVerdict.STALE
        old = facts()["chat_query_2023_energy_j"]
        old_value = amount(old.interval.mid, "energy", language)
        message = tell(
            "ratio_stale", language, claimed=quantity.text, old=f"{old.label[language]} ({old_value})",
            newer=f"{first.label[language]} ({words['first_value']})", correct=words["correct"],
        )  # fmt: skip
    else:
        verdict, message = AuditVerdict.OFF, tell("ratio_off", language, **words)
    tail = _TIMES.sub(r"\1", quantity.text) if quantity.dimension == "ratio" else ""
    return Finding(
        rule="ratio",
        verdict=verdict,
        quote=quantity.text,
        start=quantity.start,
        message=message,
        factor=factor,
        corrected="" if verdict is AuditVerdict.CONSISTENT else replaced(sentence, quantity, words["correct"] + tail),
        arithmetic=f"{quotient(above, second.interval.mid, dimension)}; power, not energy for an equal task",
        sources=tuple(dict.fromkeys((first.source, second.source))),
    )


def _once_right(first: Fact, second: Fact, quantity: Quantity) -> bool:
    old = facts()["chat_query_2023_energy_j"].interval.mid
    return {first.entity, second.entity} == {"chat", "search"} and 0.6 < quantity.value / (
        old / second.interval.mid
    ) < 1.6


def share(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield findings on shares of the world's or a country's electricity, and on those told of all energy."""
    sectors = sentence.names("sector")
    regions = [item.name for item in sentence.names("region")]
    whole = next((item for item in facts_of("country") if item.region in regions), None)
    if not sectors or whole is None:
        return
    for quantity in context.open(sentence.of("share")):
        parts = _parts(sentence, sectors, whole)
        if not parts or sentence.has("increase") or not (sentence.has("electric") or sentence.has("energy_word")):
            continue
        context.use(quantity)
        yield _share(sentence, quantity, parts, whole)


def _parts(sentence: Sentence, sectors: list[Mention], whole: Fact) -> list[Fact]:
    name = "data-centres" if any(item.name == "data-centres" for item in sectors) else sectors[0].name
    found = [fact for fact in facts_of(name) if fact.kind == "year" and fact.region == whole.region]
    years = sentence_years(sentence)
    return [fact for fact in found if set(fact.years) & set(years)] or (
        [] if years else [f for f in found if not f.stale]
    )


def _share(sentence: Sentence, quantity: Quantity, parts: list[Fact], whole: Fact) -> Finding:
    language = sentence.language
    part = min(parts, key=lambda fact: abs(quantity.value - fact.interval.mid / whole.interval.mid))
    low = min(fact.interval.low for fact in parts) / whole.interval.high / _SHARE_SLACK
    high = max(fact.interval.high for fact in parts) / whole.interval.low * _SHARE_SLACK
    expected = part.interval.mid / whole.interval.mid
    factor = quantity.value / expected
    fits = quantity.low <= high and quantity.high >= low
    words = {
        "label": part.label[language],
        "whole": whole.label[language],
        "energy": amount(whole.interval.mid, "energy", language),
        "correct": share_text(expected, language),
        "claimed": quantity.text,
        "factor": factor_text(factor, language),
    }
    near = (max(0, quantity.start - 14), min(len(sentence.text), quantity.end + 40))
    energy = sentence.has("energy_word", within=near) and not sentence.has("electric", within=near)
    if fits and energy:
        verdict, message, corrected = AuditVerdict.SCOPE_ERROR, tell("scope_energy", language), _electric(sentence)
    elif fits:
        verdict, message, corrected = AuditVerdict.CONSISTENT, tell("share", language, **words), ""
    else:
        verdict, message = AuditVerdict.OFF, tell("share_off", language, **words)
        corrected = replaced(sentence, quantity, words["correct"])
    return Finding(
        rule="share",
        verdict=verdict,
        quote=quantity.text,
        start=quantity.start,
        message=message,
        factor=factor,
        corrected=corrected,
        arithmetic=quotient(part.interval.mid, whole.interval.mid, "energy"),
        sources=tuple(dict.fromkeys((part.source, whole.source))),
    )
