"""The types of a layer's outputs: by ONNX's own rules, by ours for runtime operators, or as the file declares them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TypeProto, helper, numpy_helper, shape_inference

from twentywatts.errors import ModelError
from twentywatts.network import TensorSpec
from twentywatts.readers.contrib import contrib_kinds
from twentywatts.readers.guard import objection
from twentywatts.readers.nodes import Node
from twentywatts.readers.specs import Kind, kind_of

__all__ = ["Inference"]

Kinds = dict[str, Kind]
Answer = tuple[dict[int, Kind], str]
_NOTHING = TypeProto()


class Inference:
    """Infers one layer at a time.

    kinds: what is known of tensors so far. declared: types that the file states, used where rules give nothing.
    steers: gives the value of a constant that a shape can depend on.
    """

    def __init__(
        self, kinds: Mapping[str, Kind], declared: Mapping[str, Kind], steers: Callable[[str], NDArray[Any] | None]
    ) -> None:
        self._kinds = kinds
        self._declared = declared
        self._steers = steers
        self._schemas: dict[tuple[str, str, int], Any] = {}
        self._known: dict[Hashable, Answer] = {}

    def infer(self, node: Node, attributes: Mapping[str, Any]) -> tuple[Kinds, str]:
        """Return the kinds of the outputs, and what went wrong (an empty text if nothing)."""
        found: Kinds = {}
        problem = ""
        schema = self._schema(node)
        if node.bodies:
            problem = f"{node.op} runs a part of the graph as often as the data decide"
        elif schema is not None:
            found, problem = self._native(node, attributes, schema)
        if not found and not problem:
            inputs = [self._kinds[name].spec if name else None for name in node.inputs]
            found = contrib_kinds(node, attributes, inputs)
        return {name: self._best(name, found.get(name)) for name in node.outputs if name}, problem

    def _best(self, name: str, found: Kind | None) -> Kind:
        declared = self._declared.get(name)
        if found is None:
            return declared or kind_of(name, _NOTHING)
        if declared is None or declared.spec.shape is None or found.spec.element_count is not None:
            return found
        return declared if found.spec.shape is None or declared.spec.element_count is not None else found

    def _schema(self, node: Node) -> Any | None:
        key = (node.op, node.domain, node.opset)
        if key not in self._schemas:
            try:
                self._schemas[key] = onnx.defs.get_schema(node.op, node.opset, node.domain)
            except (onnx.defs.SchemaError, ValueError, TypeError):
                self._schemas[key] = None
        return self._schemas[key]

    def _native(self, node: Node, attributes: Mapping[str, Any], schema: Any) -> tuple[Kinds, str]:
        """Return what ONNX's rules say; layers that look the same to them are asked for once."""
        specs = [self._kinds[name].spec if name else None for name in node.inputs]
        data = {index: value for index, name in enumerate(node.inputs) if (value := self._steers(name)) is not None}
        key = _key(node, specs, data)
        if key is None or key not in self._known:
            answer = self._ask(node, attributes, specs, data=data, schema=schema)
            if key is None:
                return _named(node, answer)
            self._known[key] = answer
        return _named(node, self._known[key])

    def _ask(
        self,
        node: Node,
        attributes: Mapping[str, Any],
        specs: Sequence[TensorSpec | None],
        *,
        data: Mapping[int, NDArray[Any]],
        schema: Any,
    ) -> Answer:
        shapes = [spec.shape if spec else None for spec in specs]
        problem = objection(node.op, attributes, shapes, schema=schema, output_count=len(node.outputs))
        if problem:
            return {}, problem
        try:
            result = self._call(node, data, schema)
            found = {index: kind_of("", proto) for index, proto in result.items()}
        except ModelError as error:
            return {}, str(error)
        except Exception as error:  # the native rules raise many types; every one means that the shape is not known
            return {}, f"its shapes do not fit: {_one_line(error)}"
        return found, _mismatch(node, specs, found)

    def _call(self, node: Node, data: Mapping[int, NDArray[Any]], schema: Any) -> dict[int, TypeProto]:
        """Call native inference for one node under neutral names; returns types by position of the output."""
        inner = [f"i{index}" if name else "" for index, name in enumerate(node.inputs)]
        proto = NodeProto(op_type=node.op, domain=node.domain, input=inner)
        proto.output.extend(f"o{index}" for index in range(len(node.outputs)))
        proto.attribute.extend(_renamed(key, value) for key, value in node.attributes.items())
        types = {inside: self._kinds[name].proto for inside, name in zip(inner, node.inputs, strict=True) if name}
        values = {
            f"i{index}": numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape))
            for index, value in data.items()
        }
        opsets = [helper.make_opsetid(node.domain, node.opset)]
        result = shape_inference.infer_node_outputs(schema, proto, types, values, opset_imports=opsets)
        return {index: result[f"o{index}"] for index in range(len(node.outputs)) if f"o{index}" in result}


def _key(node: Node, specs: Sequence[TensorSpec | None], data: Mapping[int, NDArray[Any]]) -> Hashable | None:
    """Return what native inference depends on; None where types say more than a specification (sequences)."""
    if any(spec is not None and not spec.bits for spec in specs):
        return None
    return (
        node.op,
        node.domain,
        node.opset,
        tuple(bool(name) for name in node.outputs),
        tuple((spec.dtype, spec.shape) if spec else None for spec in specs),
        tuple((index, value.tobytes()) for index, value in data.items()),
        tuple((name, attribute.SerializeToString()) for name, attribute in node.attributes.items()),
    )


def _named(node: Node, answer: Answer) -> tuple[Kinds, str]:
    found, problem = answer
    kinds = {
        name: Kind(proto=kind.proto, spec=_renamed_spec(kind.spec, name))
        for index, kind in found.items()
        if (name := node.outputs[index])
    }
    return kinds, problem


def _renamed_spec(spec: TensorSpec, name: str) -> TensorSpec:
    return TensorSpec(name=name, shape=spec.shape, dtype=spec.dtype, bits=spec.bits)


def _renamed(name: str, attribute: AttributeProto) -> AttributeProto:
    """Return an attribute under the name that the node calls it by; in a function body the two can differ."""
    if attribute.name == name and not attribute.ref_attr_name:
        return attribute
    copy = AttributeProto()
    copy.CopyFrom(attribute)
    copy.name = name
    copy.ref_attr_name = ""
    return copy


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__


def _mismatch(node: Node, inputs: Sequence[TensorSpec | None], found: Mapping[int, Kind]) -> str:
    """Return what is wrong with a Reshape whose constant does not fit its input; native rules let it pass."""
    if node.op != "Reshape" or node.domain or not inputs or inputs[0] is None or 0 not in found:
        return ""
    result = found[0].spec
    given, wanted = inputs[0].element_count, result.element_count
    if given is None or wanted is None or given == wanted:
        return ""
    return f"its shapes do not fit: {given} elements are reshaped to {list(result.shape or ())}"
