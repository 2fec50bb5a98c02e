"""The conformal quantile: how far one more row would err, nine times in ten, as told by rows that were left out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["conformal"]


def conformal(scores: ArrayLike, level: float = 0.9) -> float:
    """Return the score that one more row would stay below with probability ``level``.

    scores: (rows,), of rows that were predicted without themselves; the larger the worse. It is the
    ⌈level (rows + 1)⌉-th smallest (Vovk 2005), or the largest where there are too few: a plain quantile of few rows
    looks narrower and holds fewer than it says.
    """
    ordered = np.sort(np.asarray(scores, dtype=float))
    return float(ordered[min(math.ceil(level * (len(ordered) + 1)), len(ordered)) - 1])
