"""The classical methods give every class a score, so that top-k is as fair to them as to the model."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from twentywatts.comparison import baselines as module
from twentywatts.comparison.baselines import _classifiers
from twentywatts.comparison.metrics import metric_of

NAMES = ["majority class", "logistic regression", "k-nearest neighbours", "support vector machine"]


@pytest.mark.parametrize("class_count", [2, 10])
def test_scores_rank_classes_and_keep_the_prediction_on_top(class_count: int) -> None:
    images, targets = load_digits(n_class=class_count, return_X_y=True)
    cut, width = len(images) // 2, class_count + 1  # one class that training never saw
    fits = {fit.name: fit.predict(images[cut:]) for fit in _classifiers(images[:cut], targets[:cut], width)}
    assert list(fits) == NAMES
    for name, scores in fits.items():
        assert scores.shape == (len(images) - cut, width)
        if name != "majority class":
            assert metric_of("accuracy").score(scores, targets[cut:]) > 0.85
    if class_count == 10:
        for name in ("logistic regression", "support vector machine"):
            assert metric_of("top-3").score(fits[name], targets[cut:]) > 0.97
            top = np.sort(fits[name], axis=1)
            assert (top[:, -1] > top[:, -2]).all()


def test_of_a_file_sorted_by_class_every_class_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten classes of 60 samples each in a row, and room for 100 samples: ten of each class."""
    monkeypatch.setattr(module, "_MAX_FIT_NUMBERS", 100 * 64)
    targets = np.repeat(np.arange(10), 60)
    rows = module._rows(len(targets), 64)
    assert np.bincount(targets[rows]).tolist() == [10] * 10
    assert (np.diff(rows) > 0).all()
    assert module._rows(60, 64).tolist() == list(range(60))
    assert module._rows(1, 10**9).tolist() == [0]
    assert len(module._rows(600, 10**9)) == 2
