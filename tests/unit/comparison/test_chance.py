"""A model that does not beat a constant answer is told, whatever the metric; one that does is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from twentywatts.comparison.chance import chance_note, constant_answer
from twentywatts.comparison.metrics import metric_of

DRAW = np.random.default_rng(3)


def scores(right: NDArray[np.bool_], targets: NDArray[np.int64], classes: int = 4) -> NDArray[np.float64]:
    """Outputs that are right where they are said to be."""
    answers = np.where(right, targets, (targets + 1) % classes)
    return np.eye(classes)[answers]


def test_a_model_that_answers_by_the_dice_is_at_chance_and_the_majority_is_told() -> None:
    targets = DRAW.choice(3, size=400, p=[0.6, 0.2, 0.2])
    said = chance_note(metric_of("accuracy"), DRAW.normal(size=(400, 3)), targets, max_drop=0.01)
    assert said.startswith("AT CHANCE: the model as given is worse than one constant answer")
    assert f"always answering class 0 scores {100 * (targets == 0).mean():.1f} %" in said


def test_a_good_model_says_nothing_even_on_few_samples() -> None:
    targets = np.arange(40) % 4
    assert chance_note(metric_of("accuracy"), scores(targets >= 0, targets), targets, max_drop=0.01) == ""


@pytest.mark.parametrize("right_count", range(20, 61, 4))
def test_it_agrees_with_an_exact_sign_test_on_the_samples_that_differ(right_count: int) -> None:
    """Sixty samples of class 1 against sixty of class 0, which the constant has right and the model too."""
    targets = np.repeat([0, 1], [61, 60])
    right = np.concatenate([np.ones(61, bool), np.arange(60) < right_count])
    right[:15] = False
    gained, lost = right_count, 15
    p_value = binomtest(gained, gained + lost, alternative="greater").pvalue
    said = chance_note(metric_of("accuracy"), scores(right, targets, 2), targets, max_drop=0.0)
    if p_value < 0.02:
        assert "AT CHANCE" not in said
    if p_value > 0.08:
        assert "AT CHANCE" in said


def test_where_samples_are_too_few_to_tell_more_are_asked_for() -> None:
    """Six samples of one class, all right: no constant can be beaten, and nothing need be wrong with the model."""
    few = np.ones(6, int)
    assert "or give more samples" in chance_note(metric_of("accuracy"), scores(few > 0, few, 2), few)
    many = np.repeat([0, 1], 50)
    said = chance_note(metric_of("accuracy"), scores(many < 0, many, 2), many)
    assert said.startswith("AT CHANCE: the model as given is worse than one constant answer")
    assert "more samples" not in said


def test_a_limit_that_a_constant_would_pass_is_told() -> None:
    targets = np.repeat([0, 1, 2, 3], [400, 200, 200, 200])
    outputs = scores(DRAW.random(1000) < 0.7, targets)
    assert chance_note(metric_of("accuracy"), outputs, targets, max_drop=0.02) == ""
    said = chance_note(metric_of("accuracy"), outputs, targets, max_drop=0.4)
    assert said.startswith("TOO WIDE A LIMIT: always answering class 0 scores 40.0 %")


@pytest.mark.parametrize(("metric", "good"), [("top-2", 0.95), ("f1", 0.95)])
def test_other_shares_are_held_against_the_constant_too(metric: str, good: float) -> None:
    targets = np.repeat([0, 1, 2, 3], [40, 30, 20, 10])
    best = scores(DRAW.random(100) < good, targets)
    assert chance_note(metric_of(metric), best, targets, max_drop=0.01) == ""
    said = chance_note(metric_of(metric), DRAW.normal(size=(100, 4)), targets, max_drop=0.01)
    assert said.startswith("AT CHANCE")


def test_values_are_held_against_their_median_and_one_output_against_the_larger_class() -> None:
    values = DRAW.normal(5, 1, size=(300, 1))
    near, blind = values + DRAW.normal(0, 0.1, size=(300, 1)), DRAW.normal(5, 1, size=(300, 1))
    assert chance_note(metric_of("mean-error"), near, values, max_drop=0.05) == ""
    said = chance_note(metric_of("mean-error"), blind, values, max_drop=0.05)
    assert "is worse than one constant answer" in said
    assert "always answering the median (" in said
    yes = (DRAW.random(300) < 0.7).astype(int)
    assert "class 1" in chance_note(metric_of("accuracy"), DRAW.random((300, 1)), yes, max_drop=0.01)
    assert chance_note(metric_of("accuracy"), yes[:, None] * 0.8, yes, max_drop=0.01) == ""


def test_a_class_number_that_no_model_has_sizes_no_array() -> None:
    """A file may say anything: ten to the fifteenth classes would take petabytes."""
    targets = np.array([0, 10**15], dtype=np.int64)
    assert constant_answer(np.zeros((2, 3), np.float32), targets) is None
    found = constant_answer(np.zeros((3, 1), np.float32), np.array([0, 10**15, 10**15]))
    assert found is not None
    assert (found[0] == 1e15).all()
