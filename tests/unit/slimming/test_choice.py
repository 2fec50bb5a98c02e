"""Choosing: nothing dominated is on the front, and the guard is asked from the safest to the cheapest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.comparison.bound import Verdict
from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.trial import Score, Trial, score_of
from twentywatts.slimming.searching.choice import asking_order, cost_of, front, likely
from twentywatts.slimming.searching.rungs import FLOAT, Rung


def trial(place: int, saving: float, drop: float, idle: str = "") -> Trial:
    candidate = Candidate(content=str(place).encode())
    verdict = Verdict(keeps=None, bound=drop + 0.01, sentence="")
    score = Score(value=1 - drop, drop=drop, verdict=verdict, sample_count=100)
    return Trial(
        rung=Rung(seed=place),
        floating=candidate,
        shipped=candidate,
        packing=FLOAT,
        score=score,
        saving=saving,
        idle=idle,
    )


_pairs = st.tuples(st.floats(0.2, 8.0), st.floats(-0.02, 0.2))
_trials = st.lists(_pairs, min_size=1, max_size=12).map(
    lambda pairs: [trial(place, saving, drop) for place, (saving, drop) in enumerate(pairs)]
)


@given(_trials)
def test_no_other_beats_what_is_on_the_front(trials: list[Trial]) -> None:
    for kept in front(trials):
        for other in trials:
            is_cheaper = cost_of(other) < cost_of(kept)
            assert not (is_cheaper and other.score.verdict.bound < kept.score.verdict.bound)


@given(_trials)
def test_the_guard_is_asked_from_safe_to_cheap_and_only_where_it_pays(trials: list[Trial]) -> None:
    order = asking_order(trials, 0.05)
    costs = [cost_of(one) for one in order]
    bounds = [one.score.verdict.bound for one in order]
    assert all(cost < 1 for cost in costs)
    assert costs == sorted(costs, reverse=True)
    assert bounds == sorted(bounds)
    assert all(one.score.drop <= 0.05 for one in order)


def test_of_equals_in_safety_the_dearer_is_asked_first() -> None:
    safe, cheap = trial(0, 2.0, 0.0), trial(1, 4.0, 0.0)
    assert asking_order([cheap, safe], 0.01) == [safe, cheap]


def test_each_that_is_asked_saves_a_tenth_of_the_one_before() -> None:
    """Ever less safe and cheaper: 0.8 of the model as given, 0.75 (saves too little on it), 0.7, and 0.63 exactly."""
    savings = (1 / 0.8, 1 / 0.75, 1 / 0.7, 1 / (0.9 * 0.7))
    trials = [trial(place, saving, place / 1000) for place, saving in enumerate(savings)]
    assert asking_order(trials, 0.05) == [trials[0], trials[2]]
    assert not asking_order([trial(9, 1.0, 0.0)], 0.05)


def test_what_was_not_timed_is_not_asked_beside_what_was() -> None:
    """The search ended before it was: its size in bytes is no share of a time."""
    timed, other = trial(0, 2.0, 0.0), replace(trial(1, 2.0, -0.01), saving=None)
    assert asking_order([timed, other], 0.05) == [timed]
    assert asking_order([other], 0.05) == [other]


def test_what_did_nothing_is_never_chosen() -> None:
    idle, good = trial(0, 3.0, 0.0, idle="every weight has the shape that it had"), trial(1, 2.0, 0.0)
    assert likely([idle, good], 0.01) == [good]
    assert asking_order([idle, good], 0.01) == [good]


def test_a_soft_drop_orders_where_counts_tell_nothing_apart() -> None:
    """Both lost nothing on the search samples; the cheaper one has hardly moved, so the dearer is not worth asking."""
    moved, close = replace(trial(0, 2.0, 0.0), risk=0.02), replace(trial(1, 4.0, 0.0), risk=0.001)
    assert asking_order([moved, close], 0.01) == [close]
    closer = replace(moved, risk=0.0005)
    assert asking_order([closer, close], 0.01) == [closer, close]


@given(st.integers(50, 1500), st.integers(1, 10), st.data())
def test_what_loses_just_the_limit_is_within_it(count: int, percent: int, data: st.DataObject) -> None:
    """As a difference of shares 986 and 976 right answers of a thousand are 0.010000000000000009 apart."""
    allowed = count * percent // 100
    before = data.draw(st.integers(allowed, count))
    answers = (np.arange(count) < right for right in (before, before - allowed))
    outputs = [np.stack([~flags, flags], axis=1).astype(np.float32) for flags in answers]
    goal = Goal(metric=metric_of("accuracy"), max_drop=percent / 100)
    found = replace(trial(0, 2.0, 0.0), score=score_of(goal, *outputs, np.ones(count, dtype=np.int64)))
    assert likely([found], goal.max_drop) == [found]
    more = replace(found, score=replace(found.score, drop=(allowed + 1) / count))
    assert not likely([more], goal.max_drop)


def test_an_unlucky_draw_of_search_samples_is_no_reason_not_to_ask() -> None:
    """Of 14 lost and 1 gained the standard error is 3.9: 13 of 1000 may be 9.1 of 1000, but not 5."""
    one = trial(0, 2.0, 0.013)
    seen = replace(one, score=replace(one.score, lost=14, gained=1, sample_count=1000))
    assert asking_order([seen], 0.0092) == [seen]
    assert not asking_order([seen], 0.0091)
    assert not likely([seen], 0.0092)
    assert not asking_order([one], 0.0129), "a metric that is no share has no counts, and no luck that they tell"
