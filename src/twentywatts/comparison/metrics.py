"""Metrics: what "accuracy" means for a model, and whether a form keeps it."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.bound import Verdict, accuracy_interval, judge
from twentywatts.errors import DataError, InputError, clean, nearest

__all__ = ["Metric", "is_number", "metric_of"]

Outputs = NDArray[Any]
_NAMES = ("accuracy", "top-k (top-5, …)", "f1", "mean-error")
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A score of outputs against targets.

    score: (outputs, targets) → number. right: (outputs, targets) → one flag per sample where the metric is a share of
    right answers, so that exact bounds exist; None otherwise. sign: +1 where more is better, −1 where less is.
    """

    name: str
    score: Callable[[Outputs, NDArray[Any]], float]
    right: Callable[[Outputs, NDArray[Any]], NDArray[np.bool_]] | None = None
    sign: int = 1

    def interval(self, outputs: Outputs, targets: NDArray[Any]) -> tuple[float, float] | None:
        """Return the exact 95 % interval, None where the metric has none."""
        if self.right is None:
            return None
        flags = self.right(outputs, targets)
        return accuracy_interval(int(flags.sum()), len(flags))

    def verdict(self, reference: Outputs, outputs: Outputs, targets: NDArray[Any], max_drop: float) -> Verdict:
        """Return whether ``outputs`` keep the score of ``reference`` within ``max_drop``."""
        if self.right is not None:
            before, after = self.right(reference, targets), self.right(outputs, targets)
            lost, gained = int((before & ~after).sum()), int((~before & after).sum())
            return judge(lost, gained, len(targets), max_drop)
        return self._bootstrap(reference, outputs, targets, max_drop)

    def drop(self, reference: Outputs, draws: Sequence[Outputs], targets: NDArray[Any]) -> float:
        """Return what is lost of the score, averaged over draws of the outputs; negative where they gained.

        Of a share the right answers are counted: 0.986 - 0.976 is more than 0.01, ten in a thousand is not.
        """
        if self.right is None:
            mean = float(np.mean([self.score(outputs, targets) for outputs in draws]))
            return self.sign * (self.score(reference, targets) - mean)
        had, has = int(self.right(reference, targets).sum()), [int(self.right(one, targets).sum()) for one in draws]
        return (had * len(has) - sum(has)) / (len(targets) * len(has))

    def _bootstrap(self, reference: Outputs, outputs: Outputs, targets: NDArray[Any], max_drop: float) -> Verdict:
        """Return an approximate verdict from paired resamples (no exact bound exists for this metric)."""
        generator = np.random.Generator(np.random.PCG64(0))
        drops = np.empty(_RESAMPLES)
        for index in range(_RESAMPLES):
            pick = generator.integers(0, len(targets), len(targets))
            drops[index] = self._drop(reference[pick], outputs[pick], targets[pick])
        drops = drops[np.isfinite(drops)]
        if len(drops) < _RESAMPLES / 2:  # such as an area under a curve where one class is hardly there
            whole = abs(self.score(reference, targets))
            return Verdict(keeps=None, bound=whole, sentence="most resamples have no score: nothing can be told")
        bound, floor = float(np.quantile(drops, 0.95)), float(np.quantile(drops, 0.05))
        keeps = True if bound <= max_drop else (False if floor > max_drop else None)
        how = {True: "keeps it", False: "does not keep it", None: f"{len(targets)} samples cannot tell"}[keeps]
        return Verdict(keeps=keeps, bound=bound, sentence=f"{how}: drop below {bound:.3g} (paired bootstrap, 95 %)")

    def _drop(self, reference: Outputs, outputs: Outputs, targets: NDArray[Any]) -> float:
        """Return what is lost on one resample, NaN where a user's own metric has no score there."""
        try:
            return self.drop(reference, [outputs], targets)
        except InputError:
            return math.nan


