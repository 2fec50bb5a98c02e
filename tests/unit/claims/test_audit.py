"""The audit: known claims get their verdict, factor and corrected sentence; the sets of sentences keep their scores."""

from __future__ import annotations

import csv
import sys

import pytest
from tests.support.repository import ROOT

from twentywatts.claims.audit import audit
from twentywatts.claims.facts import facts
from twentywatts.claims.terms import Audit, AuditVerdict, Finding

sys.path.insert(0, str(ROOT / "bench"))
from audit_texts import score
from fuzz_claims import fuzz


def the(audited: Audit, rule: str) -> Finding:
    """Return the only finding of a rule."""
    (finding,) = [finding for finding in audited.findings if finding.rule == rule]
    return finding


def test_ten_days_that_are_ten_months() -> None:
    found = audit("15.3 million H100 at 750 W for ten days use 84 billion kWh, a year of the Three Gorges dam")
    product = the(found, "product")
    assert product.verdict is AuditVerdict.OFF
    assert product.factor == pytest.approx(84e9 / (15.3e6 * 0.75 * 240))
    for words in ("30.5", "2.75 TWh", "22.9 kW", "10 months"):
        assert words in product.message
    assert product.corrected.count("2.75 TWh") == 1
    assert the(found, "dam").factor == pytest.approx(88.2e9 / (15.3e6 * 0.75 * 24) / 10)


def test_numbers_are_told_in_few_digits_and_without_powers_of_ten() -> None:
    fleet = audit("15.3 million H100 at 750 W for ten days use 84 billion kWh, a year of the Three Gorges dam.")
    assert "lasts 320 days" in the(fleet, "dam").message
    assert the(fleet, "product").arithmetic.startswith("15.3 million × 750 W × 240 h = 2.75 TWh")
    search = audit("A ChatGPT query uses ten times the electricity of a Google search, about 3 kWh.")
    assert the(search, "ratio").message.endswith("it is about 1.13.")
    # the number is the query's, not of the search that it is compared with
    assert the(search, "published").arithmetic.startswith("3 kWh / 340 mWh = 8,820; an average ChatGPT query")
    homes = audit("Training GPT-3 consumed 1,287 MWh, as much as 120 American homes use in a year.")
    assert "is 120 × a home" in the(homes, "equivalence").message


def test_a_headline_is_judged_once_the_text_tells_its_chips() -> None:
    headline = "仅仅十天的推理运算,就能消耗掉三峡大坝一年的发电量。"
    alone = audit(headline)
    assert the(alone, "headline").missing
    together = audit(headline + "需要1530万颗H100芯片,每颗功耗750W。")
    assert the(together, "dam").factor == pytest.approx(32.0, rel=0.01)


@pytest.mark.parametrize(
    ("text", "rule", "factor"),
    [
        ("训练GPT-3用了1300兆瓦时,大约相当于130个美国家庭每年消耗的电量。", "equivalence", 130 / (1300e3 / 10715)),
        ("An H100 takes 35 times the power of a brain.", "ratio", 1.0),
        ("Une heure de streaming consomme 0,8 kWh.", "published", 0.8 / 0.077),
        (
            "Training GPT-4 used 42 GWh, the daily electricity of 28,500 US homes.",
            "equivalence",
            28500 / (42e6 / 29.36),
        ),
        ("Training GPT-3 used 1,287 MWh, as much as 3,000 Teslas driving 200,000 miles each.", "equivalence", 140),
    ],
)
def test_factors_are_claimed_over_recomputed(text: str, rule: str, factor: float) -> None:
    assert the(audit(text), rule).factor == pytest.approx(factor, rel=0.03)


@pytest.mark.parametrize(
    ("wrong", "corrected"),
    [
        ("The brain runs on 20 watt-hours.", "The brain runs on 20 W."),
        ("Training GPT-3 consumed 1,287 MW.", "Training GPT-3 consumed 1.29 GWh."),
        ("In 2024, AI consumed 415 TWh worldwide.", "In 2024, all data centres consumed 415 TWh worldwide."),
        ("Le centre consommera 100 mégawatts par heure.", "Le centre consommera 100 MW."),
        ("每颗H100的功耗在700瓦时左右。", "每颗H100的功耗在700瓦左右。"),
        ("2018年数据中心约占全球能耗的1%。", "2018年数据中心约占全球用电的1%。"),
    ],
)
def test_the_corrected_sentence_is_in_the_same_language(wrong: str, corrected: str) -> None:
    (finding,) = audit(wrong).findings
    assert finding.corrected == corrected
    assert audit(corrected).count(AuditVerdict.UNIT_ERROR) == 0


