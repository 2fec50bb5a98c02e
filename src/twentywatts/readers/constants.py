"""Constants that the graph itself makes: held in memory if small, else made when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from twentywatts.errors import ModelError
from twentywatts.network import TensorSpec, Weight
from twentywatts.readers.files import MAX_FILE_BYTES
from twentywatts.readers.fold import LAYOUT_OPS, MAX_ELEMENTS, evaluate
from twentywatts.readers.nodes import Node
from twentywatts.readers.tensors import ELEMENT_BITS, code_of, dtype_name, weight_of

__all__ = ["Constants"]

_FEW = 16
_VALUES = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


class Constants:
    """The weights of a model by name, and the values of the small ones."""

    def __init__(self, folder: Path) -> None:
        self.weights: dict[str, Weight] = {}
        self._folder = folder
        self._values: dict[str, NDArray[Any]] = {}

    def value(self, name: str) -> NDArray[Any] | None:
        """Return the value of a small constant, None for a large one, a text, or what is no constant."""
        weight = self.weights.get(name)
        if weight is None or weight.element_count > MAX_ELEMENTS or weight.dtype == "string":
            return None
        if name not in self._values:
            self._values[name] = weight.read()
        return self._values[name]

    def steering(self, name: str) -> NDArray[Any] | None:
        """Return the value of a constant that a shape can depend on: whole numbers, or a few others."""
        weight = self.weights.get(name)
        if weight is None or (weight.element_count > _FEW and not weight.dtype.startswith(("int", "uint", "bool"))):
            return None
        return self.value(name)

    def of_node(self, node: Node, attributes: Mapping[str, Any]) -> Weight | None:
        """Return what a Constant node holds."""
        if node.op != "Constant" or node.domain or len(node.outputs) != 1:
            return None
        name = node.outputs[0]
        if isinstance(attributes.get("value"), Weight):
            return weight_of(node.attributes["value"].t, self._folder, name)
        for key, dtype in _VALUES.items():
            if key in attributes:
                return _held(name, np.array(attributes[key], dtype=dtype))
        return None

    def of_shape(self, node: Node, attributes: Mapping[str, Any], shape: tuple[Any, ...] | None) -> Weight | None:
        """Return the result of Shape or Size for an input whose shape is known."""
        if shape is None:
            return None
        if node.op == "Shape":
            shape = shape[attributes.get("start", 0) : attributes.get("end", len(shape))]
        if not all(isinstance(size, int) for size in shape):
            return None
        return _held(node.outputs[0], np.array(shape if node.op == "Shape" else prod(shape), dtype=np.int64))

    def folded(self, node: Node, attributes: Mapping[str, Any], spec: TensorSpec) -> Weight | None:
        """Return the result of a node whose inputs are all constants, None where it stays a layer."""
        count = spec.element_count
        if count is None or spec.shape is None or spec.dtype in ("string", "unknown"):
            return None
        shape = tuple(size for size in spec.shape if isinstance(size, int))
        if node.op == "ConstantOfShape":
            return _filled(spec, shape, attributes.get("value"))
        sources = [self.weights[name] for name in node.inputs]
        if node.op in LAYOUT_OPS and count > 1:
            return _laid_out(node.op, sources, attributes, spec=spec, shape=shape)
        values = [self.value(name) for name in node.inputs] if count <= MAX_ELEMENTS else [None]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        value = evaluate(node.op, known, attributes, helper.tensor_dtype_to_np_dtype(code_of(spec.dtype)))
        return _held(spec.name, value) if value is not None and value.shape == shape else None


def _held(name: str, value: NDArray[Any]) -> Weight:
    code = helper.np_dtype_to_tensor_dtype(value.dtype)
    return Weight(name=name, shape=value.shape, dtype=dtype_name(code), bits=ELEMENT_BITS[code], read=lambda: value)


def _filled(spec: TensorSpec, shape: tuple[int, ...], fill: Weight | None) -> Weight:
    """Return a constant of one repeated value; it is made when it is read, and never above 2 GB."""

    def read() -> NDArray[Any]:
        if prod(shape) * max(spec.bits, 8) > 8 * MAX_FILE_BYTES:
            raise ModelError(f"tensor '{spec.name}' of shape {list(shape)} is larger than 2 GB")
        value = fill.read().reshape(-1)[0] if fill is not None and fill.element_count else 0
        return np.full(shape, value, dtype=helper.tensor_dtype_to_np_dtype(code_of(spec.dtype)))

    return Weight(name=spec.name, shape=shape, dtype=spec.dtype, bits=spec.bits, read=read)


def _laid_out(
    op: str, sources: Sequence[Weight], attributes: Mapping[str, Any], *, spec: TensorSpec, shape: tuple[int, ...]
) -> Weight | None:
    """Return a weight behind a change of layout: it keeps the name and the stored width of what it comes from."""
    source = sources[0]
    if prod(shape) != source.element_count:
        return None
    dtype = helper.tensor_dtype_to_np_dtype(code_of(spec.dtype))

    def read() -> NDArray[Any]:
        result = evaluate(op, [weight.read() for weight in sources], attributes, dtype, limit=None)
        if result is None or result.shape != shape:
            raise ModelError(f"tensor '{spec.name}' cannot be computed from '{source.name}' by {op}")
        return result

    bits = min(spec.bits, source.bits) if op == "Cast" else source.bits
    return Weight(name=source.name, shape=shape, dtype=spec.dtype, bits=bits, read=read)