def is_number(value: object) -> bool:
    """Return whether a value is a real number, NumPy's among them, and neither a text nor a truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def metric_of(name: str | Callable[[Outputs, NDArray[Any]], float]) -> Metric:
    """Return a metric by name (accuracy, top-5, f1, mean-error) or of a function (outputs, targets) → number."""
    if callable(name):
        return Metric(name=getattr(name, "__name__", "function"), score=_called(name))
    if not isinstance(name, str):
        raise InputError(f"a metric is a name ({', '.join(_NAMES)}) or a function (outputs, targets), got {name!r}")
    if name == "accuracy":
        return _top(1)
    if re.fullmatch("top-[1-9][0-9]{0,8}", name):
        return _top(int(name[4:]))
    if name == "f1":
        return Metric(name="f1", score=_macro_f1)
    if name == "mean-error":
        return Metric(name="mean-error", score=_mean_error, sign=-1)
    raise InputError(f"unknown metric '{name}'{nearest(name, _NAMES)}, wanted one of {', '.join(_NAMES)}")


def _called(function: Callable[[Outputs, NDArray[Any]], float]) -> Callable[[Outputs, NDArray[Any]], float]:
    """Return the user's function as a score; whatever it raises is bad input, told with its own words."""
    name = clean(getattr(function, "__name__", "function"))

    def score(outputs: Outputs, targets: NDArray[Any]) -> float:
        given = f"for outputs of shape {outputs.shape} and targets of shape {targets.shape}"
        try:
            value = function(outputs, targets)
        except Exception as error:  # it is the user's, and raises what it likes
            raise InputError(
                f"the metric '{name}' raised {type(error).__name__}: {clean(error)[:500]} ({given})"
            ) from error
        number = _single(value)
        if number is None:
            told = clean(repr(value))[:60] if isinstance(value, str | bytes) or value is None else type(value).__name__
            raise InputError(f"the metric '{name}' must return one number, got {told} ({given})")
        return number

    return score


def _single(value: Any) -> float | None:
    """Return a value that is one number as a float, of whatever library it is; None for anything else."""
    if is_number(value) or isinstance(value, bool | np.bool_):
        return float(value)
    if getattr(value, "ndim", None) != 0 or np.asarray(value).dtype.kind not in "fiub":
        return None
    return float(value)


def _classes(outputs: Outputs) -> Outputs:
    """Return scores of shape (samples, classes); a single output is taken as the score of class 1 against 0."""
    flat = outputs.reshape(len(outputs), -1)
    if flat.shape[1] == 1:
        middle = 0.5 if flat.min() >= 0 and flat.max() <= 1 else 0.0
        return np.concatenate([middle - flat, flat - middle], axis=1)
    return flat


def _check_classes(targets: NDArray[Any], count: int) -> None:
    """Raise DataError unless the targets are indices of ``count`` classes."""
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise DataError(
            "'y' must hold whole class indices, one per sample, for this metric: y.astype(int) where they are floats, "
            "y.argmax(axis=1) where they are one-hot (or choose mean-error)"
        )
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= count:
        raise DataError(
            f"'y' holds class {high if low >= 0 else low}, the model has outputs for 0 to {count - 1} (a model that "
            "ends in ArgMax must give its scores instead)"
        )


def _top(k: int) -> Metric:
    def right(outputs: Outputs, targets: NDArray[Any]) -> NDArray[np.bool_]:
        scores = _classes(outputs)
        _check_classes(targets, scores.shape[1])
        if k >= scores.shape[1]:
            raise DataError(f"the best {k} of {scores.shape[1]} classes are always right: top-k needs a smaller k")
        own = np.take_along_axis(scores, targets[:, None], axis=1)
        before = (scores > own).sum(axis=1)
        ties = (scores == own) & (np.arange(scores.shape[1]) < targets[:, None])
        return np.asarray((before + ties.sum(axis=1) < k) & ~np.isnan(scores).any(axis=1))  # NaN is never right

    name = "accuracy" if k == 1 else f"top-{k}"
    return Metric(name=name, score=lambda o, t: float(right(o, t).mean()), right=right)


def _macro_f1(outputs: Outputs, targets: NDArray[Any]) -> float:
    """Return the unweighted mean of per-class F1 over the classes that occur in the targets or predictions."""
    scores = _classes(outputs)
    count = scores.shape[1]
    _check_classes(targets, count)
    predicted = np.where(np.isnan(scores).any(axis=1), count, scores.argmax(axis=1))  # NaN is a class of its own
    hits = np.bincount(targets[predicted == targets], minlength=count + 1)
    both = np.bincount(targets, minlength=count + 1) + np.bincount(predicted, minlength=count + 1)
    return float(np.mean(2 * hits[both > 0] / both[both > 0]))


def _mean_error(outputs: Outputs, targets: NDArray[Any]) -> float:
    """Return the mean absolute error; outputs are reshaped to the targets."""
    if outputs.size != targets.size:
        raise DataError(f"the model gives {outputs.size} numbers for {targets.size} targets")
    return float(np.abs(outputs.reshape(targets.shape) - targets).mean())
