"""Is AI needed here at all? Classical methods on the same data, priced on the same processor."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.metrics import Metric
from twentywatts.comparison.result import Baseline
from twentywatts.comparison.search import Bench, Outcome
from twentywatts.errors import InputError
from twentywatts.ledger import Ledger
from twentywatts.machines import Machine
from twentywatts.price import price
from twentywatts.readers.samples import Samples
from twentywatts.workload import ProcessorWorkload

__all__ = ["baselines"]

_MAX_FIT_NUMBERS = 20_000_000  # samples × features that a baseline is trained on
_MAX_FEATURES = 50_000
_FLOAT_BYTES = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """A trained method: scores of new samples, and the arithmetic of one prediction."""

    name: str
    predict: Callable[[NDArray[Any]], NDArray[Any]]
    mac_count: float
    stored_count: float
    op_count: float


def baselines(bench: Bench, machine: Machine, reference: Ledger) -> list[Baseline]:
    """Return classical methods trained on the tuning samples alone, with joules on ``machine``, the cheapest first.

    reference: the account of the model that ratios are against. Data with very many features get none.
    """
    parts, metric = bench.parts, bench.goal.metric
    x_train, x_test = _features(parts.tuning), _features(parts.reported)
    if x_train.shape[1] > _MAX_FEATURES:
        return []
    rows = _rows(*x_train.shape)
    found = []
    width = _class_count(bench) if metric.sign > 0 else 0
    if not width and bench.reported.outputs.dtype.kind in "iu":
        return []  # a model that gives class numbers, under a metric for those: no method here gives any
    for fit in _fits(x_train[rows], parts.tuning.targets[rows], width=width):
        outputs = _as(bench.reported.outputs, fit.predict(x_test))
        score = _score(metric, outputs, parts.reported)
        if not math.isfinite(score):
            continue
        outcome = Outcome(
            outputs=outputs, draws=None, workload=_workload(fit, x_test.shape[1], bench.scenario.batch), notes=()
        )
        ledger = price(outcome.workload, machine, bench.scenario)
        baseline = Baseline(
            name=fit.name,
            accuracy=score,
            accuracy_drop=bench.drop(outcome),
            good_enough=bench.verdict(outcome, tuning=False).keeps,
            ledger=ledger,
            ratio=ledger.ratio(reference).interval,
        )
        found.append(baseline)
    return found


def _rows(count: int, width: int) -> NDArray[np.intp]:
    """Return the samples that a method is trained on: spread over all of them, for files are often sorted by class."""
    most = min(count, max(2, _MAX_FIT_NUMBERS // width))
    return np.linspace(0, count - 1, most).round().astype(np.intp)


def _as(reference: NDArray[Any], outputs: NDArray[Any]) -> NDArray[Any]:
    """Return predictions in the shape of the model's outputs, for which a user's own metric is written."""
    return outputs.reshape(reference.shape) if outputs.size == reference.size else outputs


def _score(metric: Metric, outputs: NDArray[Any], samples: Samples) -> float:
    """Return the metric, NaN where a user's own was written for the model's outputs alone."""
    try:
        return metric.score(outputs, samples.targets)
    except InputError:
        return math.nan


def _features(samples: Samples) -> NDArray[np.float64]:
    parts = [array.reshape(samples.count, -1).astype(np.float64) for array in samples.inputs.values()]
    return np.concatenate(parts, axis=1)


def _class_count(bench: Bench) -> int:
    """Return how many class indices there are, 0 for targets that are values.

    Whole numbers are classes where each sample has one and the model an output for every one of them; a metric of the
    user's own may take others: prices, marks, several labels at once.
    """
    targets = (bench.parts.tuning.targets, bench.parts.reported.targets)
    if any(y.dtype.kind not in "iu" or y.ndim != 1 or y.min() < 0 for y in targets):
        return 0
    count = max(int(y.max()) + 1 for y in targets)
    return count if count <= max(2, math.prod(bench.reported.outputs.shape[1:])) else 0


def _fits(x: NDArray[Any], y: NDArray[Any], *, width: int) -> Iterator[_Fit]:
    """Yield trained methods, the cheapest first; ``width`` class indices, or 0 for a regression."""
    from threadpoolctl import threadpool_limits

    # one thread: the same result on every machine; a baseline that has not converged is still a baseline
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if width:
            yield from _classifiers(x, y, width)
        else:
            yield from _regressors(x, y)


def _classifiers(x: NDArray[Any], y: NDArray[Any], width: int) -> Iterator[_Fit]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    n, d = x.shape
    classes, counts = np.unique(y, return_counts=True)
    common = int(classes[counts.argmax()])
    yield _Fit(
        name="majority class",
        predict=lambda t: np.tile(np.eye(width)[common], (len(t), 1)),
        mac_count=0,
        stored_count=1,
        op_count=1,
    )
    if len(classes) < 2:
        return
    linear = _better(LogisticRegression(max_iter=1000), x, y)
    scores = d * (len(classes) if len(classes) > 2 else 1)
    yield _Fit(
        name="logistic regression",
        predict=_scores(linear, width),
        mac_count=scores,
        stored_count=scores + 2 * d,
        op_count=2 * d,
    )
    near = KNeighborsClassifier(n_neighbors=min(3, n)).fit(x, y)
    yield _Fit(
        name="k-nearest neighbours", predict=_scores(near, width), mac_count=n * d, stored_count=n * d, op_count=2 * n
    )
    machine = _better(SVC(C=10.0), x, y)
    vectors = int(machine[-1].support_vectors_.shape[0])
    work = vectors * (d + len(classes))
    yield _Fit(
        name="support vector machine",
        predict=_scores(machine, width),
        mac_count=work,
        stored_count=work,
        op_count=4 * vectors,
    )


def _better(model: Any, x: NDArray[Any], y: NDArray[Any]) -> Any:
    """Return the method trained on raw or on standardised features, whichever cross-validates better (raw if equal).

    Standardising pixels one by one amplifies those that hardly ever change; other data need it.
    """
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    kinds = [make_pipeline(step, clone(model)) for step in (FunctionTransformer(), StandardScaler())]
    folds = min(3, int(np.unique(y, return_counts=True)[1].min()))
    scores = [cross_val_score(kind, x, y, cv=folds).mean() if folds > 1 else 0.0 for kind in kinds]
    return kinds[int(np.argmax(scores))].fit(x, y)


def _scores(model: Any, width: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function from features to one score per class index: the method's own, the predicted class on top.

    One-hot scores would tie everywhere else, and a top-k metric would take the lowest indices for the next best.
    """

    def scores(x: NDArray[Any]) -> NDArray[np.float64]:
        soft = np.asarray((getattr(model, "predict_proba", None) or model.decision_function)(x), dtype=np.float64)
        soft = np.stack([-soft, soft], axis=1) if soft.ndim == 1 else soft
        found = np.full((len(x), width), soft.min() - 1.0)  # classes that were never seen come last
        found[:, model.classes_] = soft
        found[np.arange(len(x)), np.asarray(model.predict(x), dtype=np.int64)] = soft.max() + 1.0
        return found

    return scores


