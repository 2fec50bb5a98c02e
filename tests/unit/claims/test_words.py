"""Numbers in words: every number up to a million read back, halves, dozens and ranges, in three languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.claims.parse import parsed
from twentywatts.claims.words import spoken_numbers

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
ONES = [*f"{_ONES} eighteen nineteen".split()]
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_UNS = "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit"
UNS = [*f"{_UNS} dix-neuf".split()]
DIXES = "vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt".split()


def english(number: int) -> str:
    if number < 20:
        return ONES[number - 1]
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{ONES[number % 10 - 1]}" if number % 10 else "")
    if number < 1000:
        return f"{english(number // 100)} hundred" + (f" and {english(number % 100)}" if number % 100 else "")
    rest = number % 1000
    return f"{english(number // 1000)} thousand" + (f" {english(rest)}" if rest else "")


def french(number: int) -> str:
    if number < 20:
        return UNS[number - 1]
    if number < 100:
        ten, rest = DIXES[number // 10 - 2], number - {7: 60, 9: 80}.get(number // 10, number // 10 * 10)
        join = " et " if rest in (1, 11) and number < 80 else "-"
        return ten + (f"{join}{french(rest)}" if rest else "")
    if number < 1000:
        head = "cent" if number < 200 else f"{french(number // 100)} cent"
        return head + (f" {french(number % 100)}" if number % 100 else "")
    head = "mille" if number < 2000 else f"{french(number // 1000)} mille"
    return head + (f" {french(number % 1000)}" if number % 1000 else "")


@given(number=st.integers(1, 999_999), language=st.sampled_from(["en", "fr"]))
def test_a_number_is_read_back_whole(number: int, language: str) -> None:
    words = english(number) if language == "en" else french(number)
    read = list(spoken_numbers(f"about {words} homes", language))
    assert [item.value for item in read] == [number], words
    assert read[0].end == len(f"about {words}")


def quantities(text: str) -> list[tuple[str, float, float, str]]:
    return [(item.dimension, item.low, item.high, item.noun) for item in parsed(text, 0).quantities]


KWH = 3.6e6


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Training took two to three million kWh.", [("energy", 2e6 * KWH, 3e6 * KWH, "")]),
        ("It is between two and three million kWh.", [("energy", 2e6 * KWH, 3e6 * KWH, "")]),
        ("That is half a million homes.", [("count", 5e5, 5e5, "home")]),
        ("It would feed a dozen homes.", [("count", 12, 12, "home")]),
        ("It would feed two dozen homes.", [("count", 24, 24, "home")]),
        ("Training took one and a half million kWh.", [("energy", 1.5e6 * KWH, 1.5e6 * KWH, "")]),
        ("That is a million and a half homes.", [("count", 1.5e6, 1.5e6, "home")]),
        ("It takes a kilowatt-hour and a half.", [("energy", 1.5 * KWH, 1.5 * KWH, "")]),
        ("It takes three quarters of a kWh.", [("energy", 0.75 * KWH, 0.75 * KWH, "")]),
        ("It takes twenty-five kWh.", [("energy", 25 * KWH, 25 * KWH, "")]),
        ("It feeds ten to fifteen thousand homes.", [("count", 1e4, 1.5e4, "home")]),
        ("It feeds two hundred and fifty homes.", [("count", 250, 250, "home")]),
        ("It feeds between one hundred and two hundred homes.", [("count", 100, 200, "home")]),
        ("It takes zero point three watt-hours.", []),
        ("L’entraînement consomme deux à trois millions de kWh.", [("energy", 2e6 * KWH, 3e6 * KWH, "")]),
        ("C’est la consommation d’un demi-million de foyers.", [("count", 5e5, 5e5, "home")]),
        ("C’est la consommation d’une douzaine de foyers.", [("count", 12, 12, "home")]),
        ("L’entraînement consomme un million et demi de kWh.", [("energy", 1.5e6 * KWH, 1.5e6 * KWH, "")]),
        ("Cela consomme un kilowattheure et demi pour une image.", [("energy", 1.5 * KWH, 1.5 * KWH, "")]),
        ("Cela consomme quatre-vingt-dix kWh dans la journée.", [("energy", 90 * KWH, 90 * KWH, "")]),
        ("训练耗电两到三百万千瓦时。", [("energy", 2e6 * KWH, 3e6 * KWH, "")]),
        ("训练耗电一点五亿千瓦时。", [("energy", 1.5e8 * KWH, 1.5e8 * KWH, "")]),
        ("一次查询耗电半度电。", [("energy", 0.5 * KWH, 0.5 * KWH, "")]),
    ],
)
def test_halves_dozens_and_ranges_in_words(text: str, wanted: list[tuple[str, float, float, str]]) -> None:
    found = quantities(text)
    assert [(item[0], item[3]) for item in found] == [(item[0], item[3]) for item in wanted]
    for item, goal in zip(found, wanted, strict=True):
        assert item[1:3] == pytest.approx(goal[1:3])


def test_a_third_of_a_list_is_no_number() -> None:
    assert [item.value for item in spoken_numbers("the third quarter of the second year", "en")] == []
    assert [item.value for item in spoken_numbers("one of them, and a few others", "en")] == [1, 1]
