"""How samples are used: what tunes never reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.metrics import Metric
from twentywatts.comparison.overlap import apart
from twentywatts.comparison.result import DataSummary
from twentywatts.errors import DataError, counted
from twentywatts.readers.samples import Samples

__all__ = ["TUNING_LIMIT", "Parts", "split"]

TUNING_LIMIT = 2000  # samples at most for choosing settings: choosing must not cost more than reporting
_MIN_SAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """Two disjoint sets of samples: ``tuning`` calibrates, trains baselines and chooses; ``reported`` is reported."""

    tuning: Samples
    reported: Samples
    sentence: str


def split(data: Samples, train: Samples | None, *, seed: int) -> Parts:
    """Return the parts; without ``train`` a seeded half of the data tunes (by class where there are classes).

    What stands in both files is left out of ``train``; raises DataError where nothing is left, or too few to part.
    """
    if train is not None:
        train, shared = apart(train, data)
        sentence = f"{train.name} calibrates, trains the baselines and chooses settings; all of {data.name} is reported"
        told = "; ".join(text for text in (sentence, shared) if text)
        return Parts(tuning=_limited(train, seed), reported=data, sentence=told)
    if data.count < _MIN_SAMPLES:
        raise DataError(
            f"'{data.name}' holds too few samples ({data.count}); wanted at least {_MIN_SAMPLES}, or --train"
        )
    order = _halves(data.targets, seed)
    first, second = np.flatnonzero(order), np.flatnonzero(~order)
    sentence = (
        f"a seeded half of {data.name} ({counted(len(first), 'sample')}) calibrates, trains the baselines and chooses "
        f"settings; only the other half ({len(second)}) is reported"
    )
    return Parts(tuning=_limited(data.take(first), seed), reported=data.take(second), sentence=sentence)


def _halves(targets: NDArray[np.generic], seed: int) -> NDArray[np.bool_]:
    """Return a flag per sample: True for the tuning half; every class is halved, odd ones alternate."""
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(len(targets))
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        shuffled = shuffled[np.argsort(targets[shuffled], kind="stable")]
    flags = np.zeros(len(targets), dtype=bool)
    flags[shuffled[::2]] = True
    return flags


def _limited(samples: Samples, seed: int) -> Samples:
    if samples.count <= TUNING_LIMIT:
        return samples
    pick = np.random.Generator(np.random.PCG64(seed)).permutation(samples.count)[:TUNING_LIMIT]
    return samples.take(np.sort(pick))


def check_targets(parts: Parts, metric: Metric) -> int | None:
    """Return the number of classes (None for values); raises DataError where one class only makes any score empty."""
    targets = parts.reported.targets
    if targets.dtype.kind not in "iu" or metric.sign < 0:
        return None
    classes = np.union1d(targets, parts.tuning.targets)
    if len(classes) < 2:
        raise DataError(
            f"'{parts.reported.name}' holds one class only ({classes[0]}): a constant answer would be always right"
        )
    return len(classes)


def summary(parts: Parts, metric: Metric, classes: int | None) -> DataSummary:
    """Return what a report says about the data."""
    return DataSummary(
        name=parts.reported.name,
        tuning_count=parts.tuning.count,
        reported_count=parts.reported.count,
        class_count=classes,
        metric=metric.name,
        split=parts.sentence,
    )
