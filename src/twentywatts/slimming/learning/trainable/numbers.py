"""Numbers that steer a graph: sizes, axes and indices are NumPy arrays all along, and never enter torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import RefusedError
from twentywatts.readers.fold import evaluate
from twentywatts.slimming.learning.trainable.graph import Call

__all__ = ["DTYPES", "axes_of", "evaluated", "ints_of", "setting"]

Array = NDArray[Any]
# element types of ONNX by code, as NumPy names them; half precision is run in 32 bits
DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float32",
    11: "float64",
    16: "float32",
}
_COMPARISONS = frozenset("Equal Less LessOrEqual Greater GreaterOrEqual And Or Not".split())


def ints_of(value: Any) -> tuple[int, ...]:
    """Return a value as whole numbers, in reading order; sizes that an export leaves open stay as they are."""
    return tuple(size if type(size) is not float else int(size) for size in value.reshape(-1).tolist())


def setting(call: Call, values: Sequence[Any], index: int, name: str) -> tuple[int, ...] | None:
    """Return whole numbers that are an input in newer and an attribute in older operator sets, None where absent."""
    if len(values) > index and values[index] is not None:
        return ints_of(values[index])
    found = call.attributes.get(name)
    return None if found is None else tuple(found)


def axes_of(call: Call, values: Sequence[Any], rank: int) -> tuple[int, ...]:
    """Return the axes of a reduction, all of them where none is named."""
    found = setting(call, values, 1, "axes")
    if not found:
        return () if call.attributes.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(axis % rank for axis in found)


def evaluated(call: Call, values: Sequence[Array]) -> Array | None:
    """Return what an operator makes of numbers, None where it must run in torch."""
    if not values or any(value is None for value in values):
        return None
    if call.op == "Cast":
        code = int(call.attributes["to"])
        if code not in DTYPES:
            raise RefusedError(f"{call.label} casts to element type {code}: only numbers can be trained with")
        is_open = values[0].dtype == object and "int" in DTYPES[code]
        return values[0] if is_open else values[0].astype(DTYPES[code])
    if call.op == "Div" and values[0].dtype == object:
        return np.asarray(values[0] // values[1])
    return evaluate(call.op, values, call.attributes, _dtype(call, values), limit=None)


def _dtype(call: Call, values: Sequence[Array]) -> Any:
    if call.op in _COMPARISONS:
        return np.dtype(bool)
    if any(value.dtype == object for value in values):
        return np.dtype(object)
    return values[1 if call.op == "Where" else 0].dtype
