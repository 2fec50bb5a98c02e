"""The ladder: what it tries in which order, with a lab that only keeps the time."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from twentywatts.comparison.bound import Verdict
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.trial import Score, Trial
from twentywatts.slimming.searching.ladder import AS_GIVEN, EPOCHS, climb
from twentywatts.slimming.searching.rungs import FLOAT, INT8, Rung

LIMIT = 0.02
CUTS = [Rung(cut=share, epochs=EPOCHS) for share in (0.5, 0.75, 0.625, 0.25, 0.375)]


def trial(rung: Rung, drop: float, packing: str = FLOAT) -> Trial:
    candidate = Candidate(content=(rung.key + packing).encode())
    score = Score(value=0.9, drop=drop, verdict=Verdict(keeps=None, bound=drop, sentence=""), sample_count=100)
    return Trial(rung=rung, floating=candidate, shipped=candidate, packing=packing, score=score)


def cuts_tried(left_s: float, loses: dict[float, float], wanted: list[Rung] | None = None) -> list[float]:
    """Return the cuts that were trained, where each takes ten seconds; loses: what each loses, else too much."""
    lab = SimpleNamespace(question=SimpleNamespace(goal=SimpleNamespace(max_drop=LIMIT)), making_s=0.0, tried_=[])
    lab.clock, lab.passed_over = SimpleNamespace(left_s=left_s), {}
    lab.usual_s = lambda rung: 10.0 if rung.epochs else 0.0

    def tried(rung: Rung, make: Any, time_s: float) -> list[Trial]:
        lab.tried_.append(rung)
        lab.clock.left_s -= lab.usual_s(rung)
        return [trial(rung, loses.get(rung.cut, 1.0)), trial(rung, 1.0, INT8)]

    lab.tried = tried
    told: list[float] = []
    climb(lab, lambda *_: None, [AS_GIVEN, *(wanted or CUTS)], lambda text, share: told.append(share))
    assert told == sorted(told), "progress goes forward"
    assert all(0 <= share < 1 for share in told)
    trained = [rung.cut for rung in lab.tried_ if rung.epochs]
    late = [Rung.of(key).cut for key in lab.passed_over]
    assert not set(trained) & set(late)
    assert set(trained) | set(late) >= {rung.cut for rung in wanted or CUTS}, "what was not tried is told"
    return trained


def test_with_time_for_all_the_order_stands() -> None:
    assert cuts_tried(100, {0.5: 0.0, 0.75: 0.0}) == [0.5, 0.75, 0.625, 0.25, 0.375]


def test_with_little_time_a_cut_that_has_room_is_followed_by_a_bolder_one() -> None:
    assert cuts_tried(41, {0.5: 0.0, 0.75: 0.01, 0.875: 0.0, 0.9375: 0.0}) == [0.5, 0.75, 0.875, 0.9375]
    assert cuts_tried(41, {0.5: 0.0, 0.75: 0.01, 0.875: 0.011}) == [0.5, 0.75, 0.875, 0.625]


def test_a_cut_without_room_is_followed_by_smaller_ones() -> None:
    assert cuts_tried(31, {0.5: 0.0, 0.75: 0.011}) == [0.5, 0.75, 0.625]
    assert cuts_tried(31, {}) == [0.5, 0.75, 0.625]


def test_cuts_of_another_kind_keep_their_place() -> None:
    other = [replace(rung, through_norms=True) for rung in CUTS[3:]]
    found = cuts_tried(45, {0.5: 0.0, 0.75: 0.0, 0.875: 1.0}, [*CUTS[:3], *other])
    assert found == [0.5, 0.75, 0.875, 0.25, 0.375], "the width of a transformer comes before a smaller cut"


def test_what_is_only_looked_at_changes_nothing() -> None:
    looks = [replace(rung, epochs=0) for rung in CUTS]
    assert cuts_tried(25, {rung.cut: 0.0 for rung in looks}, [*looks, *CUTS])[0] == 0.5
