"""Numbers, units, sentences and pages as they come."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.claims.numerals import numerals_in
from twentywatts.claims.parse import parsed
from twentywatts.claims.reading import MAX_BYTES, html_text, read_text_file, text_of_bytes
from twentywatts.claims.sentences import cut, fold, language_of
from twentywatts.errors import InputError


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("1,287", "en", 1287),
        ("1,5", "fr", 1.5),
        ("1.300", "fr", 1300),
        ("1.300", "en", 1.3),
        ("1 287", "fr", 1287),
        ("1'287'000", "en", 1287000),
        ("1.234,5", "fr", 1234.5),
        ("84 billion", "en", 84e9),
        ("2 billions", "fr", 2e12),
        ("88 milliards", "fr", 88e9),
        ("3.5e6", "en", 3.5e6),
        ("2 x 10^9", "en", 2e9),
        ("1530万", "zh", 15.3e6),
        ("1.5万亿", "zh", 1.5e12),
        ("一千五百三十万", "zh", 15.3e6),
        ("三点五", "zh", 3.5),
        ("百分之二十", "zh", 0.2),
        ("une vingtaine", "fr", 20),
        ("a third", "en", 1 / 3),
    ],
)
def test_numbers_in_three_languages(text: str, language: str, value: float) -> None:
    (numeral,) = numerals_in(text, language)
    assert numeral.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "dimension", "value", "per"),
    [
        ("It used 1,300 MWh.", "energy", 1300 * 3.6e9, ""),
        ("It used 5 megawatt-hours per day.", "energy", 5 * 3.6e9, "day"),
        ("Il faut 12 gigawattheures par an.", "energy", 12 * 3.6e12, "year"),
        ("Il faut 3 kilowatts-heures.", "energy", 3 * 3.6e6, ""),
        ("耗电50万千瓦时。", "energy", 5e5 * 3.6e6, ""),
        ("耗电840亿kW*h。", "energy", 84e9 * 3.6e6, ""),
        ("用了28.8万度电。", "energy", 2.88e5 * 3.6e6, ""),
        ("功率100兆瓦。", "power", 100e6, ""),
        ("5百万瓦的功率。", "power", 5e6, ""),
        ("It draws 65 mW.", "power", 0.065, ""),
        ("It is a 65-mW chip.", "power", 0.065, ""),
        ("It is a 65-MW site.", "power", 65e6, ""),
        ("A spike costs 0.9 pJ there.", "energy", 0.9e-12, ""),
        ("The country used 12 PJ.", "energy", 12e15, ""),
        ("The world uses 600 EJ.", "energy", 600e18, ""),
        ("It takes 15 nJ there.", "energy", 15e-9, ""),
        ("It takes 6.6 µJ there.", "energy", 6.6e-6, ""),
        ("It takes 6.6 uJ there.", "energy", 6.6e-6, ""),
        ("It takes 20 femtojoules there.", "energy", 20e-15, ""),
        ("The chip draws 93 microwatts.", "power", 93e-6, ""),
        ("La puce consomme 93 microwatts.", "power", 93e-6, ""),
        ("芯片功率为93微瓦。", "power", 93e-6, ""),
        ("The site used 20 mwh.", "energy", 20e6 * 3600, ""),
        ("It draws 65 MW.", "power", 65e6, ""),
        ("85 to 134 TWh were used.", "energy", (85 * 134) ** 0.5 * 3.6e15, ""),
    ],
)
def test_units_in_three_languages(text: str, dimension: str, value: float, per: str) -> None:
    (quantity,) = parsed(text, 0).quantities
    assert (quantity.dimension, quantity.per) == (dimension, per)
    assert quantity.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("They used 2 to 3 million kWh.", 2e6, 3e6),
        ("They used between 0.5 and 1 million kWh.", 0.5e6, 1e6),
        ("They used 500 to 1,000 million kWh.", 500e6, 1e9),
        ("They used 800,000 to 1 million kWh.", 0.8e6, 1e6),
        ("They used 2 million to 3 million kWh.", 2e6, 3e6),
        ("They used 50 to 60 kWh.", 50, 60),
        ("Il faut 2 à 3 milliards de kWh.", 2e9, 3e9),
        ("耗电2至3亿千瓦时。", 2e8, 3e8),
    ],
)
def test_a_scale_word_at_the_end_of_a_range_is_of_both_ends(text: str, low: float, high: float) -> None:
    (quantity,) = parsed(text, 0).of("energy")
    assert (quantity.low / 3.6e6, quantity.high / 3.6e6) == pytest.approx((low, high))


def test_a_year_and_a_name_count_nothing() -> None:
    assert [item.dimension for item in parsed("In 2023 GPT-3 met the H100.", 0).quantities] == ["year"]


def test_counts_know_their_noun() -> None:
    (chips,) = parsed("便需要1530万颗H100芯片", 0).of("count")
    assert (chips.noun, chips.value) == ("h100", 15.3e6)
    (homes,) = parsed("enough for 4,000 homes in the USA", 0).of("count")
    assert homes.noun == "home"


@pytest.mark.parametrize(
    ("text", "language"),
    [("人脑只有20瓦", "zh"), ("The brain uses 20 W.", "en"), ("Le cerveau consomme 20 W.", "fr"), ("", "en")],
)
def test_the_language_of_a_sentence(text: str, language: str) -> None:
    assert language_of(text) == language


def test_sentences_end_where_they_end() -> None:
    assert list(cut("It uses 3.5 kWh. 完了。Dr. No said so!\nNext")) == [
        "It uses 3.5 kWh.",
        "完了。",
        "Dr. No said so!",
        "Next",
    ]


@given(st.text(max_size=400))
def test_cutting_loses_nothing_but_blanks(text: str) -> None:
    assert "".join("".join(cut(text)).split()) == "".join(text.split())


@given(st.text(max_size=200))
def test_folding_keeps_the_length(text: str) -> None:
    assert len(fold(text)) == len(text)


def test_a_page_is_read_as_its_text() -> None:
    page = "<!doctype html><html><head><title>T</title><style>p{}</style></head><body><nav>20 W</nav>"
    page += "<p>It uses&nbsp;5 W.</p><script>x=1</script><div>and <b>more</b></div></body></html>"
    assert html_text(page).splitlines() == ["T", "It uses 5 W.", "and more"]
    assert "script" not in html_text("<body><p>cut <scr")


def test_a_navigation_that_never_ends_hides_no_more_than_its_parent() -> None:
    assert "20 W" in html_text("<body><main><nav>menu</main><p>20 W</p></body>")


def test_files_of_any_encoding_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "gb18030"):
        path = tmp_path / encoding
        path.write_bytes("人脑的功率是20瓦。".encode(encoding))
        assert "20瓦" in read_text_file(path)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_text_file(tmp_path / "nothing.txt")
    with pytest.raises(InputError, match="is no text"):
        text_of_bytes(b"\xff\x00\xd8\x00\x80" * 10, name="picture.jpg")
    with pytest.raises(InputError, match="at most"):
        text_of_bytes(b"a" * (MAX_BYTES + 1), name="long.txt")
