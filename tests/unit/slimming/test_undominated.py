"""The front: nobody on it is beaten, and whoever is left out is."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twentywatts.slimming.undominated import undominated

_pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)))


@given(_pairs)
def test_whoever_is_left_out_is_beaten_or_equalled_by_somebody_on_the_front(pairs: list[tuple[int, int]]) -> None:
    front = undominated(pairs, cost=lambda one: one[0], loss=lambda one: one[1])
    assert front == sorted(set(front))
    for cost, loss in pairs:
        assert (cost, loss) in front or any(one[0] <= cost and one[1] <= loss for one in front)
    assert not any(a != b and a[0] <= b[0] and a[1] <= b[1] for a in front for b in front)


@given(_pairs)
def test_equals_in_loss_stay_where_that_is_asked_for(pairs: list[tuple[int, int]]) -> None:
    front = undominated(pairs, cost=lambda one: one[0], loss=lambda one: one[1], with_equals=True)
    least = min((loss for _, loss in pairs), default=0)
    assert front.count((0, 0)) == pairs.count((0, 0))
    assert sum(loss == least for _, loss in front) == sum(loss == least for _, loss in pairs)
    assert all(before[1] >= after[1] for before, after in pairwise(front))
