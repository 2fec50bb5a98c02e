"""The work of an audit grows like its text, and no sentence makes it grow faster: calls are counted, not seconds."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from twentywatts.claims.audit import audit

ARTICLE = (
    "Training GPT-3 took 1,287 MWh, which is what 120 homes use in a year. A ChatGPT query takes ten times what a "
    "Google search takes, about 3 Wh.\nData centres used 460 TWh in 2022; nobody knows the share of AI. "
)
DENSE = {
    "quantities": "5 kWh and 6 kWh and 7 GPU and 8 homes ",
    "names": "GPT-3 GPT-4 H100 A100 Google Netflix 3 ",
    "digits": "12 34 56 ",
    "words": "one hundred and two thousand and three ",
    "ratios": "ten times a Google search and 3 Wh ",
}


def calls(text: str) -> int:
    """Return how many functions an audit calls, those of the interpreter with them."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        audit(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("text", [ARTICLE, *(f"{part * 8}.\n" for part in DENSE.values())])
def test_a_text_four_times_as_long_takes_four_times_the_work(text: str) -> None:
    audit(text)  # tables are read once
    assert calls(text * 32) < 4.4 * calls(text * 8)


@pytest.mark.parametrize("part", DENSE.values(), ids=DENSE)
def test_a_long_sentence_takes_its_share_and_no_more(part: str) -> None:
    audit(part)
    once, four_times = (calls(part * (size // len(part))) for size in (450, 1800))
    assert four_times < 10 * once  # of pairs of everything it would be sixteen times


def test_rules_and_dots_between_sentences_are_none() -> None:
    assert audit(". . . --- *** \n\n" * 1000).sentence_count == 0
    assert calls(". . . . " * 1000) < 20 * 4000
