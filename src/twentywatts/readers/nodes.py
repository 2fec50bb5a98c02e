"""Nodes of a graph with their names resolved: functions are inlined here, and branches when their turn comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

from twentywatts.errors import ModelError
from twentywatts.readers.order import free_names, in_order

__all__ = ["MAX_NODE_COUNT", "Node", "Program", "Scope", "captured", "domain_of"]

MAX_NODE_COUNT = 200_000  # after functions are inlined; a file of a few kB could ask for 2^100
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How names are read inside a graph or function body: inner names are mapped, others belong to the parent."""

    opsets: Mapping[str, int]
    prefix: str = ""
    parent: Scope | None = None
    names: dict[str, str] = field(default_factory=dict)
    attributes: Mapping[str, AttributeProto] = field(default_factory=dict)
    depth: int = 0

    def resolve(self, name: str) -> str:
        """Return the model-wide name of a tensor that is read here."""
        scope: Scope | None = self
        while scope is not None and name:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return name

    def define(self, name: str) -> str:
        """Return the model-wide name of a tensor that is made here."""
        if name and name not in self.names:
            self.names[name] = self.prefix + name
        return self.names.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator with model-wide names. ``scope`` reads the names inside its branches or loop bodies."""

    name: str
    op: str
    domain: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeProto]
    scope: Scope

    @property
    def bodies(self) -> dict[str, GraphProto]:
        """Branches and loop bodies by attribute name."""
        return {key: value.g for key, value in self.attributes.items() if value.type == AttributeProto.GRAPH}


def domain_of(domain: str) -> str:
    """Return the domain with the default one spelled as an empty text."""
    return "" if domain == "ai.onnx" else domain


class Program:
    """The nodes of a model in an order in which they can run, functions inlined; counts what it gives out."""

    def __init__(self, model: ModelProto) -> None:
        self._functions = {
            (domain_of(f.domain), f.name, getattr(f, "overload", "")): f for f in model.functions if f.name
        }
        self._count = 0
        self._calls = 0
        opsets = {domain_of(o.domain): o.version for o in model.opset_import}
        self._names: set[str] = set()
        self.root = Scope(opsets=opsets)
        self._check_size(model.graph.node)

    def _check_size(self, protos: Sequence[NodeProto]) -> None:
        """Raise ModelError where functions that call functions make more layers than are read, before one is made."""
        sizes: dict[Any, int] = {}

        def size(nodes: Sequence[NodeProto], depth: int) -> int:
            return sum(1 + called(_key(node), depth) for node in nodes)

        def called(key: tuple[str, str, str], depth: int) -> int:
            if key not in self._functions or depth >= _MAX_DEPTH:
                return 0  # nested too deeply is told where it is met
            if key not in sizes:
                sizes[key] = 0  # until it is known: a function that calls itself is nested too deeply
                sizes[key] = min(size(self._functions[key].node, depth + 1), MAX_NODE_COUNT + 1)
            return sizes[key]

        if size(protos, 0) > MAX_NODE_COUNT:
            raise ModelError(f"the model has more than {MAX_NODE_COUNT} layers when its functions are inlined")

    def nodes(self, protos: Sequence[NodeProto], scope: Scope) -> Iterator[Node]:
        """Yield the nodes of one graph; raises ModelError for cycles, double definitions and endless functions."""
        if self._count + len(protos) > MAX_NODE_COUNT:
            raise ModelError(f"the model has more than {MAX_NODE_COUNT} layers")
        ordered = in_order(protos)
        for proto in ordered:
            for name in proto.output:
                scope.define(name)
        for proto in ordered:
            self._count += 1
            if self._count > MAX_NODE_COUNT:
                raise ModelError(f"the model has more than {MAX_NODE_COUNT} layers when its functions are inlined")
            key = _key(proto)
            node = self._node(proto, scope)
            if key in self._functions:
                yield from self._call(node, self._functions[key])
            else:
                yield node

    def branch(self, node: Node, body: GraphProto) -> tuple[Iterator[Node], Scope]:
        """Return the nodes of a branch that is known to be taken, and the scope of its names."""
        scope = self._inner(node, node.scope.opsets, parent=node.scope, attributes=node.scope.attributes)
        for tensor in body.initializer:
            scope.define(tensor.name)
        return self.nodes(body.node, scope), scope

    def _call(self, node: Node, function: Any) -> Iterator[Node]:
        opsets = {domain_of(o.domain): o.version for o in function.opset_import}
        attributes = {a.name: a for a in function.attribute_proto} | dict(node.attributes)
        scope = self._inner(node, opsets, parent=None, attributes=attributes)
        scope.names.update(dict.fromkeys(function.input, ""))
        scope.names.update(zip(function.input, node.inputs, strict=False))
        made = {name for proto in function.node for name in proto.output}
        for inner, outer in zip(function.output, node.outputs, strict=False):
            if inner not in made:
                raise ModelError(f"function '{function.name}' does not make its output '{inner}'")
            scope.names[inner] = outer or scope.prefix + inner
        if made & set(function.input):
            raise ModelError(f"function '{function.name}' writes one of its inputs")
        yield from self.nodes(function.node, scope)

    def _inner(self, node: Node, opsets: Mapping[str, int], *, parent: Scope | None, attributes: Any) -> Scope:
        self._calls += 1
        if node.scope.depth >= _MAX_DEPTH:
            raise ModelError(f"functions or branches are nested deeper than {_MAX_DEPTH} at layer '{node.name}'")
        prefix = f"{node.name}/" if node.name not in self._names else f"{node.name}#{self._calls}/"
        self._names.add(node.name)
        depth = node.scope.depth + 1
        return Scope(opsets=opsets, prefix=prefix, parent=parent, attributes=attributes, depth=depth)

    def _node(self, proto: NodeProto, scope: Scope) -> Node:
        outputs = tuple(scope.define(name) for name in proto.output)
        inputs = tuple(scope.resolve(name) for name in proto.input)
        attributes = {}
        for attribute in proto.attribute:
            found = attribute
            if attribute.ref_attr_name:
                if attribute.ref_attr_name not in scope.attributes:
                    continue
                found = scope.attributes[attribute.ref_attr_name]
            attributes[attribute.name] = found
        label = proto.name or next((name for name in proto.output if name), "") or f"{proto.op_type}_{self._count}"
        domain = domain_of(proto.domain)
        return Node(
            name=scope.prefix + label,
            op=proto.op_type,
            domain=domain,
            opset=scope.opsets.get(domain, 1),
            inputs=inputs,
            outputs=outputs,
            attributes=attributes,
            scope=scope,
        )


def _key(proto: NodeProto) -> tuple[str, str, str]:
    """Return what names the function that a node calls."""
    return domain_of(proto.domain), proto.op_type, getattr(proto, "overload", "")


def captured(node: Node) -> set[str]:
    """Return the model-wide names that the branches or bodies of a node read from around them."""
    return {node.scope.resolve(name) for body in node.bodies.values() for name in free_names(body)}
