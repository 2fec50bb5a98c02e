"""What a form loses is counted in answers: as a difference of shares ten of a thousand are more than one point."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Bench, Goal, Outcome
from twentywatts.comparison.split import Parts
from twentywatts.readers.samples import Samples

NOTHING: Any = None


def outcome(*draws: np.ndarray) -> Outcome:
    held = np.stack(draws) if len(draws) > 1 else None
    return Outcome(outputs=draws[0], draws=held, workload=NOTHING, notes=())


def bench(reference: np.ndarray, targets: np.ndarray, metric: str) -> Bench:
    samples = Samples(name="d", inputs={"x": targets}, targets=targets)
    goal, given_outcome = Goal(metric=metric_of(metric), max_drop=0.01), outcome(reference)
    return Bench(
        network=NOTHING,
        counts=NOTHING,
        parts=Parts(tuning=samples.take(np.arange(1)), reported=samples, sentence=""),
        goal=goal,
        scenario=NOTHING,
        reference=NOTHING,
        tuned=outcome(reference[:1]),
        reported=given_outcome,
    )


def answers(right: int, count: int) -> np.ndarray:
    """Scores of two classes, the first ``right`` of which hit class 1."""
    return np.eye(2)[(np.arange(count) < right).astype(int)]


@given(st.integers(1, 1500), st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_the_drop_is_a_count_over_a_count(count: int, shares: list[float]) -> None:
    before, *after = (round(share * count) for share in shares)
    found = bench(answers(before, count), np.ones(count, int), "accuracy").drop(
        outcome(*(answers(right, count) for right in after))
    )
    wanted = Fraction(before, count) - Fraction(sum(after), count * len(after))
    assert found == float(wanted)


def test_ten_of_a_thousand_are_one_point() -> None:
    held = bench(answers(986, 1000), np.ones(1000, int), "accuracy")
    assert 0.986 - 0.976 > 0.01
    assert held.drop(outcome(answers(976, 1000))) == 0.01
    assert held.drop(outcome(answers(1000, 1000))) == -0.014


def test_of_an_error_more_is_a_loss() -> None:
    values = np.arange(8.0)
    held = bench(values[:, None] + 1, values, "mean-error")
    assert held.drop(outcome(values[:, None] + 3)) == pytest.approx(2.0)
    assert held.drop(outcome(values[:, None], values[:, None] + 1)) == pytest.approx(-0.5)
