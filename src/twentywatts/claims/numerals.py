"""Numbers as three languages write them: digits with every kind of separator, scale words, words, Chinese numerals."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from twentywatts.claims.words import ARTICLES, COUNTED, SCALES, spoken_numbers, words_of

__all__ = ["Numeral", "has_number", "numerals_in", "plain_number"]

_LEAST, _MOST = 1e-30, 1e60  # smaller and larger than anything that an article counts; zero is no claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeral:
    """A number in a text. digits: as written, for a year; word: written in letters alone; scale: of its scale words."""

    value: float
    start: int
    end: int
    digits: str = ""
    word: bool = False
    scale: float = 1.0


# after digits: "5 hundred", "300k", "2 dozen"
_SCALES = {
    "en": {**SCALES["en"], **COUNTED["en"], "hundred": 100.0, "k": 1e3},
    "fr": {**SCALES["fr"], **COUNTED["fr"]},
}
_HAN_DIGITS = dict(zip("零〇一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_HAN_SCALES = {"十": 10.0, "百": 100.0, "千": 1e3, "万": 1e4, "亿": 1e8, "兆": 1e12}
_DIGITS = re.compile(
    r"(?<!\w)(?<!\d[.,])(?P<digits>\d{1,3}(?:[ ,.'’]\d{3}(?!\d))+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
    r"(?:\s?[x×·]\s?10\s?\^?\s?(?P<power>[-−]?\d{1,3})|[eE](?P<exponent>[-+]?\d{1,3})(?![\d\w]))?"
    r"|(?P<fraction>\d+/\d+)(?![\d/])",
)
_DIGITS_HAN = re.compile(
    r"(?<![A-Za-z\d])(?<!\d[.,])(?P<digits>\d{1,3}(?:[ ,]\d{3}(?!\d))+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:\s?[x×·]\s?10\s?\^?\s?(?P<power>[-−]?\d{1,3})|[eE](?P<exponent>[-+]?\d{1,3})(?![\d\w]))?(?P<fraction>(?!))?"
)
_UNIT_HEAD = r"(?!\s?(?:瓦|焦|克|米|赫|卡|字节|伏|瓩))"
_HAN_SCALE = re.compile(rf"\s?(?P<scale>(?:[十百千万亿兆]{_UNIT_HEAD})+)")
_HAN_TAIL = rf"(?:[十百千万亿兆]{_UNIT_HEAD})*"
_HAN_WORD = re.compile(
    r"百分之[零〇一二两三四五六七八九十百点\d.]+"
    r"|[一二两三四五六七八九十]个半(?=小时|钟头|月)|(?<![上下大小多一过夜])半(?=个?(?:小时|钟头|月)|[天年度]|[千兆吉太]瓦)"
    rf"|[一二两三四五六七八九十](?:[零〇一二两三四五六七八九十]|[百千万亿兆]{_UNIT_HEAD})*(?:点[零一二三四五六七八九]+{_HAN_TAIL})?"
)
_SCALE = {
    language: re.compile(
        rf"{gap}(?P<scale>{'|'.join(sorted(_SCALES[language], key=len, reverse=True))})(?![\w])", re.IGNORECASE
    )
    for language, gap in (("en", r"[\s-]?"), ("fr", r"\s?"))
}
_TOLD = {
    language: re.compile(rf"\d|\b(?:{'|'.join(sorted(words_of(language) - ARTICLES, key=len, reverse=True))})\b")
    for language in ("en", "fr")
}
_TOLD["zh"] = re.compile(r"\d|[零一二两三四五六七八九十百千万亿兆半]")


def has_number(lower: str, language: str) -> bool:
    """Return whether a folded sentence of small letters holds any number; an article alone is none."""
    return _TOLD[language].search(lower) is not None


def numerals_in(text: str, language: str) -> tuple[Numeral, ...]:
    """Return the numbers of a folded sentence in order; a scale word belongs to the number before it."""
    found = list(_han(text) if language == "zh" else _latin(text, language))
    if language == "zh":
        found += [item for item in _latin(text, "en") if item.word is False and not _overlaps(item, found)]
    found.sort(key=lambda numeral: numeral.start)
    return tuple(numeral for numeral in found if _LEAST < numeral.value < _MOST)


def _overlaps(item: Numeral, others: list[Numeral]) -> bool:
    return any(item.start < other.end and other.start < item.end for other in others)


def _latin(text: str, language: str) -> Iterator[Numeral]:
    taken: list[Numeral] = []
    for match in _DIGITS.finditer(text):
        times, end = 1.0, match.end()
        for _ in range(2):  # "100 mille milliards"
            scale = _SCALE[language].match(text, end)
            if scale:
                times, end = times * _SCALES[language][scale["scale"].lower()], scale.end()
        value = _value(match, language) * times
        taken.append(Numeral(value=value, start=match.start(), end=end, digits=match["digits"] or "", scale=times))
    yield from taken
    for item in spoken_numbers(text, language):
        word = Numeral(value=item.value, start=item.start, end=item.end, word=True, scale=item.scale)
        if not _overlaps(word, taken):
            yield word


def _value(match: re.Match[str], language: str) -> float:
    if match["fraction"]:
        above, below = match["fraction"].split("/")
        return _float(above) / _float(below) if _float(below) else math.inf
    value = plain_number(match["digits"], language)
    exponent = match["power"] or match["exponent"]
    power = int(exponent.replace("−", "-")) if exponent else 0
    return value * 10.0**power if abs(power) < 100 else math.inf


def _float(text: str) -> float:
    return float(text) if len(text) < 40 else math.inf


def plain_number(digits: str, language: str) -> float:
    """Return digits with separators as a number: of two kinds the last one is the decimal sign."""
    text = re.sub(r"[ '’]", "", digits)
    marks = [letter for letter in text if letter in ".,"]
    if len(set(marks)) == 2:
        decimal = marks[-1]
        text = text.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    elif len(marks) > 1:
        text = text.replace(marks[0], "")
    elif marks == [","]:
        thousands = language != "fr" and re.fullmatch(r"[1-9]\d{0,2},\d{3}", text)
        text = text.replace(",", "" if thousands else ".")
    elif marks == ["."] and language == "fr" and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", text):
        text = text.replace(".", "")
    return _float(text)


def _han(text: str) -> Iterator[Numeral]:
    taken: list[Numeral] = []
    for match in _DIGITS_HAN.finditer(text):
        value, end = _value(match, "zh"), match.end()
        scale = _HAN_SCALE.match(text, end)
        times = math.prod(_HAN_SCALES[letter] for letter in scale["scale"]) if scale else 1.0
        end = scale.end() if scale else end
        taken.append(Numeral(value=value * times, start=match.start(), end=end, digits=match["digits"], scale=times))
        yield taken[-1]
    for match in _HAN_WORD.finditer(text):
        last = match[0][len(match[0].rstrip("".join(_HAN_SCALES))) :]
        scale_of = math.prod(_HAN_SCALES[letter] for letter in last)
        item = Numeral(value=_han_value(match[0]), start=match.start(), end=match.end(), word=True, scale=scale_of)
        if not _overlaps(item, taken):
            yield item


def _han_value(text: str) -> float:
    """Return a Chinese numeral: 一千五百三十万 is 15.3 million."""
    if text.startswith("百分之"):
        rest = text[3:]
        return (_float(rest) if re.fullmatch(r"\d+(\.\d+)?", rest) else _han_value(rest)) / 100
    if text.endswith("半"):
        return 0.5 + _HAN_DIGITS.get(text[0], 10.0 if text[0] == "十" else 0.0)
    whole, _, after = text.partition("点")
    decimals = after.rstrip("".join(_HAN_SCALES))
    times = math.prod(_HAN_SCALES[letter] for letter in after[len(decimals) :])
    total = section = digit = 0.0
    for letter in whole:
        if letter in _HAN_DIGITS:
            digit = _HAN_DIGITS[letter]
        elif letter in "十百千":
            section += (digit or 1.0) * _HAN_SCALES[letter]
            digit = 0.0
        elif letter in _HAN_SCALES:
            total = (total + section + digit or 1.0) * _HAN_SCALES[letter]
            section = digit = 0.0
    fraction = sum(_HAN_DIGITS.get(letter, 0) * 10.0**-place for place, letter in enumerate(decimals, 1))
    return (total + section + digit + fraction) * times
