"""Monte Carlo of a formula: every input drawn once, every output with its interval, and what drives the spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from twentywatts.errors import InputError
from twentywatts.plan.result import Driver, Input
from twentywatts.uncertain import Array, Interval, interval_of, lognormal, uniform

__all__ = ["Model", "Simulation", "draw", "product", "redrawn", "simulate"]

_PRODUCT_DRAWS = 2000

Model = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """The outputs of a model as arrays of shape (1 + draws,), mid first, and the drivers of one of them."""

    outputs: Mapping[str, Array]
    drivers: tuple[Driver, ...]

    def interval(self, key: str) -> Interval:
        """Return mid and 90 % interval of one output."""
        return interval_of(self.outputs[key])


def draw(item: Input, *, draws: int, seed: int) -> Array:
    """Return an input as an array of shape (1 + draws,): its median, then its draws."""
    import numpy as np

    low, mid, high = item.interval.low, item.interval.mid, item.interval.high
    name = item.shared or f"plan.{item.key}"
    if item.distribution == "point" or low == high:
        return np.full(1 + draws, mid)
    if item.distribution == "lognormal":
        return lognormal(name, item.interval, draws=draws, seed=seed)
    if not low <= mid <= high:
        raise InputError(f"'{item.key}' needs low ≤ value ≤ high, got {low:g}, {mid:g}, {high:g}")
    levels = uniform(name, draws=draws, seed=seed)
    if item.distribution == "uniform":
        return low + (high - low) * levels
    return _triangular(levels, low, mid, high)


def _triangular(levels: Array, low: float, mode: float, high: float) -> Array:
    """Return the quantiles of a triangular distribution at ``levels`` (0 to 1)."""
    import numpy as np

    split = (mode - low) / (high - low)
    rising = low + np.sqrt(levels * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - levels) * (high - low) * (high - mode))
    return np.asarray(np.where(levels < split, rising, falling))


def product(first: Interval, second: Interval, *, key: str, seed: int = 0) -> Interval:
    """Return the product of two independent numbers as an interval, by draws and never end by end.

    key: names the stream of ``second``, so that one factor of many rows is drawn alike. Where an end is 0, or one of
    them is known, the ends are multiplied.
    """
    if min(first.low, second.low) <= 0 or first.low == first.high or second.low == second.high:
        ends = zip((first.low, first.mid, first.high), (second.low, second.mid, second.high), strict=True)
        low, mid, high = (a * b for a, b in ends)
        return Interval(low=low, mid=mid, high=high)
    one = lognormal(f"{key}.of", first, draws=_PRODUCT_DRAWS, seed=seed)
    return interval_of(one * lognormal(key, second, draws=_PRODUCT_DRAWS, seed=seed))


def redrawn(values: Array, *, key: str, draws: int, seed: int) -> Array:
    """Return columns of ``values``, (quantities, 1 + n), drawn anew: (quantities, 1 + draws), mids first.

    Quantities that were drawn together stay together; each column is taken equally often.
    """
    import numpy as np

    count = values.shape[1] - 1
    if count == 0:
        return np.repeat(values, 1 + draws, axis=1)
    order = np.floor(uniform(key, draws=draws, seed=seed)[1:] * count).astype(int)
    return np.concatenate([values[:, :1], values[:, 1 + order]], axis=1)


def simulate(
    model: Model,
    inputs: Sequence[Input],
    *,
    target: str,
    draws: int,
    seed: int,
    together: Mapping[str, Array] = MappingProxyType({}),
) -> Simulation:
    """Return the outputs of ``model`` over common draws of its inputs, and the drivers of ``target``.

    The model takes and returns arrays by key, so one pass gives mid and all draws. Inputs are independent, but for
    those in ``together``: their draws are given, by key, each of shape (1 + draws,).
    """
    values = {**{item.key: draw(item, draws=draws, seed=seed) for item in inputs}, **together}
    outputs = model(values)
    uncertain = [item for item in inputs if draws and values[item.key].min() < values[item.key].max()]
    return Simulation(outputs=outputs, drivers=_drivers(model, values, uncertain, target, outputs[target]))


def _drivers(
    model: Model, values: Mapping[str, Array], uncertain: Sequence[Input], target: str, result: Array
) -> tuple[Driver, ...]:
    """Return the drivers, the largest swing first."""
    import numpy as np

    correlations = {item.key: _rank_correlation(values[item.key][1:], result[1:]) ** 2 for item in uncertain}
    total = sum(correlations.values()) or 1.0
    drivers = []
    for item in uncertain:
        ends = np.quantile(values[item.key][1:], [0.05, 0.95])
        mids = {key: np.full(2, array[0]) for key, array in values.items()}
        low, high = model({**mids, item.key: ends})[target]
        share = correlations[item.key] / total
        drivers.append(Driver(key=item.key, label=item.label, low=float(low), high=float(high), share_frac=share))
    return tuple(sorted(drivers, key=lambda driver: -abs(driver.high - driver.low)))


def _rank_correlation(first: Array, second: Array) -> float:
    """Return Spearman's rank correlation; 0 where one of them does not vary."""
    import numpy as np

    if first.min() == first.max() or second.min() == second.max():
        return 0.0
    ranks = [np.argsort(np.argsort(values)).astype(np.float64) for values in (first, second)]
    centred = [values - values.mean() for values in ranks]
    return float(centred[0] @ centred[1] / np.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1])))
