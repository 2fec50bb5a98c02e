"""A model as steps: products on arrays, and between them digital segments that onnxruntime runs in float."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import RefusedError
from twentywatts.forms.crossbar.products import DYNAMIC_OPS, Product, product_of, refusal_of
from twentywatts.forms.runtime import folded_model, open_session, run_session
from twentywatts.network import Network

__all__ = ["DigitalNode", "Plan", "Segment", "plan_of"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalNode:
    """What counting needs of an operator that runs digitally. after: index of the product whose unit it runs in."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kernel_count: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """Consecutive digital operators as one session; inputs and outputs are tensor names."""

    session: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name; raises RefusedError with onnxruntime's reason."""
        found = run_session(self.session, {name: values[name] for name in self.inputs}, self.outputs)
        return dict(zip(self.outputs, found, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A model ready to run on arrays.

    session: the whole folded model in float, to check inputs. steps: in order. last_use: step after which a tensor is
    dropped. output: the model's first output, with ``constants`` where it is one.
    """

    session: Any
    model: Any
    steps: tuple[Product | Segment, ...]
    products: tuple[Product, ...]
    digital: tuple[DigitalNode, ...]
    last_use: Mapping[str, int]
    output: str
    notes: tuple[str, ...]

    def run(self, feeds: Mapping[str, Array], multiply: Callable[[int, Array], Array]) -> Array:
        """Return the first output; ``multiply(index, tensor)`` gives the output tensor of a product without bias."""
        values, index = dict(feeds), 0
        for number, step in enumerate(self.steps):
            if isinstance(step, Segment):
                values.update(step.run(values))
            else:
                values[step.output] = _biased(multiply(index, values[step.source]), step, values)
                index += 1
            for name in [name for name in values if self.last_use.get(name, -1) <= number]:
                del values[name]
        return values[self.output]


def _biased(tensor: Array, product: Product, values: Mapping[str, Array]) -> Array:
    if product.bias is None:
        return tensor
    if isinstance(product.bias, tuple):
        name, factor = product.bias
        return tensor + values[name] * np.float32(factor)
    return tensor + product.bias


def plan_of(network: Network) -> Plan:
    """Return the plan of a model; raises RefusedError naming the first layer that arrays cannot carry."""
    import onnx

    for layer, reason in network.unknown.items():
        raise RefusedError(f"layer '{layer}' is not understood: {reason}")
    model = onnx.shape_inference.infer_shapes(folded_model(network))
    graph = model.graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = _names(network)
    found = [_classified(node, constants, names) for node in graph.node]
    products = tuple(product for _, product in found if product is not None)
    if not products:
        raise RefusedError(
            f"model '{network.name}' has no matrix product with constant weights to put on arrays: was it exported "
            "without folding its constants?"
        )
    output = graph.output[0].name
    steps = _Steps(model, set(constants), output).cut(found)
    return Plan(
        session=open_session(model.SerializeToString(), what=f"model '{network.name}'", optimise=False),
        model=model,
        steps=steps,
        products=products,
        digital=_digital_nodes(found),
        last_use=_last_use(steps, output),
        output=output,
        notes=_notes(found),
    )


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _classified(node: Any, constants: Mapping[str, Array], names: Mapping[str, str]) -> tuple[Any, Product | None]:
    attributes = _attributes(node)
    name = names.get(node.output[0]) or node.name or node.output[0]
    reason = refusal_of(node, attributes, constants)
    if reason:
        raise RefusedError(f"layer '{name}' ({node.op_type}): {reason}")
    return node, product_of(node, attributes, constants, name=name)


def _names(network: Network) -> dict[str, str]:
    """Return tensor → name of the layer whose product it is, also where folding moved the product's output along."""
    makers = {output: layer for layer in network.layers for output in layer.outputs}
    found: dict[str, str] = {}
    for layer in network.layers:
        maker = layer
        while maker.op in ("BatchNormalization", "Add", "Mul", "Sub", "Div") and maker.inputs:
            before = [makers[name] for name in maker.inputs if name in makers]
            if not before or found.get(before[0].outputs[0]) is None:
                break
            maker = before[0]
        for output in layer.outputs:
            found[output] = found.get(maker.outputs[0], maker.name) if maker is not layer else layer.name
    return found


def _digital_nodes(found: Sequence[tuple[Any, Product | None]]) -> tuple[DigitalNode, ...]:
    nodes, index = [], 0
    for node, product in found:
        if product is not None:
            index += 1
            continue
        kernel = _attributes(node).get("kernel_shape", [1])
        nodes.append(
            DigitalNode(
                name=node.name or node.output[0],
                op=node.op_type,
                inputs=tuple(node.input),
                outputs=tuple(node.output),
                kernel_count=int(np.prod(kernel)),
                after=max(index - 1, 0),
            )
        )
    return tuple(nodes)


def _notes(found: Sequence[tuple[Any, Product | None]]) -> tuple[str, ...]:
    names = [node.name or node.output[0] for node, product in found if product is None and node.op_type in DYNAMIC_OPS]
    if not names:
        return ()
    return (f"{len(names)} products of two activations run digitally, not on arrays: {', '.join(names[:3])}",)


def _last_use(steps: Sequence[Product | Segment], output: str) -> dict[str, int]:
    last: dict[str, int] = {}
    for number, step in enumerate(steps):
        used = step.inputs if isinstance(step, Segment) else _read_by(step)
        last.update(dict.fromkeys(used, number))
    last[output] = len(steps)
    return last


def _read_by(product: Product) -> tuple[str, ...]:
    return (product.source, product.bias[0]) if isinstance(product.bias, tuple) else (product.source,)


class _Steps:
    """Cuts a graph at its products; digital operators between two of them become one session."""

    def __init__(self, model: Any, constants: set[str], output: str) -> None:
        self._model, self._constants, self._output = model, constants, output

    def cut(self, found: Sequence[tuple[Any, Product | None]]) -> tuple[Product | Segment, ...]:
        readers = self._readers(found)
        steps: list[Product | Segment] = []
        pending: list[int] = []
        for index, (_, product) in enumerate(found):
            if product is None:
                pending.append(index)
                continue
            steps += [*self._segments(pending, found, readers), product]
            pending = []
        return (*steps, *self._segments(pending, found, readers))

    def _readers(self, found: Sequence[tuple[Any, Product | None]]) -> dict[str, list[int]]:
        readers: dict[str, list[int]] = {self._output: [len(found)]}
        for index, (node, product) in enumerate(found):
            for name in _reads(node) if product is None else _read_by(product):
                readers.setdefault(name, []).append(index)
        return readers

    def _segments(
        self, indices: Sequence[int], found: Sequence[Any], readers: Mapping[str, list[int]]
    ) -> list[Segment]:
        """Return the operators at ``indices`` as a session, or nothing where nobody reads what they make."""
        nodes = [found[index][0] for index in indices]
        made = {name for node in nodes for name in node.output if name}
        read = dict.fromkeys(name for node in nodes for name in _reads(node) if name)
        inputs = tuple(name for name in read if name not in made and name not in self._constants)
        inside = set(indices)
        outputs = tuple(sorted(name for name in made if any(use not in inside for use in readers.get(name, []))))
        if not outputs:
            return []
        model = _cut_out(self._model, nodes, inputs, outputs)
        what = f"operators from '{nodes[0].name or nodes[0].output[0]}' on"
        return [Segment(session=open_session(model, what=what, optimise=False), inputs=inputs, outputs=outputs)]


def _reads(node: Any) -> list[str]:
    """Return the tensors that a node reads, those read inside its bodies included."""
    import onnx

    names = list(node.input)
    for body in _attributes(node).values():
        if isinstance(body, onnx.GraphProto):
            local = {name for inner in body.node for name in inner.output}
            local |= {spec.name for spec in body.input} | {tensor.name for tensor in body.initializer}
            names += [name for inner in body.node for name in _reads(inner) if name not in local]
            names += [spec.name for spec in body.output if spec.name not in local]
    return names


def _cut_out(model: Any, nodes: Sequence[Any], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Return a model of some nodes, with the element types that the whole model's tensors have."""
    import onnx

    known = {spec.name: spec for spec in [*model.graph.value_info, *model.graph.input, *model.graph.output]}
    read = {name for node in nodes for name in _reads(node)}

    def spec(name: str) -> Any:
        kind = known[name].type.tensor_type.elem_type if name in known else onnx.TensorProto.FLOAT
        return onnx.helper.make_tensor_value_info(name, kind, None)

    graph = onnx.helper.make_graph(
        list(nodes),
        "segment",
        [spec(name) for name in inputs],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    part = onnx.helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    part.functions.extend(model.functions)
    return bytes(part.SerializeToString())
