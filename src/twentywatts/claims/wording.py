"""Words of an audit: templates per language, numbers as that language writes them, a thing replaced."""

from __future__ import annotations

from twentywatts.claims.lexicon import table
from twentywatts.claims.terms import Quantity, Sentence
from twentywatts.uncertain import Interval
from twentywatts.units import convert, format_si

__all__ = [
    "amount",
    "count_text",
    "digits",
    "factor_text",
    "factors_count",
    "phrase",
    "quotient",
    "range_text",
    "replaced",
    "share_text",
    "tell",
]

_HAN_SCALES = ((1e12, "万亿"), (1e8, "亿"), (1e4, "万"), (1.0, ""))
_WORDS = {"en": ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")), "fr": ((1e9, "milliards"), (1e6, "millions"))}
_HAN_POWER = ((1e12, "太瓦"), (1e9, "吉瓦"), (1e6, "兆瓦"), (1e3, "千瓦"), (1.0, "瓦"))


def tell(key: str, language: str, /, **values: object) -> str:
    """Return the sentence of a template: ``tell("off", "fr", factor="10", ...)``."""
    return phrase(key, language).format_map({name: str(value) for name, value in values.items()})


def phrase(key: str, language: str) -> str:
    """Return a phrase by its dotted key, in a language."""
    entry = table("audit_words")
    for part in key.split("."):
        entry = entry[part]
    return str(entry[language])


def digits(value: float, language: str, most: int = 3) -> str:
    """Return a number with so many significant digits, as the language writes it."""
    number = float(f"{value:.{most}g}")
    text = f"{number:,.10g}" if abs(number) < 1e15 else f"{number:.3g}"
    return text.replace(",", "\u202f").replace(".", ",") if language == "fr" else text


def count_text(value: float, language: str) -> str:
    """Return a count as people write it: 15.3 million, 15,3 millions, 1530万."""
    for factor, word in _WORDS.get(language, ()):
        if value >= factor:
            return f"{digits(value / factor, language)} {word}"
    if language == "zh":
        return _han(value)
    return digits(value, language, _plain_digits(value))


def _plain_digits(value: float) -> int:
    """Return how many digits a count without a word for thousands bears: 1,133, but 1.13 times and 320 days."""
    return 4 if value >= 1000 else 3


def factors_count(value: float) -> str:
    """Return a count as it stands in an arithmetic: 12,345 whole, 15.3 million in words."""
    return f"{value:,.6g}" if value < _WORDS["en"][-1][0] else count_text(value, "en")


def _han(value: float) -> str:
    for factor, word in _HAN_SCALES:
        if value >= factor or factor == 1.0:
            return f"{digits(value / factor, 'zh', 4 if factor > 1.0 else _plain_digits(value)).replace(',', '')}{word}"
    return ""


def factor_text(factor: float, language: str) -> str:
    """Return how far off a claim is, above 1: 30.5, 1/10 is told as 10."""
    size = factor if factor >= 1 else 1 / factor
    return digits(size, language, 3)


def share_text(value: float, language: str) -> str:
    """Return a share in per cent."""
    return f"{digits(100 * value, language, 2)}{' ' if language == 'fr' else ''}%"


def amount(value: float, dimension: str, language: str) -> str:
    """Return joules or watts as the language writes them: 2.75 TWh, 2,75 TWh, 27.5亿千瓦时."""
    if dimension == "count":
        return count_text(value, language)
    if dimension == "power":
        if language == "zh":
            factor, unit = next((item for item in _HAN_POWER if value >= item[0]), _HAN_POWER[-1])
            return f"{digits(value / factor, 'zh')}{unit}"
        return _localised(format_si(value, "W"), language)
    hours = convert(value, "J", "Wh")
    if language == "zh":
        return f"{_han(hours / 1e3)}千瓦时" if hours >= 100 else f"{digits(hours, 'zh')}瓦时"
    return _localised(format_si(hours, "Wh"), language)


def _localised(text: str, language: str) -> str:
    return text.replace(".", ",") if language == "fr" else text


def range_text(interval: Interval, dimension: str, language: str) -> str:
    """Return a value with its interval in brackets."""
    mid = amount(interval.mid, dimension, language)
    if interval.low == interval.high:
        return mid
    low, high = amount(interval.low, dimension, language), amount(interval.high, dimension, language)
    return f"{mid}（{low}至{high}）" if language == "zh" else f"{mid} ({low} – {high})"


def quotient(above: float, below: float, dimension: str) -> str:
    """Return a division as text: ``84 TWh / 88.2 TWh = 0.952``."""
    result = digits(above / below, "en") if below else "?"
    return f"{amount(above, dimension, 'en')} / {amount(below, dimension, 'en')} = {result}"


def replaced(sentence: Sentence, quantity: Quantity, text: str) -> str:
    """Return the sentence with one quantity's words replaced."""
    return sentence.text[: quantity.start] + text + sentence.text[quantity.end :]
