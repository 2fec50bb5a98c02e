"""Constants computed while reading, against the onnx library's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator
from tests.support.onnx_models import info, model_of

from twentywatts.readers.fold import evaluate


def reference(op: str, values: list[NDArray[Any]], **attributes: Any) -> NDArray[Any]:
    names = [f"i{index}" for index in range(len(values))]
    inputs = [
        info(name, value.shape, helper.np_dtype_to_tensor_dtype(value.dtype))
        for name, value in zip(names, values, strict=True)
    ]
    model = model_of([helper.make_node(op, names, ["y"], **attributes)], inputs, ["y"])
    result: NDArray[Any] = ReferenceEvaluator(model).run(None, dict(zip(names, values, strict=True)))[0]
    return np.asarray(result)


def check(op: str, values: list[NDArray[Any]], **attributes: Any) -> None:
    wanted = reference(op, values, **attributes)
    found = evaluate(op, values, attributes, wanted.dtype)
    assert found is not None
    assert found.shape == wanted.shape
    assert np.array_equal(found, wanted)


def four(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
    return st.lists(numbers, min_size=4, max_size=4)


ints = st.integers(-12, 12)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 7), ints, ints, ints.filter(bool))
def test_slices(size: int, start: int, end: int, step: int) -> None:
    data = np.arange(3 * size).reshape(3, size)
    check("Slice", [data, *(np.array([v]) for v in (start, end, 1, step))])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-9, 9), min_size=4, max_size=4),
    st.lists(st.integers(-9, 9).filter(bool), min_size=4, max_size=4),
)
def test_arithmetic(left: list[int], right: list[int]) -> None:
    for op in ("Add", "Sub", "Mul", "Mod", "Equal", "Less", "GreaterOrEqual"):
        check(op, [np.array(left), np.array(right)])
    quotient = evaluate("Div", [np.array(left), np.array(right)], {}, np.dtype(np.int64))
    assert quotient is not None
    assert quotient.tolist() == [int(a / b) for a, b in zip(left, right, strict=True)], "towards zero, as runtimes do"


DATA = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("op", "values", "attributes"),
    [
        ("Reshape", [DATA, np.array([0, -1])], {}),
        ("Reshape", [DATA, np.array([4, 6])], {"allowzero": 1}),
        ("Flatten", [DATA], {"axis": 2}),
        ("Flatten", [DATA], {"axis": -1}),
        ("Flatten", [DATA], {"axis": 0}),
        ("Transpose", [DATA], {}),
        ("Transpose", [DATA], {"perm": [2, 0, 1]}),
        ("Unsqueeze", [DATA, np.array([0, -1])], {}),
        ("Squeeze", [DATA[:1], np.array([0])], {}),
        ("Squeeze", [DATA[:1]], {}),
        ("Concat", [DATA, DATA], {"axis": -1}),
        ("Gather", [DATA, np.array([[1, -1]])], {"axis": 2}),
        ("Where", [DATA > 3, DATA, -DATA], {}),
        ("Range", [np.array(1), np.array(9), np.array(3)], {}),
        ("Expand", [DATA[:, :1], np.array([3, 1])], {}),
        ("Tile", [DATA, np.array([1, 2, 1])], {}),
        ("ReduceSum", [DATA, np.array([1])], {"keepdims": 0}),
        ("ReduceSum", [DATA, np.array([], np.int64)], {"noop_with_empty_axes": 1}),
        ("ReduceProd", [DATA + 1, np.array([2])], {}),
        ("ReduceMax", [DATA], {}),
    ],
)
def test_layout_and_reductions(op: str, values: list[NDArray[Any]], attributes: dict[str, Any]) -> None:
    check(op, values, **attributes)


def test_what_cannot_be_computed_is_none() -> None:
    one, zero = np.array([1]), np.array([0])
    assert evaluate("Div", [one, zero], {}, np.dtype(np.int64)) is None
    assert evaluate("Reshape", [DATA, np.array([5])], {}, np.dtype(np.int64)) is None
    assert evaluate("Sin", [one], {}, np.dtype(np.float32)) is None
    assert evaluate("Tile", [one, np.array([5000])], {}, np.dtype(np.int64)) is None
