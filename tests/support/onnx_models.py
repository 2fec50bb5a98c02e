"""Small ONNX models for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Size = int | str | None


def info(name: str, shape: Sequence[Size] | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """A tensor that goes in or out; a shape of None has an unknown rank."""
    return helper.make_tensor_value_info(name, kind, shape)  # type: ignore[arg-type]


def zeros(name: str, *shape: int, kind: Any = np.float32) -> TensorProto:
    """A constant of zeros."""
    return numpy_helper.from_array(np.zeros(shape, dtype=kind), name)


def constant(name: str, value: Any, kind: Any = np.int64) -> TensorProto:
    """A constant of given values."""
    return numpy_helper.from_array(np.array(value, dtype=kind), name)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[str],
    constants: Sequence[TensorProto] = (),
    *,
    opset: int = 18,
    **more: Any,
) -> onnx.ModelProto:
    """A model whose outputs declare nothing but their names."""
    values = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(list(nodes), "test", list(inputs), values, list(constants))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, **more)


def save(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Write a model as it is."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def one_layer(op: str, shapes: Sequence[Sequence[Size]], outputs: int = 1, **attributes: Any) -> onnx.ModelProto:
    """A model of one layer: the first shape is fed, the others are constants of zeros."""
    names = [f"t{index}" for index in range(len(shapes))]
    made = [f"y{index}" for index in range(outputs)]
    constants = [zeros(name, *shape) for name, shape in zip(names[1:], shapes[1:], strict=True)]  # type: ignore[arg-type]
    node = helper.make_node(op, names, made, name="layer", **attributes)
    return model_of([node], [info(names[0], shapes[0])], made, constants)
