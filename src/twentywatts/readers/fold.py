"""Small constants computed while reading: shapes, indices and sizes that exporters leave in the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUT_OPS", "MAX_ELEMENTS", "evaluate"]

Values = Sequence[NDArray[Any]]
MAX_ELEMENTS = 4096
# operators that only change how a constant is laid out; a weight behind them is still that weight
LAYOUT_OPS = frozenset("Identity Unsqueeze Squeeze Reshape Transpose Flatten Cast".split())


def _axes(values: Values, attributes: Mapping[str, Any]) -> tuple[int, ...] | None:
    if len(values) > 1:
        return tuple(int(axis) for axis in np.ravel(values[1]))
    found = attributes.get("axes")
    return tuple(found) if found is not None else None


def _reshape(values: Values, attributes: Mapping[str, Any]) -> NDArray[Any]:
    data = values[0]
    wanted = [int(size) for size in (np.ravel(values[1]) if len(values) > 1 else attributes["shape"])]
    if not attributes.get("allowzero", 0):
        wanted = [data.shape[index] if size == 0 else size for index, size in enumerate(wanted)]
    return data.reshape(wanted)


def _squeeze(values: Values, attributes: Mapping[str, Any]) -> NDArray[Any]:
    return np.squeeze(values[0], axis=_axes(values, attributes))


def _unsqueeze(values: Values, attributes: Mapping[str, Any]) -> NDArray[Any]:
    return np.expand_dims(values[0], _axes(values, attributes) or ())


def _flatten(values: Values, attributes: Mapping[str, Any]) -> NDArray[Any]:
    axis = attributes.get("axis", 1)
    axis += values[0].ndim if axis < 0 else 0
    return values[0].reshape(int(np.prod(values[0].shape[:axis], dtype=np.int64)), -1)


def _slice(values: Values, attributes: Mapping[str, Any]) -> NDArray[Any]:
    data = values[0]
    if len(values) > 1:
        starts, ends = (np.ravel(v).astype(int).tolist() for v in values[1:3])
        axes = np.ravel(values[3]).astype(int).tolist() if len(values) > 3 else list(range(len(starts)))
        steps = np.ravel(values[4]).astype(int).tolist() if len(values) > 4 else [1] * len(starts)
    else:
        starts, ends = list(attributes["starts"]), list(attributes["ends"])
        axes, steps = list(attributes.get("axes", range(len(starts)))), [1] * len(starts)
    where: list[slice] = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = data.shape[axis]
        low = -size - 1 if step < 0 else -size
        stop = None if step < 0 and end < -size else max(min(end, size), low)
        where[axis] = slice(max(min(start, size), low), stop, step)
    return data[tuple(where)]


def _reduce(function: Callable[..., Any]) -> Callable[[Values, Mapping[str, Any]], NDArray[Any]]:
    def run(values: Values, attributes: Mapping[str, Any]) -> NDArray[Any]:
        axes = _axes(values, attributes)
        if not axes and attributes.get("noop_with_empty_axes", 0):
            return values[0]
        return np.asarray(function(values[0], axis=axes or None, keepdims=bool(attributes.get("keepdims", 1))))

    return run


def _divide(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    if np.issubdtype(left.dtype, np.integer):  # ONNX divides whole numbers towards zero
        quotient = np.abs(left) // np.abs(right)
        return np.asarray(quotient * np.sign(left) * np.sign(right)).astype(left.dtype)
    return np.asarray(left / right)


def _mod(values: Values, attributes: Mapping[str, Any]) -> NDArray[Any]:
    return np.asarray((np.fmod if attributes.get("fmod", 0) else np.mod)(*values))


def _range(start: NDArray[Any], limit: NDArray[Any], delta: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype))


def _plain(function: Callable[..., Any]) -> Callable[[Values, Mapping[str, Any]], NDArray[Any]]:
    return lambda values, _: np.asarray(function(*values))


_EVALUATORS: dict[str, Callable[[Values, Mapping[str, Any]], NDArray[Any]]] = {
    "Identity": lambda values, _: values[0],
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Transpose": lambda values, attributes: np.transpose(values[0], attributes.get("perm")),
    "Concat": lambda values, attributes: np.concatenate(values, axis=attributes.get("axis", 1)),
    "Slice": _slice,
    "Gather": lambda values, attributes: np.take(values[0], values[1].astype(int), axis=attributes.get("axis", 0)),
    "Add": _plain(np.add),
    "Sub": _plain(np.subtract),
    "Mul": _plain(np.multiply),
    "Div": _plain(_divide),
    "Mod": _mod,
    "Neg": _plain(np.negative),
    "Abs": _plain(np.abs),
    "Floor": _plain(np.floor),
    "Ceil": _plain(np.ceil),
    "Sqrt": _plain(np.sqrt),
    "Equal": _plain(np.equal),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "And": _plain(np.logical_and),
    "Or": _plain(np.logical_or),
    "Not": _plain(np.logical_not),
    "Where": _plain(np.where),
    "Range": _plain(_range),
    "Expand": lambda values, _: values[0] * np.ones(np.ravel(values[1]).astype(int), dtype=values[0].dtype),
    "Tile": lambda values, _: np.tile(values[0], np.ravel(values[1]).astype(int)),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
}


def evaluate(
    op: str, values: Values, attributes: Mapping[str, Any], dtype: np.dtype[Any], *, limit: int | None = MAX_ELEMENTS
) -> NDArray[Any] | None:
    """Return the result of an operator on constants as ``dtype``, None where it cannot be computed here.

    ``limit`` is the largest number of elements that is given back.
    """
    if op == "Cast" and len(values) == 1:
        return values[0].astype(dtype)
    function = _EVALUATORS.get(op)
    if function is None:
        return None
    try:
        with np.errstate(all="raise"):
            result = function(values, attributes)
    except (ValueError, IndexError, KeyError, TypeError, ArithmeticError):
        return None
    if limit is not None and result.size > limit:
        return None
    return np.asarray(result).astype(dtype, copy=False)
