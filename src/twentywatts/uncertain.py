"""Uncertain numbers: a mid value and common draws, never interval arithmetic.

A figure with value *m* and a 90 % interval [*l*, *h*] is a two-piece lognormal: its median is *m*, its 5 % and 95 %
quantiles are *l* and *h*. Every draw of a figure comes from a stream that is keyed by the figure's name, so two
results that share a figure share its draws, and the figure cancels in their ratio. Element 0 of every array is the
value at mid, so one pass of a formula gives the mid result and all its draws.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from twentywatts.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DRAW_COUNT",
    "Z95",
    "Array",
    "Interval",
    "Spread",
    "interval_of",
    "lognormal",
    "reordered",
    "standard_normal",
    "uniform",
]

Array: TypeAlias = "NDArray[np.float64]"

DRAW_COUNT = 1000
_MOST_DRAWS = 1_000_000  # a figure then holds 8 MB
Z95 = 1.6448536269514722  # standard normal quantile of 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number with its 90 % interval, low ≤ mid ≤ high."""

    low: float
    mid: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return ``{"low": …, "mid": …, "high": …}`` as it stands in every JSON document."""
        return {"low": self.low, "mid": self.mid, "high": self.high}


def standard_normal(key: str, *, draws: int, seed: int) -> Array:
    """Return ``draws`` stratified standard normal numbers of the stream named ``key``.

    Each of the ``draws`` equally likely strata is hit once (a Latin hypercube over keys), in an order fixed by the
    key and the seed: quantiles of one figure are exact, and the same on every machine.
    """
    order = _order(key, draws=draws, seed=seed)
    return _strata(draws)[order]


def uniform(key: str, *, draws: int, seed: int) -> Array:
    """Return an array of shape (1 + draws,): 0.5, then stratified numbers between 0 and 1 of the stream ``key``."""
    import numpy as np

    levels = (_order(key, draws=draws, seed=seed) + 0.5) / max(draws, 1)
    return np.concatenate([[0.5], levels])


def _order(key: str, *, draws: int, seed: int) -> NDArray[np.int64]:
    """Return the order of the strata: fixed by key and seed, the same on every machine."""
    import hashlib

    import numpy as np

    _check(draws)
    digest = hashlib.blake2b(f"{seed}\x00{key}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little"))).permutation(draws)


def _check(draws: int) -> None:
    if not 0 <= draws <= _MOST_DRAWS:
        raise InputError(f"the number of draws must be a whole number from 0 to {_MOST_DRAWS:,}, got {draws!r}")


@functools.cache
def _strata(draws: int) -> Array:
    from statistics import NormalDist

    import numpy as np

    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / draws) for i in range(draws)])


def lognormal(key: str, interval: Interval, *, draws: int, seed: int) -> Array:
    """Return an array of shape (1 + draws,): the mid value, then draws of a two-piece lognormal."""
    import numpy as np

    _check(draws)
    if interval.low == interval.high or draws == 0:
        return np.full(1 + draws, interval.mid)
    if not 0 < interval.low <= interval.mid <= interval.high:
        raise InputError(f"'{key}' needs 0 < low ≤ value ≤ high, got {interval.low}, {interval.mid}, {interval.high}")
    z = standard_normal(key, draws=draws, seed=seed)
    below = math.log(interval.mid / interval.low) / Z95
    above = math.log(interval.high / interval.mid) / Z95
    values = np.empty(1 + draws)
    values[0] = interval.mid
    values[1:] = interval.mid * np.exp(z * np.where(z < 0, below, above))
    return values


def reordered(key: str, values: Array, *, correlation: float, seed: int) -> Array:
    """Return the draws of ``values``, (1 + draws,), in another order: as normal scores they correlate with the old one.

    The distribution is the same to the last digit, so that a second quantity that errs like the first, and for causes
    that they share in part, is drawn beside it. correlation: 0 (independent) to 1 (the very same draws).
    """
    import numpy as np

    draws = len(values) - 1
    if correlation >= 1.0 or draws == 0:
        return values
    own = _strata(draws)[np.argsort(np.argsort(values[1:]))]
    other = standard_normal(key, draws=draws, seed=seed)
    order = np.argsort(np.argsort(correlation * own + np.sqrt(1.0 - correlation**2) * other))
    return np.concatenate([values[:1], np.sort(values[1:])[order]])


def interval_of(values: Array) -> Interval:
    """Return the mid value and the 5 % and 95 % quantiles of the draws of an array of shape (1 + draws,)."""
    import numpy as np

    mid = float(values[0])
    if len(values) == 1:
        return Interval(low=mid, mid=mid, high=mid)
    low, high = np.quantile(values[1:], [0.05, 0.95])
    return Interval(low=min(float(low), mid), mid=mid, high=max(float(high), mid))


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """A number with its draws; ``values`` has shape (1 + draws,) and element 0 is the mid value."""

    values: Array = field(repr=False)

    @property
    def mid(self) -> float:
        """The value at every figure's mid."""
        return float(self.values[0])

    @property
    def interval(self) -> Interval:
        """Mid with the 90 % interval."""
        return interval_of(self.values)

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.values + other.values)

    def __mul__(self, factor: float) -> Spread:
        return Spread(self.values * factor)

    def __truediv__(self, other: Spread) -> Spread:
        """Return the ratio draw by draw: what both share cancels."""
        return Spread(self.values / other.values)
