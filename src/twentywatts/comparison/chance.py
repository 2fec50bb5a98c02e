"""Is the model better than an answer that never changes? Where it is not, nothing is kept by keeping its score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.metrics import Metric
from twentywatts.comparison.text import accuracy_text, metric_text, points_text
from twentywatts.errors import TwentyWattsError

__all__ = ["chance_note", "constant_answer"]

Outputs = NDArray[Any]
_DEALS = 99  # random deals of the answers: a model that chance explains beats them all in one case of a hundred


def chance_note(metric: Metric, outputs: Outputs, targets: NDArray[Any], *, max_drop: float | None = None) -> str:
    """Return why a kept score would say nothing, in one sentence; an empty text where the model beats a constant.

    The constant is the class that occurs most (of values the median), known from these very targets, which favours it.
    Model and constant are two classifiers on the same samples: the exact paired bound of the comparison, at 95 %, must
    show that the model has more right. Of classes under a metric without an exact bound the model must beat its own
    answers dealt to the samples at random (a permutation test); of values, paired resampling must show it. A constant
    that ``max_drop`` would let pass is told too.
    """
    answer = constant_answer(outputs, targets)
    if answer is None:
        return ""
    constant, words = answer
    try:
        before, after = (metric.score(found, targets) for found in (constant, outputs))
        is_at_chance = _is_at_chance(metric, constant, outputs, targets)
        is_let_pass = max_drop is not None and _is_let_pass(metric, constant, outputs, targets, max_drop)
    except TwentyWattsError:
        return ""  # a metric that constants have no score in
    score, plain = accuracy_text(after, metric.name), accuracy_text(before, metric.name)
    name, count = metric_text(metric.name), f"{len(targets):,} samples"
    if is_at_chance:
        is_worse = metric.sign * (after - before) < 0
        way_out = "the weights, how the inputs are scaled, and the targets"
        return (
            f"AT CHANCE: the model as given {_beaten_by(metric, before, after, targets)}: {name} {score} on {count}, "
            f"{words} scores {plain}; that such a score is kept says nothing: check {way_out}"
            f"{'' if is_worse else ', or give more samples of every kind'}"
        )
    if is_let_pass and max_drop is not None:
        allowed = points_text(max_drop, metric.name)
        return (
            f"TOO WIDE A LIMIT: {words} scores {plain} on {count}, which is not shown to fall short of {score} by more "
            f"than the {allowed} that are allowed: that the {name} is kept within that says nothing; a smaller limit "
            "would"
        )
    return ""


def _beaten_by(metric: Metric, before: float, after: float, targets: NDArray[Any]) -> str:
    if metric.sign * (after - before) < 0:
        return "is worse than one constant answer"
    is_dealt = metric.right is None and targets.dtype.kind != "f"
    return f"is not shown to beat {'its own answers dealt out at random' if is_dealt else 'one constant answer'}"


def _is_at_chance(metric: Metric, constant: Outputs, outputs: Outputs, targets: NDArray[Any]) -> bool:
    if metric.right is not None or targets.dtype.kind == "f":
        return metric.verdict(constant, outputs, targets, 0.0).bound >= 0
    generator = np.random.Generator(np.random.PCG64(0))
    own = metric.sign * metric.score(outputs, targets)
    dealt = [metric.sign * metric.score(generator.permutation(outputs), targets) for _ in range(_DEALS)]
    return any(score >= own for score in dealt)


def _is_let_pass(metric: Metric, constant: Outputs, outputs: Outputs, targets: NDArray[Any], max_drop: float) -> bool:
    if metric.right is not None:
        return metric.verdict(outputs, constant, targets, max_drop).keeps is not False
    return metric.drop(outputs, [constant], targets) <= max_drop


def constant_answer(outputs: Outputs, targets: NDArray[Any]) -> tuple[Outputs, str] | None:
    """Return the best answer that never changes, shaped as the outputs, and its words; None where none is known."""
    if targets.dtype.kind in "iu" and targets.ndim == 1 and int(targets.min(initial=0)) >= 0:
        return _most_frequent(outputs, targets)
    if targets.dtype.kind == "f" and outputs.size == targets.size:
        median = np.median(targets, axis=0)
        shown = _shown(np.ravel(median)[:1]) if median.size == 1 else ""
        words = f"always answering the median{f' ({shown})' if shown else ''}"
        return np.broadcast_to(median, targets.shape).reshape(outputs.shape), words
    return None


def _most_frequent(outputs: Outputs, targets: NDArray[Any]) -> tuple[Outputs, str] | None:
    """Return every class scored by how often it occurs: the first is the majority, the first k are the best k."""
    size = int(np.prod(outputs.shape[1:]))
    classes, often = np.unique(targets, return_counts=True)  # a number in a file sizes no array
    if not len(classes) or (size > 1 and int(classes[-1]) >= size):
        return None
    most = int(classes[often.argmax()])
    words = f"always answering class {most}"
    if size == 1:
        return np.full(outputs.shape, float(most)), words
    counts = np.zeros(size)
    counts[classes] = often
    return np.broadcast_to(counts, (len(targets), size)), words


def _shown(values: Sequence[float] | NDArray[Any]) -> str:
    return ", ".join(f"{float(value):.3g}" for value in values)
