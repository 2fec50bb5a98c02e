"""Small words of the reports: plurals, long names, times of a battery, causes that are small."""

from __future__ import annotations

from typing import Any

from twentywatts.reports.always_on import days_text
from twentywatts.reports.audit import summary
from twentywatts.reports.charts import wrapped_text
from twentywatts.reports.estimate import brackets_text, causes_text
from twentywatts.reports.html import table
from twentywatts.reports.sections import heading


def audited(alone: int = 0, **verdicts: int) -> dict[str, Any]:
    return {"verdicts": verdicts, "sentence_count": 3, "left_alone_count": alone}


def causes(**energies_j: float) -> dict[str, Any]:
    return {"causes": [{"cause": name, "energy_j": {"mid": value}} for name, value in energies_j.items()]}


def test_an_audit_counts_in_plurals() -> None:
    assert summary(audited(unit_error=2, stale=2)) == "3 sentences: 2 unit errors, 2 stale."
    assert summary(audited(unit_error=1, alone=1)) == "3 sentences: 1 unit error; 1 with a number left alone."


def test_a_battery_lasts_minutes_or_days() -> None:
    assert days_text({"low": 0.0024, "mid": 0.0052, "high": 0.012}) == "7.49 min (3.5–17)"
    assert days_text({"low": 8.7, "mid": 14.6, "high": 22.0}) == "14.6 days (8.7–22)"


def test_a_long_name_takes_several_lines_and_stays_text() -> None:
    assert wrapped_text("power usage effectiveness of the data centre", 26) == (
        "power usage effectiveness<br>of the data centre"
    )
    assert wrapped_text("<b> & co", 26) == "&lt;b&gt; &amp; co"
    assert wrapped_text("word " * 40, 26).count("<br>") == 2


def test_a_small_cause_is_told_where_causes_are() -> None:
    assert causes_text(causes(unsplit=93.0, static=7.0)) == "other 93 %, static 7 %"
    assert causes_text(causes(unsplit=93.0)) == ""


def test_two_speeds_are_explained_where_there_are_two() -> None:
    assert "per user" in brackets_text({"rows": [{"unit": "token"}]})
    assert brackets_text({"rows": [{"unit": "image"}]}) == "Brackets hold 90 % intervals."


def test_a_heading_begins_large_and_a_table_needs_no_caption() -> None:
    assert heading("share of MFU") == "Share of MFU"
    assert "<caption>" not in table("", ["a", "b"], [("1", "2")])
