"""Quantities: numbers with their units, in SI, with what they are told per and what they count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from twentywatts.claims.numerals import Numeral, numerals_in
from twentywatts.claims.terms import Mention, Quantity
from twentywatts.claims.words import ARTICLES, words_of
from twentywatts.units import to_base

__all__ = ["PERIODS", "quantities_in"]

# a period's name → its length [s]; the year of energy statistics has 365 days, the month a twelfth of it
PERIODS = {name: to_base(1.0, unit) for name, unit in (("hour", "h"), ("day", "d"), ("year", "yr"))}
PERIODS |= {"second": 1.0, "minute": to_base(1.0, "min"), "week": 7 * PERIODS["day"], "month": PERIODS["year"] / 12}

_PREFIX_WORDS: dict[str, float] = {
    "": 1.0,
    "kilo": 1e3,
    "mega": 1e6,
    "méga": 1e6,
    "giga": 1e9,
    "tera": 1e12,
    "téra": 1e12,
    "peta": 1e15,
}
_PREFIX_WORDS |= {"péta": 1e15, "exa": 1e18, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9, "pico": 1e-12, "femto": 1e-15}
_LETTERS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15}
_ONE_CASE = {"E": 1e18, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "n": 1e-9, "f": 1e-15}  # in the other case they are no prefix
_SMALL = {"m": 1e-3, "p": 1e-12}  # mW and pJ, as against MW and PJ; who writes mwh means megawatt-hours
_HAN = {"": 1.0, "千": 1e3, "万": 1e4, "亿": 1e8, "兆": 1e6, "吉": 1e9, "太": 1e12, "拍": 1e15, "艾": 1e18}
_HAN |= {"毫": 1e-3, "微": 1e-6, "纳": 1e-9, "皮": 1e-12, "飞": 1e-15}
_WH = to_base(1.0, "Wh")
_END = r"(?![A-Za-zÀ-ÿ0-9])"
_WORD_PREFIX = r"(?P<word>kilo|m[eé]ga|giga|t[eé]ra|p[eé]ta|exa|milli|micro|nano|pico|femto)?[- ]?"
_HAN_PREFIX = r"(?P<han>[千万亿兆吉太拍艾毫微纳皮飞])?"
_LETTER = r"(?P<letter>[kmgtp]|(?-i:[Eµμunf]))?"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    dimension: str
    name: str
    pattern: re.Pattern[str]
    factor: float = 1.0


def _unit(dimension: str, name: str, pattern: str, factor: float = 1.0) -> _Unit:
    return _Unit(dimension=dimension, name=name, pattern=re.compile(pattern, re.IGNORECASE), factor=factor)


_GAP = r"[\s-]?(?:de |d['’]|of |个)?"
_UNITS = (
    _unit("energy", "Wh", rf"{_GAP}{_WORD_PREFIX}watts?[-·\s]?(?:hours?|heures?){_END}", _WH),
    _unit("energy", "Wh", rf"{_GAP}{_LETTER}w\s?[·*.]?\s?h(?:rs?)?(?![a-z])", _WH),
    _unit("energy", "Wh", rf"\s?{_HAN_PREFIX}(?:瓦特?[·\s]?小?时|瓦小时)", _WH),
    _unit("energy", "Wh", r"\s?瓩小?时", 1e3 * _WH),
    _unit("energy", "Wh", r"\s?度(?=电|的电|用电|电力|[,。;,]?$|[,,。;])", 1e3 * _WH),
    _unit("energy", "J", rf"{_GAP}{_WORD_PREFIX}joules?{_END}"),
    _unit("energy", "J", rf"\s?{_LETTER}j{_END}"),
    _unit("energy", "J", rf"\s?{_HAN_PREFIX}焦耳?"),
    _unit("power", "W", rf"{_GAP}{_WORD_PREFIX}watts?{_END}"),
    _unit("power", "W", rf"{_GAP}{_LETTER}w{_END}"),
    _unit("power", "W", rf"\s?{_HAN_PREFIX}瓦特?"),
    _unit("power", "W", r"\s?瓩", 1e3),
    _unit("share", "%", r"\s?(?:%|percent\b|per cent\b|pour ?cents?\b)", 0.01),
    _unit("time", "second", rf"{_GAP}(?:seconds?|secondes?){_END}|\s?秒钟?"),
    _unit("time", "minute", rf"{_GAP}(?:minutes?|mins?){_END}|\s?分钟", PERIODS["minute"]),
    _unit("time", "hour", rf"{_GAP}(?:hours?|heures?|hrs?|h){_END}|\s?(?:个)?(?:小时|钟头)", PERIODS["hour"]),
    _unit("time", "day", rf"{_GAP}(?:days?|jours?|journées?){_END}|\s?天", PERIODS["day"]),
    _unit("time", "week", rf"{_GAP}(?:weeks?|semaines?){_END}|\s?(?:个)?(?:星期|周(?!年))", PERIODS["week"]),
    _unit("time", "month", rf"{_GAP}(?:months?|mois){_END}|\s?个月", PERIODS["month"]),
    _unit("time", "year", rf"{_GAP}(?:entire |whole |full )?(?:years?|ans?|années?){_END}|\s?年", PERIODS["year"]),
    _unit("distance", "km", rf"{_GAP}(?:km|kilom[eè]tres?|kilometers?){_END}|\s?公里", 1e3),
    _unit("distance", "mile", rf"{_GAP}miles?{_END}|\s?英里", 1609.344),
    _unit("mass", "kg", rf"{_GAP}(?:kg|kilograms?|tonnes?|tons?|grams?|grammes?){_END}|\s?(?:公斤|吨|克)"),
    _unit("money", "", rf"{_GAP}(?:dollars?|euros?|€|\$|yuan){_END}|\s?(?:美元|元|欧元)"),
    _unit("ratio", "×", rf"\s?(?:times|fois|[x×](?!\s?\d)){_END}|\s?倍"),
)
_UNIT_START = re.compile(r"[\s-]?\s?[^\W\d_]|\s?[%€$×]")  # where none of them may begin, none is tried
_PER_NAMES = {
    "hour": r"(?:hour|heure|h|小时)",
    "day": r"(?:day|jour|天|日)",
    "year": r"(?:year|an|année|yr|年)",
    "month": r"(?:month|mois|月)",
    "query": r"(?:query|request|prompt|question|answer|requête|réponse|次)",
    "thousand": r"(?:1[ ,]?000|thousand|mille|千)",
    "each": r"(?:chip|gpu|server|home|household|puce|foyer|颗|块|台|户)",
    "distance": r"(?:mile|km|kilomet\w+)",
}
_PER_ONE = "|".join(f"(?P<{name}>{pattern})" for name, pattern in _PER_NAMES.items())
_PER = re.compile(
    r"\s?(?:(?:of|d['’]|de) ?(?:electricity|energy|power|électricité|énergie|电) )?"
    rf"(?:/\s?|per |par |pour |a |an |each |every |chaque |每)(?:{_PER_ONE}){_END}",
    re.IGNORECASE,
)
_PER_BEFORE = re.compile(rf"每(?:{_PER_ONE})[^,,。;;0-9]{{0,12}}$")
_RANGE = re.compile(r"\s?(?:[-–—~〜]|to|à|至|到)\s?", re.IGNORECASE)
_CONNECTOR = re.compile(r"\s?(?:[-–—~〜]|to|and|et|à|or|ou|至|到|和|或)\s?", re.IGNORECASE)
_AND_HALF = re.compile(r"\s(?:and a half|et demie?)\b", re.IGNORECASE)  # an hour and a half, un kilowattheure et demi
_NUMBER_WORDS = words_of("en") | words_of("fr")
_NOUN_GAP = re.compile(
    r"[\s-]?(?:[^\W\d]+[\s-]|['’-]){0,3}(?:d['’]|de |of )?|[个块颗台张户名次\s]{0,2}[^\W\d]{0,4}", re.UNICODE
)
_YEARS = (1900, 2100)
_BEFORE_YEAR = re.compile(r"(?:\b(?:in|by|since|until|of|en|depuis|ici|dès|de)|[自至到于在])\s?$", re.IGNORECASE)


def quantities_in(folded: str, language: str, mentions: Sequence[Mention]) -> tuple[Quantity, ...]:
    """Return the quantities of a folded sentence in order; words such as "a" without a unit are none."""
    numerals = [
        numeral
        for numeral in numerals_in(folded, language)
        if not any(mention.start < numeral.end and numeral.start < mention.end for mention in mentions)
    ]  # the 3 of GPT-3 counts nothing
    found: list[Quantity] = []
    for place, numeral in enumerate(numerals):
        if found and numeral.start < found[-1].end:  # the half of "an hour and a half"
            continue
        following = numerals[place + 1] if place + 1 < len(numerals) else None
        quantity = _with_unit(folded, numeral) or _bare(folded, numeral, mentions)
        open_ended = quantity is None or quantity.dimension == "count"
        if open_ended and following is not None and not _is_article(folded, numeral):
            quantity = _first_of_range(folded, numeral, following, mentions) or quantity
        if quantity is not None:
            found.append(quantity)
    return tuple(_merged(folded, found))


def _is_article(text: str, numeral: Numeral) -> bool:
    return text[numeral.start : numeral.end].lower() in ARTICLES


def _with_unit(text: str, numeral: Numeral) -> Quantity | None:
    if not _UNIT_START.match(text, numeral.end):
        return None
    for unit in _UNITS:
        match = unit.pattern.match(text, numeral.end)
        if match is None or not match[0].strip():
            continue
        factor = unit.factor * _prefix(match)
        half = _AND_HALF.match(text, match.end())
        end = half.end() if half else match.end()
        dimension, value = unit.dimension, (numeral.value + (0.5 if half else 0.0)) * factor
        if dimension == "time" and unit.name == "year" and _is_year(numeral):
            return _quantity(text, numeral, "year", end=match.end())
        if dimension == "time" and numeral.word and numeral.value == 1 and not half:
            dimension = "period"
        return _quantity(text, numeral, dimension, end=end, value=value, unit=unit.name, per=_per(text, numeral, end))
    return None


def _prefix(match: re.Match[str]) -> float:
    groups = match.groupdict()
    if groups.get("word"):
        return _PREFIX_WORDS[groups["word"].lower()]
    if groups.get("han"):
        return _HAN[groups["han"]]
    letter = groups.get("letter")
    if not letter:
        return 1.0
    if letter in _ONE_CASE:
        return _ONE_CASE[letter]
    unit = match[0][match.end("letter") - match.start()]
    return _SMALL[letter] if letter in _SMALL and unit in "WJ" else _LETTERS[letter.lower()]


def _per(text: str, numeral: Numeral, end: int) -> str:
    match = _PER.match(text, end) or _PER_BEFORE.search(text, max(0, numeral.start - 18), numeral.start)
    return next((name for name, value in match.groupdict().items() if value), "") if match else ""


def _is_year(numeral: Numeral) -> bool:
    return len(numeral.digits) == 4 and numeral.digits.isdecimal() and _YEARS[0] <= numeral.value <= _YEARS[1]


def _quantity(
    text: str, numeral: Numeral, dimension: str, *, end: int, value: float | None = None, **more: str
) -> Quantity:
    number = numeral.value if value is None else value
    return Quantity(
        value=number, low=number, high=number, dimension=dimension, start=numeral.start, end=end,
        text=text[numeral.start : end], **more,
    )  # fmt: skip


def _bare(text: str, numeral: Numeral, mentions: Sequence[Mention]) -> Quantity | None:
    """Return a count with its noun, a year or a share; None for a word alone."""
    if text.startswith("百分之", numeral.start):
        return _quantity(text, numeral, "share", end=numeral.end, unit="%")
    noun = _noun(text, numeral, mentions)
    if _is_year(numeral) and (noun is None or _BEFORE_YEAR.search(text, max(0, numeral.start - 8), numeral.start)):
        return _quantity(text, numeral, "year", end=numeral.end)
    if noun is None and numeral.word and numeral.value < 100:
        return None
    if noun is not None and numeral.word and numeral.value == 1:
        return None
    return _quantity(text, numeral, "count", end=numeral.end, noun=noun or "", per=_per(text, numeral, numeral.end))


def _noun(text: str, numeral: Numeral, mentions: Sequence[Mention]) -> str | None:
    for mention in mentions:
        if mention.kind == "region" or mention.start < numeral.end:
            continue
        gap = text[numeral.end : mention.start]
        region = next(
            (m for m in mentions if m.kind == "region" and numeral.end <= m.start and m.end <= mention.start), None
        )
        if region is not None:
            gap = text[numeral.end : region.start] + text[region.end : mention.start]
        return mention.name if len(gap) <= 24 and _NOUN_GAP.fullmatch(gap) else None
    return None


def _first_of_range(text: str, numeral: Numeral, following: Numeral, mentions: Sequence[Mention]) -> Quantity | None:
    """Return the first end of a range in the unit, or of the noun, of the second: "85 to 134 TWh", "5 to 10 homes"."""
    between = text[numeral.end : following.start]
    if not _CONNECTOR.fullmatch(between):
        return None
    second = _with_unit(text, following)
    if second is None and _RANGE.fullmatch(between):
        second = _bare(text, following, mentions)
        second = second if second is not None and second.noun else None
    if second is None or second.dimension in ("year", "period") or not following.value:
        return None
    value = numeral.value * second.value / following.value
    if numeral.scale == 1 and numeral.value * following.scale <= following.value:
        value *= following.scale  # "2 to 3 million": the scale word belongs to both
    return _quantity(text, numeral, second.dimension, end=numeral.end, value=value, unit=second.unit, noun=second.noun)


def _merged(text: str, found: list[Quantity]) -> list[Quantity]:
    merged: list[Quantity] = []
    for quantity in found:
        last = merged[-1] if merged else None
        if last is not None and _is_range(text, last, quantity):
            low, high = sorted((last.value, quantity.value))
            whole = text[last.start : quantity.end]
            middle = (low * high) ** 0.5 if low > 0 else high
            merged[-1] = replace(quantity, start=last.start, text=whole, low=low, high=high, value=middle)
            continue
        merged.append(quantity)
    return merged


def _is_range(text: str, first: Quantity, second: Quantity) -> bool:
    """Tell "85 to 134 TWh" from "9 seconds or 3.5 minutes" and "20 W and 700 W"."""
    if first.dimension != second.dimension or (first.unit, first.noun) != (second.unit, second.noun):
        return False
    if not first.unit and not first.noun:
        return False
    between = text[first.end : second.start]
    written_once = first.text.strip()[-1:].isdecimal() or first.text.rpartition(" ")[2].lower() in _NUMBER_WORDS
    return bool(_RANGE.fullmatch(between)) or (written_once and between.strip().lower() in ("and", "et"))
