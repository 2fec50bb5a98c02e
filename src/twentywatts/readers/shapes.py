"""Shapes through a graph, one layer at a time, with ONNX's own rules; what cannot be inferred stays unknown.

Going layer by layer costs the same for each layer however long the graph is, names the layer that fails, folds the
small computations of shapes on the way, and lets every layer be checked before native code sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper, shape_inference

from twentywatts.errors import ModelError
from twentywatts.network import Layer, TensorSpec, Weight
from twentywatts.readers.axes import Shape
from twentywatts.readers.fold import LAYOUT_OPS, MAX_ELEMENTS, evaluate
from twentywatts.readers.guard import objection
from twentywatts.readers.nodes import Node, Program, captured
from twentywatts.readers.tensors import ELEMENT_BITS, dtype_name, weight_of

__all__ = ["Tracer", "spec_of"]

_MAX_SIZE = 2**48  # a size beyond this is an overflow, not a tensor
_RANDOM = frozenset("RandomNormal RandomUniform RandomNormalLike RandomUniformLike Multinomial Bernoulli".split())


def spec_of(name: str, kind: TypeProto) -> TensorSpec:
    """Return the specification of a tensor from its ONNX type; sequences and the like have no shape."""
    if not kind.HasField("tensor_type"):
        return TensorSpec(name=name, shape=None, dtype=str(kind.WhichOneof("value") or "unknown"), bits=0)
    tensor = kind.tensor_type
    if tensor.elem_type == TensorProto.UNDEFINED:
        return TensorSpec(name=name, shape=None, dtype="unknown", bits=0)
    shape: Shape | None = None
    if tensor.HasField("shape"):
        shape = tuple(_size(dim) for dim in tensor.shape.dim)
    return TensorSpec(
        name=name, shape=shape, dtype=dtype_name(tensor.elem_type), bits=ELEMENT_BITS.get(tensor.elem_type, 0)
    )


def _size(dim: Any) -> int | str | None:
    if dim.HasField("dim_value"):
        return int(dim.dim_value) if 0 <= dim.dim_value <= _MAX_SIZE else None
    return dim.dim_param or None


class Tracer:
    """Walks a program once and collects layers, tensors, weights and what could not be understood."""

    def __init__(self, program: Program, folder: Path, declared: Mapping[str, TypeProto]) -> None:
        self.layers: list[Layer] = []
        self.tensors: dict[str, TensorSpec] = {}
        self.weights: dict[str, Weight] = {}
        self.unknown: dict[str, str] = {}
        self._program = program
        self._folder = folder
        self._declared = declared
        self._types: dict[str, TypeProto] = {}
        self._values: dict[str, NDArray[Any]] = {}
        self._schemas: dict[tuple[str, str, int], Any] = {}
        self._labels: set[str] = set()

    def add_tensor(self, name: str, kind: TypeProto) -> None:
        """Note a tensor that a caller feeds or a layer makes."""
        self.tensors[name] = spec_of(name, kind)
        self._types[name] = kind

    def add_weight(self, name: str, weight: Weight) -> None:
        """Note a constant, and its type for inference."""
        self.weights[name] = weight
        self._types[name] = helper.make_tensor_type_proto(_code(weight.dtype), weight.shape)

    def run(self, nodes: Iterable[Node]) -> None:
        """Walk the nodes, into branches whose condition is known; raises ModelError for undefined tensors."""
        stack: list[Iterator[Node]] = [iter(nodes)]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            body = self._taken_branch(node)
            if body is not None:
                stack.append(self._inline(node, body))
            else:
                self._visit(node)

    # one layer ------------------------------------------------------------------------------------------------------

    def _visit(self, node: Node) -> None:
        self._check_defined(node)
        attributes = _attributes(node, self._folder)
        if node.op == "Constant" and node.domain == "" and len(node.outputs) == 1:
            weight = _constant(node, attributes, self._folder)
            if weight is not None:
                self.add_weight(node.outputs[0], weight)
                return
        kinds, problem = self._infer(node, attributes)
        if self._fold(node, attributes, kinds):
            return
        label = self._label(node.name)
        for name, kind in kinds.items():
            self.add_tensor(name, kind)
        if problem:
            self.unknown[label] = problem
        self.layers.append(
            Layer(
                name=label,
                op=node.op,
                inputs=node.inputs,
                outputs=node.outputs,
                attributes=attributes | {"opset": node.opset},
                domain=node.domain,
            )
        )

    def _label(self, name: str) -> str:
        label, number = name, 1
        while label in self._labels:
            number += 1
            label = f"{name}#{number}"
        self._labels.add(label)
        return label

    def _check_defined(self, node: Node) -> None:
        for name in (*node.inputs, *captured(node)):
            if name and name not in self._types:
                raise ModelError(f"layer '{node.name}' reads '{name}', which nothing in the model makes")
        for name in node.outputs:
            if name and name in self._types:
                raise ModelError(f"layer '{node.name}' makes '{name}', which the model has already")

    # inference ------------------------------------------------------------------------------------------------------

    def _infer(self, node: Node, attributes: Mapping[str, Any]) -> tuple[dict[str, TypeProto], str]:
        """Return the types of the outputs (an empty type where nothing is known) and what went wrong, if anything."""
        found: dict[str, TypeProto] = {}
        problem = ""
        if node.bodies:
            problem = f"{node.op} runs a part of the graph as often as the data decide"
        else:
            schema = self._schema(node)
            if schema is not None:
                found, problem = self._native(node, attributes, schema)
        kinds = {name: found.get(name, TypeProto()) for name in node.outputs if name}
        for name, kind in kinds.items():
            declared = self._declared.get(name)
            if declared is not None and (spec := spec_of(name, kind)).element_count is None and spec.bits in (0, 32):
                kinds[name] = declared if spec_of(name, declared).element_count is not None or not spec.bits else kind
        return kinds, problem

    def _schema(self, node: Node) -> Any | None:
        key = (node.op, node.domain, node.opset)
        if key not in self._schemas:
            try:
                self._schemas[key] = onnx.defs.get_schema(node.op, node.opset, node.domain)
            except (onnx.defs.SchemaError, ValueError, TypeError):
                self._schemas[key] = None
        return self._schemas[key]

    def _native(self, node: Node, attributes: Mapping[str, Any], schema: Any) -> tuple[dict[str, TypeProto], str]:
        shapes = [self._shape(name) for name in node.inputs]
        problem = objection(node.op, attributes, shapes, schema=schema, output_count=len(node.outputs))
        if problem:
            return {}, problem
        proto = NodeProto(op_type=node.op, domain=node.domain)
        inner = [f"i{index}" if name else "" for index, name in enumerate(node.inputs)]
        proto.input.extend(inner)
        proto.output.extend(f"o{index}" for index in range(len(node.outputs)))
        proto.attribute.extend(_renamed(key, value) for key, value in node.attributes.items())
        types = {inside: self._types[name] for inside, name in zip(inner, node.inputs, strict=True) if name}
        data = {
            inside: numpy_helper.from_array(np.ascontiguousarray(self._value(name)))
            for inside, name in zip(inner, node.inputs, strict=True)
            if name and self._is_small(name)
        }
        opsets = [helper.make_opsetid(node.domain, node.opset)]
        try:
            result = shape_inference.infer_node_outputs(schema, proto, types, data, opset_imports=opsets)
        except Exception as error:  # the native rules raise many types; every one means that the shape is not known
            return {}, f"its shapes do not fit: {_one_line(error)}"
        found = {name: result[f"o{index}"] for index, name in enumerate(node.outputs) if f"o{index}" in result}
        return found, _mismatch(node, shapes, {name: spec_of(name, kind) for name, kind in found.items()})

    def _shape(self, name: str) -> Shape | None:
        if name in self.weights:
            return self.weights[name].shape
        return self.tensors[name].shape if name in self.tensors else None

    # constants ------------------------------------------------------------------------------------------------------

    def _is_small(self, name: str) -> bool:
        weight = self.weights.get(name)
        return weight is not None and weight.element_count <= MAX_ELEMENTS and weight.dtype != "string"

    def _value(self, name: str) -> NDArray[Any]:
        if name not in self._values:
            self._values[name] = self.weights[name].read()
        return self._values[name]

    def _fold(self, node: Node, attributes: Mapping[str, Any], kinds: Mapping[str, TypeProto]) -> bool:
        """Note the output as a constant where it is one; False where a layer remains."""
        if node.domain or len(node.outputs) != 1 or node.op in _RANDOM or not node.inputs or not all(node.inputs):
            return False
        name = node.outputs[0]
        spec = spec_of(name, kinds[name]) if name else None
        if spec is None:
            return False
        weight = self._shape_constant(node, attributes, name)
        if weight is None and all(other in self.weights for other in node.inputs):
            weight = self._folded(node, attributes, spec)
        if weight is not None:
            self.add_weight(name, weight)
        return weight is not None

    def _shape_constant(self, node: Node, attributes: Mapping[str, Any], name: str) -> Weight | None:
        if node.op not in ("Shape", "Size"):
            return None
        shape = self._shape(node.inputs[0])
        if shape is None:
            return None
        if node.op == "Shape":
            shape = shape[attributes.get("start", 0) : attributes.get("end", len(shape))]
        if not all(isinstance(size, int) for size in shape):
            return None
        value = np.array(shape if node.op == "Shape" else prod(shape), dtype=np.int64)  # type: ignore[arg-type]
        return _held(name, value)

    def _folded(self, node: Node, attributes: Mapping[str, Any], spec: TensorSpec) -> Weight | None:
        count = spec.element_count
        if count is None or spec.shape is None:
            return None
        shape = tuple(size for size in spec.shape if isinstance(size, int))
        first = self.weights[node.inputs[0]]
        if node.op == "ConstantOfShape":
            fill = attributes.get("value")
            return _filled(spec, shape, fill)
        if node.op in LAYOUT_OPS and count > 1:
            values = [first, *(self.weights[name] for name in node.inputs[1:])]
            return _laid_out(node.op, values, attributes, spec=spec, shape=shape)
        if count > MAX_ELEMENTS or not all(self._is_small(name) for name in node.inputs):
            return None
        dtype = helper.tensor_dtype_to_np_dtype(_code(spec.dtype))
        value = evaluate(node.op, [self._value(name) for name in node.inputs], attributes, dtype)
        return _held(spec.name, value) if value is not None and value.shape == shape else None

    # branches -------------------------------------------------------------------------------------------------------

    def _taken_branch(self, node: Node) -> Any | None:
        """Return the branch of an If whose condition is a constant."""
        if node.op != "If" or node.domain or len(node.inputs) != 1 or not self._is_small(node.inputs[0]):
            return None
        value = self._value(node.inputs[0])
        if value.size != 1:
            return None
        return node.bodies.get("then_branch" if bool(value.reshape(-1)[0]) else "else_branch")

    def _inline(self, node: Node, body: Any) -> Iterator[Node]:
        nodes, scope = self._program.branch(node, body)
        for tensor in body.initializer:
            self.add_weight(scope.resolve(tensor.name), weight_of(tensor, self._folder))
        yield from nodes
        for inner, outer in zip(body.output, node.outputs, strict=False):
            source = scope.resolve(inner.name)
            yield Node(
                name=outer,
                op="Identity",
                domain="",
                opset=node.opset if node.opset > 0 else 1,
                inputs=(source,),
                outputs=(outer,),
                attributes={},
                scope=node.scope,
            )


def _code(dtype: str) -> int:
    return int(_CODES[dtype])


_CODES = {dtype_name(code): code for code in ELEMENT_BITS}


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__


def _renamed(name: str, attribute: AttributeProto) -> AttributeProto:
    if attribute.name == name and not attribute.ref_attr_name:
        return attribute
    copy = AttributeProto()
    copy.CopyFrom(attribute)
    copy.name = name
    return copy


def _attributes(node: Node, folder: Path) -> dict[str, Any]:
    """Return attributes as Python values: numbers, texts, tuples, tensors by reference; branches are left out."""
    found: dict[str, Any] = {}
    for key, attribute in node.attributes.items():
        if attribute.type == AttributeProto.TENSOR:
            found[key] = weight_of(attribute.t, folder, f"{node.name}.{key}")
        elif attribute.type in _PLAIN:
            value = helper.get_attribute_value(attribute)
            found[key] = _plain(value)
    return found


_PLAIN = (
    AttributeProto.FLOAT,
    AttributeProto.INT,
    AttributeProto.STRING,
    AttributeProto.FLOATS,
    AttributeProto.INTS,
    AttributeProto.STRINGS,
)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, int | float | str):
        return value
    return tuple(_plain(item) for item in value)


def _constant(node: Node, attributes: Mapping[str, Any], folder: Path) -> Weight | None:
    """Return the value of a Constant node."""
    name = node.outputs[0]
    if isinstance(attributes.get("value"), Weight):
        tensor = node.attributes["value"].t
        return weight_of(tensor, folder, name)
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    for key, dtype in kinds.items():
        if key in attributes:
            return _held(name, np.array(attributes[key], dtype=dtype))
    return None


def _held(name: str, value: NDArray[Any]) -> Weight:
    """Return a small constant that is kept in memory."""
    code = helper.np_dtype_to_tensor_dtype(value.dtype)
    return Weight(name=name, shape=value.shape, dtype=dtype_name(code), bits=ELEMENT_BITS[code], read=lambda: value)


def _filled(spec: TensorSpec, shape: tuple[int, ...], fill: Weight | None) -> Weight:
    dtype = helper.tensor_dtype_to_np_dtype(_code(spec.dtype))

    def read() -> NDArray[Any]:
        value = fill.read().reshape(-1)[0] if fill is not None and fill.element_count else 0
        try:
            return np.full(shape, value, dtype=dtype)
        except (ValueError, MemoryError) as error:
            raise ModelError(f"tensor '{spec.name}' of shape {list(shape)} cannot be made: {error}") from None

    return Weight(name=spec.name, shape=shape, dtype=spec.dtype, bits=spec.bits, read=read)


def _laid_out(
    op: str, values: list[Weight], attributes: Mapping[str, Any], *, spec: TensorSpec, shape: tuple[int, ...]
) -> Weight | None:
    """Return a weight behind a change of layout: it keeps the name and the stored width of what it comes from."""
    source = values[0]
    if op != "Cast" and prod(shape) != source.element_count:
        return None
    dtype = helper.tensor_dtype_to_np_dtype(_code(spec.dtype))

    def read() -> NDArray[Any]:
        result = evaluate(op, [weight.read() for weight in values], attributes, dtype, limit=None)
        if result is None or result.shape != shape:
            raise ModelError(f"tensor '{spec.name}' cannot be computed from '{source.name}' by {op}")
        return result

    bits = min(spec.bits, source.bits) if op == "Cast" else source.bits
    return Weight(name=source.name, shape=shape, dtype=spec.dtype, bits=bits, read=read)


def _mismatch(node: Node, shapes: list[Shape | None], found: Mapping[str, TensorSpec]) -> str:
    """Return what is wrong with a Reshape whose constant does not fit its input."""
    if node.op != "Reshape" or node.domain or not shapes or node.outputs[0] not in found:
        return ""
    given = TensorSpec(name="", shape=shapes[0], dtype="", bits=0).element_count
    wanted = found[node.outputs[0]].element_count
    if given is None or wanted is None or given == wanted:
        return ""
    return f"its shapes do not fit: {given} elements are reshaped to {list(found[node.outputs[0]].shape or ())}"
