"""Metrics against scikit-learn, and the verdicts of those without an exact bound."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, top_k_accuracy_score

from twentywatts.comparison.metrics import metric_of
from twentywatts.errors import DataError, InputError

RANDOM = np.random.default_rng(3)
SCORES = RANDOM.normal(size=(200, 7)).astype(np.float32)
LABELS = RANDOM.integers(0, 7, 200)


def test_accuracy_and_top_k_agree_with_scikit_learn() -> None:
    assert metric_of("accuracy").score(SCORES, LABELS) == pytest.approx(accuracy_score(LABELS, SCORES.argmax(1)))
    expected = top_k_accuracy_score(LABELS, SCORES, k=3, labels=range(7))
    assert metric_of("top-3").score(SCORES, LABELS) == pytest.approx(expected)


def test_f1_is_the_macro_mean() -> None:
    expected = f1_score(LABELS, SCORES.argmax(1), average="macro")
    assert metric_of("f1").score(SCORES, LABELS) == pytest.approx(expected)


def test_mean_error_of_values() -> None:
    values, outputs = RANDOM.normal(size=50), RANDOM.normal(size=(50, 1))
    metric = metric_of("mean-error")
    assert metric.score(outputs, values) == pytest.approx(mean_absolute_error(values, outputs[:, 0]))
    assert metric.sign == -1


def test_one_output_is_a_binary_score() -> None:
    outputs = np.array([[-1.0], [2.0], [0.5], [-3.0]])
    assert metric_of("accuracy").score(outputs, np.array([0, 1, 0, 0])) == 0.75
    shares = np.array([[0.1], [0.9], [0.4]])
    assert metric_of("accuracy").score(shares, np.array([0, 1, 1])) == pytest.approx(2 / 3)


def test_ties_go_to_the_first_class_as_in_argmax() -> None:
    outputs = np.zeros((2, 3))
    assert metric_of("accuracy").right(outputs, np.array([0, 2])).tolist() == [True, False]


def test_a_function_is_a_metric() -> None:
    metric = metric_of(lambda outputs, targets: float((outputs.argmax(1) == targets).mean()))
    assert metric.score(SCORES, LABELS) == metric_of("accuracy").score(SCORES, LABELS)
    assert metric.verdict(SCORES, SCORES, LABELS, 0.01).keeps is True
    assert metric.verdict(SCORES, -SCORES, LABELS, 0.001).keeps is not True


def test_worse_values_do_not_keep_the_mean_error() -> None:
    values = RANDOM.normal(size=400)
    metric = metric_of("mean-error")
    good, bad = values[:, None] + 0.01, values[:, None] + 1.0
    assert metric.verdict(good, bad, values, 0.1).keeps is False
    assert metric.verdict(bad, good, values, 0.1).keeps is True


@pytest.mark.parametrize("targets", [np.array([0, 9]), np.array([-1, 0]), np.array([0.5, 0.1])])
def test_targets_that_do_not_fit_are_named(targets: np.ndarray) -> None:
    with pytest.raises(DataError, match="'y'"):
        metric_of("accuracy").score(np.zeros((2, 3)), targets)


@pytest.mark.parametrize("name", ["acuracy", "top-0", "top-", ""])
def test_unknown_metrics_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown metric"):
        metric_of(name)


@pytest.mark.parametrize("k", [SCORES.shape[1], SCORES.shape[1] + 40])
def test_a_metric_that_is_always_right_is_refused(k: int) -> None:
    with pytest.raises(DataError, match="always right"):
        metric_of(f"top-{k}").score(SCORES, LABELS)
