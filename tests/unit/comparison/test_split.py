"""Samples that tune are never reported."""

import numpy as np
import pytest

from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.split import TUNING_LIMIT, check_targets, split
from twentywatts.errors import DataError
from twentywatts.readers.samples import Samples


def samples(n: int, classes: int = 3, name: str = "test.npz") -> Samples:
    labels = np.arange(n) % classes
    return Samples(name=name, inputs={"x": np.arange(n, dtype=np.float32)[:, None]}, targets=labels)


@pytest.mark.parametrize("n", [4, 5, 90, 901])
def test_halves_are_disjoint_complete_and_by_class(n: int) -> None:
    parts = split(samples(n), None, seed=1)
    tuning, reported = (part.inputs["x"][:, 0] for part in (parts.tuning, parts.reported))
    assert set(tuning) | set(reported) == set(range(n))
    assert not set(tuning) & set(reported)
    for label in range(3):
        assert abs((parts.tuning.targets == label).sum() - (parts.reported.targets == label).sum()) <= 1


def test_the_seed_decides_and_nothing_else() -> None:
    first, again, other = (split(samples(60), None, seed=seed).tuning.inputs["x"] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_with_train_all_data_are_reported_and_tuning_is_bounded() -> None:
    parts = split(samples(30), samples(TUNING_LIMIT + 50, name="train.npz"), seed=0)
    assert parts.reported.count == 30
    assert parts.tuning.count == TUNING_LIMIT


def test_one_class_or_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="one class only"):
        check_targets(split(samples(20, classes=1), None, seed=0), metric_of("accuracy"))
    with pytest.raises(DataError, match="at least 4"):
        split(samples(3), None, seed=0)
