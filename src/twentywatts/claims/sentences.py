"""Sentences: a text cut into sentences, noise folded away, the language of each told by its letters and small words."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

__all__ = ["cut", "fold", "language_of", "normalised"]

_LONGEST = 2000  # characters of a sentence: what runs on longer is a table or noise and is cut
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CHINESE = re.compile(f"[{_HAN}]")
_END = re.compile(r"[。！？!?]+[”’」』\"')）]*|\.+[”’\"')]*(?=\s|$)|\n+|…+(?=\s|$)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|approx|ca|vs|dr|mr|mrs|ms|prof|no|fig|env|p|U\.S|U\.K)|\b[A-Z])$", re.IGNORECASE
)
_PINYIN = re.compile(rf"(?<=[{_HAN}])\((?:[a-zāáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜü]{{1,6}})\)")
_DOUBLED = re.compile(r"([,，、;；:：。!?！？])[\s]*(?:[,，、;；]|\1)+")
_SPACES = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\u202a-\u202e]")
_FRENCH = re.compile(
    r"\b(?:le|la|les|de|des|du|une?|est|et|que|qui|dans|pour|avec|par|sur|plus|ce|cette|sont|environ|soit|aux?|[ldjnscqm]['’]\w)\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"\b(?:the|of|and|is|are|in|to|that|for|with|than|as|by|it|an|was|were|used?|uses|per|about|on|will|each)\b",
    re.IGNORECASE,
)


@cache
def _table() -> dict[int, int]:
    path = files("twentywatts") / "data" / "claims" / "audit_fold.toml"
    pairs = tomllib.loads(path.read_text(encoding="utf-8"))
    return str.maketrans(pairs["traditional"], pairs["simplified"])


def fold(text: str) -> str:
    """Return a text with simplified characters and small letters' case kept; its length does not change."""
    return text if text.isascii() else text.translate(_table())


def normalised(raw: str) -> str:
    """Return a sentence with full-width letters folded, doubled punctuation single and stray readings dropped."""
    text = _SPACES.sub(" ", raw)
    if not text.isascii():
        text = _PINYIN.sub("", unicodedata.normalize("NFKC", _SPACES.sub(" ", _INVISIBLE.sub("", text))))
    text = _DOUBLED.sub(r"\1", text)
    return _SPACES.sub(" ", text).strip(" ,，、;")


def cut(text: str) -> Iterator[str]:
    """Yield the sentences of a text as they stand, one at a time; blanks between them are dropped."""
    start = place = 0
    while place < len(text):
        found = _END.search(text, place, min(len(text), start + _LONGEST))
        if found is None:
            end = min(len(text), start + _LONGEST)
        elif found[0].startswith(".") and _ABBREVIATION.search(text[max(start, found.start() - 8) : found.start()]):
            place = found.end()
            continue
        else:
            end = found.end()
        sentence = text[start:end].strip()
        if sentence:
            yield sentence
        start = place = max(end, start + 1)
    rest = text[start:].strip()
    if rest:
        yield rest


def language_of(text: str) -> str:
    """Return zh, fr or en: Chinese where a fifth of the letters are, else the one with more of its small words."""
    han = 0 if text.isascii() else len(_CHINESE.findall(text))
    if han and han * 5 >= sum(map(str.isalpha, text)):
        return "zh"
    french, english = len(_FRENCH.findall(text)), len(_ENGLISH.findall(text))
    if french == english:
        return "fr" if re.search("[éèêàçùâîôûœ]", text, re.IGNORECASE) else "en"
    return "fr" if french > english else "en"
