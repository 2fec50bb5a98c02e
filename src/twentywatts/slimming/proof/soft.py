"""The soft drop: how much less probability a candidate gives to the right class, a loss seen before it is one.

Of a hundred samples a candidate loses one or two, by luck or not; the probability of the right class moves on all of
them. It orders candidates by safety and proves nothing: only answers count where the guard is asked.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["soft_drop_bound"]

_DEVIATIONS = 3.0  # standard errors above the mean: what changes much, for better and for worse, is not safe
_SUM = 1e-3  # how far the probabilities of a sample may be from one together


def soft_drop_bound(given: NDArray[Any], outputs: NDArray[Any], targets: NDArray[np.generic]) -> float | None:
    """Return the mean drop in the probability of the right class, paired by sample, and three standard errors more.

    given, outputs: scores or probabilities (samples, classes). targets: class numbers. None where they are not that.
    """
    if not _are_classes(given, outputs, targets) or len(targets) < 2:
        return None
    rows = np.arange(len(targets))
    drops = _probabilities(given)[rows, targets] - _probabilities(outputs)[rows, targets]
    return float(drops.mean() + _DEVIATIONS * drops.std(ddof=1) / math.sqrt(len(drops)))


def _are_classes(given: NDArray[Any], outputs: NDArray[Any], targets: NDArray[np.generic]) -> bool:
    if given.ndim != 2 or given.shape != outputs.shape or given.shape[1] < 2 or targets.shape != (len(given),):
        return False
    return targets.dtype.kind in "iu" and int(targets.min()) >= 0 and int(targets.max()) < given.shape[1]


def _probabilities(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return scores as probabilities, those that are as they are."""
    values = scores.astype(np.float64)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1.0, atol=_SUM):
        return values
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