def _regressors(x: NDArray[Any], y: NDArray[Any]) -> Iterator[_Fit]:
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n, d = x.shape
    flat = y.reshape(n, -1).astype(np.float64)
    k = flat.shape[1]
    mean = flat.mean(axis=0)
    yield _Fit(name="mean", predict=lambda t: np.tile(mean, (len(t), 1)), mac_count=0, stored_count=k, op_count=k)
    linear = make_pipeline(StandardScaler(), Ridge()).fit(x, flat)
    yield _Fit(
        name="ridge regression",
        predict=lambda t: linear.predict(t).reshape(len(t), k),
        mac_count=d * k,
        stored_count=d * k + 2 * d,
        op_count=2 * d,
    )
    near = KNeighborsRegressor(n_neighbors=min(5, n)).fit(x, flat)
    yield _Fit(
        name="k-nearest neighbours",
        predict=lambda t: near.predict(t).reshape(len(t), k),
        mac_count=n * d,
        stored_count=n * (d + k),
        op_count=2 * n,
    )


def _workload(fit: _Fit, feature_count: int, batch: int) -> ProcessorWorkload:
    """Return the arithmetic of one batch of predictions as one dispatched operator."""

    def one(value: float) -> NDArray[np.float64]:
        return np.array([float(value)])

    return ProcessorWorkload(
        layers=(fit.name,),
        mac_count=one(fit.mac_count * batch),
        op_count=one(fit.op_count * batch),
        weight_bytes=one(fit.stored_count * _FLOAT_BYTES),
        input_bytes=one(feature_count * _FLOAT_BYTES * batch),
        output_bytes=one(_FLOAT_BYTES * batch),
        kernel_count=one(1),
        batch=batch,
    )
