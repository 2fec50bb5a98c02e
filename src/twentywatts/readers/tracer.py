"""A walk through a program: shapes layer by layer, constants folded on the way, branches taken where that is known.

Going layer by layer costs the same for each layer however long the graph is, names the layer that fails, and lets
every layer be checked before native code sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from onnx import GraphProto

from twentywatts.errors import ModelError
from twentywatts.network import Layer, TensorSpec, Weight
from twentywatts.readers.attributes import attributes_of
from twentywatts.readers.constants import Constants
from twentywatts.readers.inference import Inference
from twentywatts.readers.nodes import Node, Program, captured
from twentywatts.readers.specs import Kind, tensor_kind
from twentywatts.readers.tensors import weight_of

__all__ = ["Tracer"]

_RANDOM = frozenset("RandomNormal RandomUniform RandomNormalLike RandomUniformLike Multinomial Bernoulli".split())


class Tracer:
    """Walks a program once and collects layers, tensors, weights and what could not be understood."""

    def __init__(self, program: Program, folder: Path, declared: Mapping[str, Kind]) -> None:
        self.layers: list[Layer] = []
        self.tensors: dict[str, TensorSpec] = {}
        self.unknown: dict[str, str] = {}
        self._program = program
        self._folder = folder
        self._constants = Constants(folder)
        self._kinds: dict[str, Kind] = {}
        self._inference = Inference(self._kinds, declared, self._constants.steering)
        self._labels: dict[str, int] = {}

    @property
    def weights(self) -> dict[str, Weight]:
        """Constants by name, those that the graph makes among them."""
        return self._constants.weights

    def add_tensor(self, name: str, kind: Kind) -> None:
        """Note a tensor that a caller feeds or a layer makes."""
        self.tensors[name] = kind.spec
        self._kinds[name] = kind

    def add_weight(self, name: str, weight: Weight) -> None:
        """Note a constant; raises ModelError where its name is taken."""
        if not name or name in self._kinds:
            raise ModelError(f"the constant '{name}' is there twice or has no name")
        self.weights[name] = weight
        self._kinds[name] = tensor_kind(name, weight.dtype, weight.shape)

    def run(self, nodes: Iterable[Node]) -> None:
        """Walk the nodes; raises ModelError for a tensor that is read but not made, or made twice."""
        stack: list[Iterator[Node]] = [iter(nodes)]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            self._check_names(node)
            body = self._taken_branch(node)
            if body is not None:
                stack.append(self._branch(node, body))
            else:
                self._visit(node)

    def _visit(self, node: Node) -> None:
        attributes = attributes_of(node, self._folder)
        held = self._constants.of_node(node, attributes)
        if held is not None:
            self.add_weight(node.outputs[0], held)
            return
        kinds, problem = self._inference.infer(node, attributes)
        folded = None if problem else self._folded(node, attributes, kinds)
        if folded is not None:
            self.add_weight(node.outputs[0], folded)
            return
        for name, kind in kinds.items():
            self.add_tensor(name, kind)
        label = self._label(node.name)
        if problem:
            self.unknown[label] = problem
        attributes["opset"] = node.opset
        self.layers.append(
            Layer(
                name=label,
                op=node.op,
                inputs=node.inputs,
                outputs=node.outputs,
                attributes=attributes,
                domain=node.domain,
            )
        )

    def _folded(self, node: Node, attributes: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Weight | None:
        """Return the output as a constant where it is one."""
        if node.domain or len(node.outputs) != 1 or not node.outputs[0] or not node.inputs or not all(node.inputs):
            return None
        if node.op in ("Shape", "Size"):
            return self._constants.of_shape(node, attributes, self._kinds[node.inputs[0]].spec.shape)
        if node.op in _RANDOM or not all(name in self.weights for name in node.inputs):
            return None
        return self._constants.folded(node, attributes, kinds[node.outputs[0]].spec)

    def _check_names(self, node: Node) -> None:
        for name in (*node.inputs, *captured(node)):
            if name and name not in self._kinds:
                raise ModelError(f"layer '{node.name}' reads '{name}', which nothing in the model makes")
        for name in node.outputs:
            if name and name in self._kinds:
                raise ModelError(f"layer '{node.name}' makes '{name}', which the model has already")

    def _label(self, name: str) -> str:
        """Return a layer's name, with a number where the file uses it twice."""
        label = name
        while label in self._labels:
            self._labels[name] += 1
            label = f"{name}#{self._labels[name]}"
        self._labels[label] = 1
        return label

    def _taken_branch(self, node: Node) -> GraphProto | None:
        """Return the branch of an If whose condition is a constant."""
        if node.op != "If" or node.domain or len(node.inputs) != 1:
            return None
        value = self._constants.value(node.inputs[0])
        if value is None or value.size != 1:
            return None
        return node.bodies.get("then_branch" if bool(value.reshape(-1)[0]) else "else_branch")

    def _branch(self, node: Node, body: GraphProto) -> Iterator[Node]:
        """Yield the nodes of a branch, and one Identity for each of its outputs."""
        nodes, scope = self._program.branch(node, body)
        for tensor in body.initializer:
            self.add_weight(scope.resolve(tensor.name), weight_of(tensor, self._folder))
        yield from nodes
        if len(body.output) != len(node.outputs):
            raise ModelError(f"a branch of layer '{node.name}' gives {len(body.output)} outputs of {len(node.outputs)}")
        for inner, outer in zip(body.output, node.outputs, strict=True):
            opset = node.scope.opsets.get("", 1)
            yield Node(
                name=outer or node.name,
                op="Identity",
                domain="",
                opset=opset,
                inputs=(scope.resolve(inner.name),),
                outputs=(outer,),
                attributes={},
                scope=node.scope,
            )
