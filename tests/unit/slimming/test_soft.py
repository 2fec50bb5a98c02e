"""The soft drop: zero for the same answers, known for known probabilities, and none for what are no classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.slimming.proof.soft import soft_drop_bound

TARGETS = np.array([0, 1, 0, 1])
SURE = np.array([[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.2, 0.8]])


def test_the_same_answers_drop_nothing() -> None:
    assert soft_drop_bound(SURE, SURE, TARGETS) == 0.0


def test_a_drop_that_is_known() -> None:
    """Every right class loses a tenth, with no spread: the bound is the mean."""
    less = SURE - 0.1 * np.eye(2)[TARGETS] + 0.1 * np.eye(2)[1 - TARGETS]
    assert soft_drop_bound(SURE, less, TARGETS) == pytest.approx(0.1)


def test_probabilities_of_nothing_and_of_one_are_probabilities() -> None:
    """A model that is sure: taken for scores, its softmax would be 0.73 at most."""
    certain = np.eye(2)[TARGETS]
    assert soft_drop_bound(certain, SURE, TARGETS) == pytest.approx(0.15 + 3 * np.std([0.1, 0.1, 0.2, 0.2], ddof=1) / 2)
    assert soft_drop_bound(certain[:2], certain[:2], TARGETS[:2]) == 0.0


def test_the_bound_is_that_of_a_mean() -> None:
    drops = np.array([0.1, 0.0, 0.2, 0.0])
    less = SURE - drops[:, None] * np.eye(2)[TARGETS] + drops[:, None] * np.eye(2)[1 - TARGETS]
    wanted = drops.mean() + 3 * drops.std(ddof=1) / math.sqrt(4)
    assert soft_drop_bound(SURE, less, TARGETS) == pytest.approx(wanted)


@given(st.floats(-50, 50))
def test_scores_mean_what_their_softmax_says(shift: float) -> None:
    scores = np.log(SURE).astype(np.float32) + np.float32(shift)
    less = np.full_like(SURE, 0.5)
    assert soft_drop_bound(scores, np.zeros_like(scores), TARGETS) == pytest.approx(
        soft_drop_bound(SURE, less, TARGETS), abs=1e-4
    )


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        (SURE[:, 0], TARGETS),
        (SURE, TARGETS.astype(np.float32)),
        (SURE, np.array([0, 1, 2, 1])),
        (SURE, np.array([0, 1, -1, 1])),
        (SURE, TARGETS[:3]),
        (SURE[:, :1], np.zeros(4, np.int64)),
        (SURE[:1], TARGETS[:1]),
    ],
)
def test_what_are_no_classes_has_no_soft_drop(outputs: np.ndarray, targets: np.ndarray) -> None:
    assert soft_drop_bound(outputs, outputs, targets) is None
