"""The order in which nodes can run, and what a subgraph reads from around it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from onnx import AttributeProto, GraphProto, NodeProto

from twentywatts.errors import ModelError
from twentywatts.readers.texts import check_texts

__all__ = ["free_names", "in_order"]


def in_order(protos: Iterable[NodeProto]) -> list[NodeProto]:
    """Return the nodes so that each comes after those it reads; a list that is in order stays as it is.

    Raises ModelError where a tensor is made twice or where nodes wait for each other.
    """
    nodes = list(protos)
    for node in nodes:
        check_texts((node.name, node.op_type, node.domain, *node.input, *node.output))
        check_texts(text for item in node.attribute for text in (item.name, item.ref_attr_name))
    maker: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in maker:
                raise ModelError(
                    f"tensor '{name}' is made twice, by '{_label(nodes[maker[name]])}' and '{_label(node)}'"
                )
            maker[name] = index
    needs = [{maker[name] for name in _reads(node) if name in maker} for node in nodes]
    if all(not need or max(need) < index for index, need in enumerate(needs)):
        return nodes
    return [nodes[index] for index in _sorted(needs, nodes)]


def _sorted(needs: list[set[int]], nodes: list[NodeProto]) -> list[int]:
    """Return indices in an order that meets the needs (Kahn's method)."""
    users: list[list[int]] = [[] for _ in needs]
    waiting = [len(need) for need in needs]
    for index, need in enumerate(needs):
        for other in need:
            users[other].append(index)
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    order = []
    while ready:
        index = ready.popleft()
        order.append(index)
        for user in users[index]:
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    if len(order) < len(needs):
        stuck = next(index for index, count in enumerate(waiting) if count > 0)
        raise ModelError(f"the graph has a cycle: layer '{_label(nodes[stuck])}' waits for its own output")
    return order


def _reads(node: NodeProto) -> set[str]:
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            names |= free_names(attribute.g)
    return names


def free_names(graph: GraphProto) -> set[str]:
    """Return the names that a subgraph reads but does not make."""
    check_texts(value.name for value in (*graph.input, *graph.output, *graph.initializer))
    made = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    read = {value.name for value in graph.output}
    for node in graph.node:
        check_texts((*node.input, *node.output))
        made.update(node.output)
        read |= _reads(node)
    return read - made - {""}


def _label(node: NodeProto) -> str:
    return node.name or next((name for name in node.output if name), "") or node.op_type
