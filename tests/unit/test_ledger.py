"""Ledger: totals, evidence, shares and sources by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twentywatts.figures import Boundary, Evidence
from twentywatts.ledger import Cause, Entry, Ledger
from twentywatts.uncertain import Interval, Spread, lognormal


def spread(mid: float, key: str = "k", *, draws: int = 200) -> Spread:
    return Spread(lognormal(key, Interval(low=mid / 2, mid=mid, high=mid * 3), draws=draws, seed=0))


def entry(part: str, cause: Cause, mid: float, *, evidence: Evidence = Evidence.MODELLED, source: str = "s") -> Entry:
    return Entry(
        part=part,
        cause=cause,
        energy_j=spread(mid, f"{part}.{cause}"),
        scope=Boundary.CHIP,
        evidence=evidence,
        sources=(source,),
    )


def ledger(*entries: Entry) -> Ledger:
    return Ledger(machine="m", per="inference", boundary=Boundary.DEVICE, entries=entries, latency_s=spread(1.0, "t"))


FOUR = ledger(
    entry("fc2", Cause.STATIC, 4.0, source="z"),
    entry("fc1", Cause.COMPUTE, 1.0, source="a"),
    entry("fc1", Cause.MEMORY, 2.0, evidence=Evidence.GUESSED, source="a"),
    entry("fc2", Cause.COMPUTE, 3.0, evidence=Evidence.WALL_METER),
)


def test_totals_by_hand() -> None:
    assert FOUR.energy_j.mid == 10.0
    assert {part: found.mid for part, found in FOUR.by_part().items()} == {"fc2": 7.0, "fc1": 3.0}
    assert {cause: found.mid for cause, found in FOUR.by_cause().items()} == {
        Cause.COMPUTE: 4.0,
        Cause.MEMORY: 2.0,
        Cause.STATIC: 4.0,
    }


def test_causes_keep_the_order_of_the_list_and_parts_that_of_appearance() -> None:
    assert list(FOUR.by_cause()) == [Cause.COMPUTE, Cause.MEMORY, Cause.STATIC]
    assert list(FOUR.by_part()) == ["fc2", "fc1"]


def test_a_total_is_as_good_as_its_weakest_part() -> None:
    assert FOUR.evidence is Evidence.GUESSED
    assert ledger(*(e for e in FOUR.entries if e.evidence > 0)).evidence is Evidence.MODELLED


def test_a_guess_without_joules_does_not_weaken_the_rest() -> None:
    nothing = Entry(
        part="x",
        cause=Cause.HOST,
        energy_j=spread(1.0) * 0.0,
        scope=Boundary.SYSTEM,
        evidence=Evidence.GUESSED,
    )
    assert ledger(FOUR.entries[0], nothing).evidence is Evidence.MODELLED


def test_the_share_that_is_guessed() -> None:
    assert FOUR.guessed_frac == pytest.approx(0.2)
    assert ledger(FOUR.entries[0]).guessed_frac == 0.0


def test_shares_and_evidence_do_not_depend_on_how_few_joules_they_are_of() -> None:
    """An inference takes microjoules: no total is so small that its guesses vanish."""
    tiny = ledger(*(replace(entry, energy_j=entry.energy_j * 1e-9) for entry in FOUR.entries))
    assert tiny.evidence is Evidence.GUESSED
    assert tiny.guessed_frac == pytest.approx(0.2)
    assert [tiny.guessed_frac_of(cause) for cause in (Cause.MEMORY, Cause.COMPUTE, Cause.HOST)] == [1.0, 0.0, 0.0]
    half = ledger(*tiny.entries, entry("fc2", Cause.MEMORY, 2e-9))
    assert half.guessed_frac_of(Cause.MEMORY) == pytest.approx(0.5)
    assert str(tiny).endswith("L0: compute 40 %, memory 20 %, static 40 %")


def test_sources_are_sorted_and_stand_once() -> None:
    assert FOUR.sources == ("a", "s", "z")


def test_an_account_without_entries_is_nothing_and_guessed() -> None:
    empty = ledger()
    assert (empty.energy_j.mid, empty.evidence, empty.guessed_frac) == (0.0, Evidence.GUESSED, 0.0)
    assert (empty.by_cause(), empty.by_part(), empty.sources) == ({}, {}, ())


def test_a_ledger_against_itself_is_exactly_one() -> None:
    interval = FOUR.ratio(FOUR).interval
    assert (interval.low, interval.mid, interval.high) == pytest.approx((1, 1, 1), abs=1e-12)


def test_an_account_prints_in_one_line() -> None:
    text = str(FOUR)
    assert text.startswith("10 J (")
    assert text.endswith("per inference on m, boundary device, L0: compute 40 %, memory 20 %, static 40 %")
    assert str(ledger()).endswith("nothing spent")
