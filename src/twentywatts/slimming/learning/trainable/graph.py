"""What a graph computes and which of its constants are weights; no torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import ModelError, RefusedError, clean

__all__ = ["LEARNED", "Call", "Graph", "Input", "array_of", "graph_of", "is_attentive"]

Array = NDArray[Any]
Uses = Mapping[str, list[tuple["Call", int]]]

# inputs in which an operator takes what is learned
LEARNED: dict[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "Einsum": tuple(range(8)),
    "BatchNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "RMSNormalization": (1,),
    "SimplifiedLayerNormalization": (1,),
    "PRelu": (1,),
    "Gather": (0,),
    "Add": (0, 1),
    "Mul": (0, 1),
}
_LAID_OUT = frozenset("Identity Transpose Reshape Squeeze Unsqueeze Flatten Cast Split Slice Expand Concat".split())
_BROADCAST = frozenset("Add Mul".split())
_MASK = 1e4  # what is added with a larger size hides positions from a softmax and is no weight


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One operator with the names of what it takes and makes (an empty name where nothing is)."""

    name: str
    op: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The layer as an error names it."""
        return f"layer '{clean(self.name)}' ({clean(self.op)})"

    def has(self, index: int) -> bool:
        """Tell whether the input at ``index`` is given."""
        return index < len(self.inputs) and bool(self.inputs[index])


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input: its name, element type and shape, None for a size that is left open or a rank that is not told."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """A model in running order. constants: by name, half precision as 32 bits. weights: names of those that learn."""

    calls: tuple[Call, ...]
    constants: Mapping[str, Array]
    weights: frozenset[str]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]

    def uses(self) -> dict[str, list[tuple[Call, int]]]:
        """Return where each tensor goes: calls, and at which of their inputs."""
        return _uses(self.calls)


def graph_of(content: bytes) -> Graph:
    """Return the graph of a serialised ONNX model; raises ModelError for what is none, RefusedError for its weights.

    Functions are inlined. Weights must lie inside the model.
    """
    from onnx import helper

    from twentywatts.readers.nodes import Program

    model = _parsed(content)
    program = Program(model)
    constants = {tensor.name: array_of(tensor) for tensor in model.graph.initializer}
    stored = set(constants)
    calls = []
    for node in program.nodes(model.graph.node, program.root):
        call = _call(node)
        if call.op == "Constant":
            constants[call.outputs[0]] = _constant(call, node)
            if len(node.scope.prefix) == 0:
                stored.add(call.outputs[0])
        else:
            calls.append(call)
    inputs = tuple(_input(spec, helper) for spec in model.graph.input if spec.name not in stored)
    outputs = tuple(spec.name for spec in model.graph.output)
    uses = _uses(calls)
    weights = frozenset(name for name in stored if _is_float(constants[name]) and _learns(name, constants[name], uses))
    return Graph(calls=tuple(calls), constants=constants, weights=weights, inputs=inputs, outputs=outputs)


def is_attentive(graph: Graph) -> bool:
    """Tell whether a network attends: a softmax that is no output."""
    return any(call.op in ("Softmax", "Attention") and call.outputs[0] not in graph.outputs for call in graph.calls)


def _parsed(content: bytes) -> Any:
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf raises its own kinds
        raise ModelError("these bytes are no ONNX model") from None
    if model.graph.sparse_initializer:
        raise RefusedError("sparse constants cannot be trained: store them as plain tensors")
    return model


def array_of(tensor: Any) -> Array:
    """Return the values of a stored tensor, half precision as 32 bits; raises ModelError where they lie elsewhere."""
    from twentywatts.readers.tensors import weight_of

    if tensor.data_location:
        raise ModelError(f"the weight '{clean(tensor.name)}' lies outside of the model: store it inside")
    weight = weight_of(tensor, Path())
    array = np.array(weight.read())
    return array.astype(np.float32) if weight.dtype in ("float16", "bfloat16") else array


def _input(spec: Any, helper: Any) -> Input:
    kind = spec.type.tensor_type
    dtype = str(helper.tensor_dtype_to_np_dtype(kind.elem_type)) if kind.elem_type else "float32"
    shape = None
    if kind.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    return Input(name=spec.name, dtype="float32" if dtype in ("float16", "bfloat16") else dtype, shape=shape)


def _call(node: Any) -> Call:
    from twentywatts.readers.attributes import attributes_of

    return Call(
        name=node.name,
        op=node.op if not node.domain else f"{node.domain}.{node.op}",
        opset=node.opset,
        inputs=node.inputs,
        outputs=node.outputs,
        attributes=attributes_of(node, Path()),
    )


def _constant(call: Call, node: Any) -> Array:
    """Return what a Constant node holds."""
    if "value" in node.attributes:
        return array_of(node.attributes["value"].t)
    for key in ("value_float", "value_floats", "value_int", "value_ints"):
        if key in call.attributes:
            return np.array(call.attributes[key], dtype=np.float32 if "float" in key else np.int64)
    raise RefusedError(f"{call.label} holds neither a tensor nor numbers")


def _uses(calls: Any) -> dict[str, list[tuple[Call, int]]]:
    found: dict[str, list[tuple[Call, int]]] = {}
    for call in calls:
        for index, name in enumerate(call.inputs):
            if name:
                found.setdefault(name, []).append((call, index))
    return found


def _is_float(array: Array) -> bool:
    return array.dtype in (np.float32, np.float64)


def _learns(name: str, array: Array, uses: Uses) -> bool:
    """Tell whether a constant is a weight: something that learns takes it, laid out anew or not."""
    if not array.size or not np.isfinite(array).all():
        return False
    return any(_fits(array, call) for call in _takers(name, uses))


def _takers(name: str, uses: Uses) -> Iterator[Call]:
    """Yield the calls that take a constant as something learned, looking through changes of its layout."""
    waiting, seen = [name], {name}
    while waiting:
        for call, index in uses.get(waiting.pop(), []):
            if index in LEARNED.get(call.op, ()):
                yield call
            if call.op in _LAID_OUT and (index == 0 or call.op == "Concat"):
                fresh = [output for output in call.outputs if output and output not in seen]
                waiting += fresh
                seen.update(fresh)


def _fits(array: Array, call: Call) -> bool:
    """Tell whether a constant is learned there: not a formula's number, not a mask."""
    if call.op not in _BROADCAST:
        return True
    if array.ndim == 0 or (call.op == "Mul" and array.size == 1):
        return False
    is_mask = bool(np.isin(array, (0, 1)).all() and array.min() < array.max())
    return not (is_mask and call.op == "Mul") and float(np.abs(array).max()) < _MASK
