"""A user's own metric: whatever it does, the comparison says in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twentywatts.comparison.metrics import metric_of
from twentywatts.errors import InputError

OUTPUTS, TARGETS = np.eye(4), np.arange(4)


def scored(value: Any) -> float:
    return metric_of(lambda outputs, targets: value).score(OUTPUTS, TARGETS)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), True, np.bool_(True), 3])
def test_one_number_of_any_library_is_a_score(value: Any) -> None:
    assert scored(value) == float(value)


@pytest.mark.torch
def test_a_tensor_of_one_number_is_a_score() -> None:
    torch = pytest.importorskip("torch")
    assert scored(torch.tensor(0.5)) == 0.5
    with pytest.raises(InputError, match="one number, got Tensor"):
        scored(torch.ones(3))


@pytest.mark.parametrize(
    ("value", "told"), [("0.5", "'0.5'"), (None, "None"), (np.ones(3), "ndarray"), ([0.5], "list"), ((), "tuple")]
)
def test_anything_else_is_told(value: Any, told: str) -> None:
    with pytest.raises(InputError, match=rf"the metric '<lambda>' must return one number, got {told} \(for outputs"):
        scored(value)


def test_what_it_raises_is_told_and_kept() -> None:
    def hits(outputs: Any, targets: Any) -> float:
        raise KeyError("class \x1b[31m7")

    with pytest.raises(InputError, match=r"the metric 'hits' raised KeyError: .*class .* of shape \(4, 4\)") as error:
        metric_of(hits).score(OUTPUTS, TARGETS)
    assert isinstance(error.value.__cause__, KeyError)
    assert str(error.value).isprintable()


def test_resamples_without_a_score_are_left_out() -> None:
    def mostly(outputs: Any, targets: Any) -> float:
        if len(np.unique(targets)) < 2:
            raise ValueError("one class only")
        return float((outputs.argmax(axis=1) == targets).mean())

    verdict = metric_of(mostly).verdict(OUTPUTS, OUTPUTS, TARGETS, 0.01)
    assert verdict.keeps
    assert verdict.bound == 0


def test_where_hardly_any_resample_has_a_score_nothing_is_told() -> None:
    def seldom(outputs: Any, targets: Any) -> float:
        return 1.0 if np.array_equal(targets, TARGETS) else float("nan")

    verdict = metric_of(seldom).verdict(OUTPUTS, OUTPUTS, TARGETS, 0.01)
    assert verdict.keeps is None
    assert verdict.bound == 1.0
    assert "nothing can be told" in verdict.sentence