@pytest.mark.parametrize(
    "text",
    [
        "She ran 20 miles in 3 hours.",
        "Le 12 mai 2024, 300 personnes ont voté.",
        "本文共有3条评论。",
        "GPT-3 has 175 billion parameters.",
        "The ramp of the plant is 300 MW per hour.",
        "",
        "\n\n...\n",
    ],
)
def test_what_is_no_claim_is_left_alone(text: str) -> None:
    assert not audit(text).findings


@pytest.mark.parametrize(
    "text",
    [
        "Google's data centers consumed 25 TWh in 2023.",
        "Data centers in Virginia used 34 TWh in 2023.",
        "The new data center used 300 GWh in 2025.",
        "阿里巴巴的数据中心2023年用电80亿千瓦时。",
        "Les centres de données de Microsoft ont consommé 24 TWh en 2023.",
    ],
)
def test_the_centres_of_one_company_or_place_are_not_held_against_the_world_s(text: str) -> None:
    (finding,) = audit(text).findings
    assert finding.verdict is AuditVerdict.NOT_CHECKABLE
    assert finding.missing


def test_what_is_not_understood_is_counted() -> None:
    assert audit("The kettle draws 2 kW. A bulb draws 9 W. It is red.").left_alone_count == 2


def test_slips_of_transcription_and_width_do_not_matter() -> None:
    assert audit("training a GP4 takes ４１，０００ megawatt hours,, they say").findings[0].verdict == "consistent"
    assert audit("訓練GPT-3大約消耗了1287兆瓦時(fā)的電力,。").findings[0].verdict == "consistent"


@pytest.mark.parametrize("name", ["development", "heldout"])
def test_the_sets_of_sentences_keep_their_scores(name: str) -> None:
    found = score(name)
    assert found["claims"] >= 60
    assert found["precision"] >= 0.95
    assert found["recall"] >= 0.85


def test_the_sets_hold_three_languages_and_no_sentence_twice() -> None:
    rows = []
    for name in ("development", "heldout"):
        with (ROOT / "bench" / "data" / f"audit_{name}.csv").open(encoding="utf-8", newline="") as file:
            rows += list(csv.DictReader(file))
    assert len(rows) == len({row["text"] for row in rows}) >= 120
    assert {row["lang"] for row in rows} == {"en", "fr", "zh"}
    verdicts = {str(verdict) for verdict in AuditVerdict} | {"none"}
    assert {row["verdict"] for row in rows} <= verdicts
    assert sum(row["verdict"] not in ("consistent", "none") for row in rows) > len(rows) / 2


def test_garbled_texts_raise_nothing() -> None:
    assert fuzz(200, seed=1) > 50


def test_every_fact_has_a_label_in_three_languages_and_an_entity_that_is_known() -> None:
    from twentywatts.claims.lexicon import table

    known = {*table("audit_entities")["entities"], "country"}
    for fact in facts().values():
        assert set(fact.label) == {"en", "fr", "zh"}, fact.key
        assert fact.entity in known, fact.key
        assert fact.unit in ("J", "W", "1"), fact.key


def test_every_template_and_statement_speaks_three_languages() -> None:
    from twentywatts.claims.lexicon import table
    from twentywatts.figures import load_sources

    for name, entry in table("audit_statements")["statements"].items():
        assert set(entry["text"]) == {"en", "fr", "zh"}, name
        assert set(entry["sources"]) <= load_sources().keys(), name
        AuditVerdict(entry["verdict"])
    for name, entry in table("audit_words").items():
        groups = [entry] if "en" in entry else list(entry.values())
        assert all(set(group) == {"en", "fr", "zh"} for group in groups), name


@pytest.mark.parametrize(
    "text",
    [
        "A ChatGPT query uses ten times the electricity of a Google search, about 3 kWh.",
        "Compared with a Google search, a ChatGPT query uses ten times as much, about 3 kWh.",
        "Une requête ChatGPT consomme dix fois plus qu'une recherche Google, environ 3 kWh.",
        "ChatGPT一次查询的用电量是谷歌搜索的十倍,约3千瓦时。",
    ],
)
def test_what_follows_a_comparison_is_told_of_its_subject(text: str) -> None:
    finding = the(audit(text), "published")
    assert finding.sources == ("altman2025",)  # the query's figure
    assert finding.factor == pytest.approx(3000 / 0.34, rel=0.01)
