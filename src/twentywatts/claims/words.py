"""Numbers in words, English and French: "two hundred and fifty", "one and a half million", "quatre-vingt-dix"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ARTICLES", "COUNTED", "SCALES", "SpokenNumber", "spoken_numbers", "words_of"]

ARTICLES = frozenset({"a", "an", "un", "une"})
_SMALL_EN = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_SMALL_FR = "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit"
_SMALL: Mapping[str, Mapping[str, float]] = {
    language: {word: float(place) for place, word in enumerate(text.split(), 1)} | articles
    for language, text, articles in (
        ("en", f"{_SMALL_EN} eighteen nineteen", {"a": 1.0, "an": 1.0}),
        ("fr", f"{_SMALL_FR} dix-neuf", {"une": 1.0}),
    )
}
# a ten's name → its value, and what may follow it: seventy-nine, but soixante-dix-neuf
_TENS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "en": {
        word: (10.0 * place, 10.0)
        for place, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
    },
    "fr": {
        word: (10.0 * place, 10.0)
        for place, word in enumerate("vingt trente quarante cinquante soixante septante huitante nonante".split(), 2)
    }
    | {"soixante": (60.0, 20.0), "octante": (80.0, 10.0)},
}
_HUNDRED = {"en": {"hundred"}, "fr": {"cent", "cents"}}
SCALES: Mapping[str, Mapping[str, float]] = {
    "en": {"thousand": 1e3, "million": 1e6, "millions": 1e6, "billion": 1e9, "billions": 1e9, "trillion": 1e12}
    | {"trillions": 1e12, "bn": 1e9},
    "fr": {"mille": 1e3, "million": 1e6, "millions": 1e6, "milliard": 1e9, "milliards": 1e9, "billion": 1e12}
    | {"billions": 1e12, "trillion": 1e18, "trillions": 1e18},
}
_GROUPS = {
    "en": {"dozen": 12.0},
    "fr": {"dizaine": 10.0, "douzaine": 12.0, "quinzaine": 15.0, "vingtaine": 20.0, "trentaine": 30.0}
    | {"cinquantaine": 50.0, "centaine": 100.0, "millier": 1e3},
}
# counted like things: two dozen, deux douzaines
COUNTED: Mapping[str, Mapping[str, float]] = {
    language: groups | {f"{word}s": value for word, value in groups.items()} for language, groups in _GROUPS.items()
}
_PARTS = {
    "en": {"half": 1 / 2, "third": 1 / 3, "thirds": 1 / 3, "quarter": 1 / 4, "quarters": 1 / 4, "tenth": 1 / 10},
    "fr": {"demi": 1 / 2, "demie": 1 / 2, "moitié": 1 / 2, "tiers": 1 / 3, "quart": 1 / 4, "quarts": 1 / 4}
    | {"dixième": 1 / 10},
}
_LONE = {"half"}  # a part that needs no "a" or "one" before it
_AND = {"en": "and", "fr": "et"}
_UNIT_AFTER_AND = {"un", "une", "onze"}  # vingt et un, soixante et onze; other numbers take no "et"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenNumber:
    """A number in words. scale: of its last scale word, 1 without one."""

    value: float
    start: int
    end: int
    scale: float = 1.0


def words_of(language: str) -> frozenset[str]:
    """Return every word that may be part of a number, but for the one for "and"."""
    tables = (_SMALL, _TENS, COUNTED, SCALES, _PARTS)
    return frozenset(_HUNDRED[language]).union(*(table[language] for table in tables))


def _tokens(language: str) -> re.Pattern[str]:
    words = sorted({*words_of(language), _AND[language], "la"}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.IGNORECASE)


_TOKENS = {language: _tokens(language) for language in _SMALL}
_GAP = re.compile(r"\s?-?\s?")
_POINT = re.compile(r"\b(?:point|virgule)\s$", re.IGNORECASE)
_BEFORE_POINT = re.compile(r"\s(?:point|virgule)\s[^\W\d]", re.IGNORECASE)


def spoken_numbers(text: str, language: str) -> Iterator[SpokenNumber]:
    """Yield the numbers in words of a text in order; an article alone is 1; "zero point three" is left alone."""
    for item in _all_numbers(text, language):
        if not (_BEFORE_POINT.match(text, item.end) or _POINT.search(text, max(0, item.start - 9), item.start)):
            yield item


def _all_numbers(text: str, language: str) -> Iterator[SpokenNumber]:
    run: list[re.Match[str]] = []
    for match in _TOKENS[language].finditer(text):
        if run and not _follows(text, run[-1], match):
            yield from _numbers(run, language)
            run = []
        run.append(match)
    yield from _numbers(run, language)


def _follows(text: str, first: re.Match[str], second: re.Match[str]) -> bool:
    """Return whether two words may be of one number: "twenty-five", "a quarter of a million"."""
    gap = text[first.end() : second.start()]
    return bool(_GAP.fullmatch(gap)) or (gap == " of " and second[0].lower() in ARTICLES)


def _numbers(run: Sequence[re.Match[str]], language: str) -> Iterator[SpokenNumber]:
    """Yield the numbers of words that follow each other."""
    words = [match[0].lower() for match in run]
    place = 0
    while place < len(words):
        reader = _Reader(words, place, language)
        if reader.read():
            start, end = run[place].start(), run[reader.place - 1].end()
            yield SpokenNumber(value=reader.value, start=start, end=end, scale=reader.scale)
        place = max(reader.place, place + 1)


class _Reader:
    """Reads one number from words, as far as they make one. place: the word after it."""

    def __init__(self, words: Sequence[str], place: int, language: str) -> None:
        self.words, self.place, self.language = words, place, language
        self.value, self.scale = 0.0, 1.0

    def read(self) -> bool:
        """Return whether a number stands here, and take it."""
        chunk = self._part() or self._chunk()
        if not chunk and self._word() != "mille":
            return False
        self.value = chunk + self._and_part(1.0)
        while self._scaled():
            self.value += self._and_part(self.scale)
        while self.scale > 1 and self._smaller():
            continue
        return self.value > 0

    def _word(self, ahead: int = 0) -> str:
        place = self.place + ahead
        return self.words[place] if place < len(self.words) else ""

    def _part(self) -> float:
        """Take "half", "half a", "three quarters", "la moitié", "un demi"; return it, 0 for none."""
        small, parts = _SMALL[self.language], _PARTS[self.language]
        lead = 1 if self._word() in small or (self._word() == "la" and self._word(1) == "moitié") else 0
        name = self._word(lead)
        if name not in parts or not (lead or name in _LONE):
            return 0.0
        count = small.get(self._word(), 1.0)
        self.place += lead + 1
        if self._word() in ARTICLES:
            self.place += 1
        return count * parts[name]

    def _and_part(self, of: float) -> float:
        """Take "and a half", "et demi"; return the part of ``of``, 0 for none."""
        ahead = 2 if self._word(1) in ARTICLES else 1
        part = _PARTS[self.language].get(self._word(ahead), 0.0)
        if self._word() != _AND[self.language] or not part:
            return 0.0
        self.place += ahead + 1
        return part * of

    def _chunk(self) -> float:
        """Take a number below a thousand; return it, 0 for none."""
        value = self._below_hundred()
        if self._word() not in _HUNDRED[self.language]:
            return value
        self.place += 1
        value = (value or 1.0) * 100.0
        joined = self.language == "en" and self._word() == _AND[self.language] and self._belongs(1)
        self.place += int(joined)
        return value + (self._below_hundred() if joined or self._belongs(0) else 0.0)

    def _belongs(self, ahead: int) -> bool:
        """Return whether what follows ends this number: of "one hundred and two hundred" it begins another one."""
        rest = _Reader(self.words, self.place + ahead, self.language)
        if rest._word() in ARTICLES and self.language == "en":
            return False
        return bool(rest._below_hundred()) and rest._word() not in _HUNDRED[self.language]

    def _below_hundred(self) -> float:
        """Take a number below a hundred; return it, 0 for none."""
        word, small, tens = self._word(), _SMALL[self.language], _TENS[self.language]
        value, room, count = (*tens[word], 1) if word in tens else (small.get(word, 0.0), 0.0, int(word in small))
        if self.language == "fr" and word == "quatre" and self._word(1) in ("vingt", "vingts"):
            value, room, count = 80.0, 20.0, 2
        self.place += count
        ahead = int(self.language == "fr" and self._word() == "et" and self._word(1) in _UNIT_AFTER_AND)
        more = small.get(self._word(ahead), 0.0)
        if not 0 < more < room or (self._word(ahead) in ("a", "an")):
            return value
        self.place += ahead + 1
        return value + more

    def _scaled(self) -> bool:
        """Take "million" or "dozen", which multiplies all before it: "a thousand billion"."""
        size = {**SCALES[self.language], **COUNTED[self.language]}.get(self._word())
        if size is None:
            return False
        self.value, self.scale = (self.value or 1.0) * size, size
        self.place += 1
        return True

    def _smaller(self) -> bool:
        """Take what a smaller scale adds: one million two hundred thousand, mille deux cents."""
        joined = int(self.language == "en" and self._word() == "and")
        rest = _Reader(self.words, self.place + joined, self.language)
        if rest._word() in ARTICLES and self.language == "en":
            return False
        value = rest._chunk()
        size = {**SCALES[self.language], **COUNTED[self.language]}.get(rest._word(), 1.0)
        if not value or value * size >= self.scale or (joined and size > 1):
            return False
        self.value, self.scale, self.place = self.value + value * size, size, rest.place + int(size > 1)
        return True
