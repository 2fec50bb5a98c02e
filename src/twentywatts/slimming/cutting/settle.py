"""A model made plain before it is changed: functions inlined, constants computed, shapes fixed but for open axes.

Exporters leave the sizes of a reshape to be computed from other tensors. They are computed here, once, with every open
axis bound to two different sizes: what is the same in both is a constant, what differs is the open axis.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import ModelError
from twentywatts.network import Network, Weight
from twentywatts.readers.fold import LAYOUT_OPS, MAX_ELEMENTS

__all__ = ["Settled", "drop_unused", "read_once", "serialised", "settle", "traced"]

_BATCHES = (2, 3)  # two sizes of the batch, and of the other open axes, none of which is a usual size
_OPEN_SIZES = ((64, 96), (16, 24), (7, 11))
_IR_VERSION = 8  # constants need not be listed as inputs from 4 on; 8 is what opset 13 to 17 came with
_UNTOUCHED = frozenset({"Identity", "Dropout"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """A plain model: its bytes, and what a walk through it finds with the open axes at two different sizes."""

    content: bytes
    first: Network
    second: Network

    def sound(self) -> set[str]:
        """Return the names of the layers that have what their operators want."""
        return {layer.name for layer in self.first.layers} - set(self.first.unknown)

    def derived(self) -> dict[str, tuple[str, ...]]:
        """Return the constants that nodes of the graph still make, and what each is made of."""
        import onnx

        graph = onnx.ModelProto.FromString(self.content).graph
        made = {name: tuple(node.input) for node in graph.node for name in node.output}
        return {name: inputs for name, inputs in made.items() if name in self.first.weights}

    def sizes(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Return a tensor's shape in both walks, None where a size is not known."""
        shapes = self.first.shape(name), self.second.shape(name)
        if any(shape is None or not all(isinstance(size, int) for size in shape) for shape in shapes):
            return None
        return shapes  # type: ignore[return-value]


def serialised(model: Any) -> bytes:
    """Return a ModelProto as bytes, the same for the same model; raises ModelError above the format's 2 GB."""
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except Exception as error:  # protobuf raises what it likes for a message above its limit
        raise ModelError(f"the model cannot be written as one file of at most 2 GB ({type(error).__name__})") from None


@lru_cache(maxsize=4)
def settle(content: bytes) -> Settled:
    """Return the model made plain; what it computes does not change. Raises ModelError for what is no ONNX model."""
    import onnx
    from onnx import inliner

    first, second = traced(content)
    model = onnx.ModelProto.FromString(content)
    if model.functions:  # the walk above has bounded what they unfold to
        model = inliner.inline_local_functions(model)
        first, second = traced(serialised(model))
    _settle_graph(model, first, second)
    settled = serialised(model)
    if settled != content:
        first, second = traced(settled)
    return Settled(content=settled, first=first, second=second)


@lru_cache(maxsize=4)
def traced(content: bytes) -> tuple[Network, Network]:
    """Return the model as the reader sees it, twice: with two sizes for each of its open axes."""
    from twentywatts.readers.onnx import read

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(content)
        plain = _open_axes(content)
        best: tuple[Network, Network] | None = None
        for sizes in _OPEN_SIZES:
            pair = tuple(
                read(path, batch=batch, axes={name: batch if is_first else size for name, is_first in plain.items()})
                for batch, size in zip(_BATCHES, sizes, strict=True)
            )
            found = (pair[0], pair[1])
            if best is None or len(found[0].unknown) < len(best[0].unknown):
                best = found
            if not best[0].unknown or all(plain.values()):
                break
    assert best is not None  # there is at least one row of sizes
    return best


def _open_axes(content: bytes) -> dict[str, bool]:
    """Return the open axes of the inputs by name, and whether each stands first (the samples)."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    from twentywatts.readers.axes import declared_shape
    from twentywatts.readers.wire import check_message_count

    try:
        check_message_count(content)
        graph = onnx.ModelProto.FromString(content).graph
    except DecodeError:
        return {}  # the reader says what is wrong
    constants = {tensor.name for tensor in graph.initializer}
    found: dict[str, bool] = {}
    for value in graph.input:
        if value.name in constants or not value.type.HasField("tensor_type"):
            continue
        for index, size in enumerate(declared_shape(value.type.tensor_type) or ()):
            if not isinstance(size, int):
                name = size or f"{value.name}.{index}"
                found[name] = found.get(name, False) or index == 0
    return found


def _settle_graph(model: Any, first: Network, second: Network) -> None:
    """Change a model in place: see ``settle``."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        _fix_shape(graph, node, first, second)
    known = {name for name in first.weights if name not in constants and _is_same(name, first, second)}
    known -= {value.name for value in graph.output}
    _materialise(graph, known, first)
    _drop_untouched(graph)
    drop_unused(graph)
    _write_raw(graph)
    _tidy(model, first)


def _is_same(name: str, first: Network, second: Network) -> bool:
    """Tell whether a constant that the graph makes has one value whatever the sizes of open axes are."""
    weights = first.weights[name], second.weights.get(name)
    if weights[1] is None or weights[0].shape != weights[1].shape or weights[0].dtype != weights[1].dtype:
        return False
    if weights[0].dtype == "string":
        return False
    if weights[0].element_count > MAX_ELEMENTS:
        return True  # large ones come from constants alone; only small ones are computed from shapes
    return weights[0].read().tobytes() == weights[1].read().tobytes()


def _materialise(graph: Any, known: set[str], network: Network) -> None:
    """Put constants that nodes make among the initialisers, and take those nodes out."""
    from onnx import numpy_helper

    own = {tensor.name for tensor in graph.initializer} & read_once(graph)
    for node in graph.node:
        for name in node.output:
            large = name in known and network.weights[name].element_count > MAX_ELEMENTS
            if large and node.op_type != "Constant" and not _is_moved(node, own):
                known.discard(name)  # it would be held twice, or a small file would become a large one
    made = [node for node in graph.node if len(node.output) == 1 and node.output[0] in known]
    kept = [node for node in graph.node if len(node.output) != 1 or node.output[0] not in known]
    wanted = _names_read(kept)
    for node in made:
        if node.output[0] in wanted:
            value = _value(network.weights[node.output[0]])
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)


def _is_moved(node: Any, own: set[str]) -> bool:
    """Tell whether a node only lays out a stored constant that nobody else reads."""
    return node.op_type in LAYOUT_OPS and not node.domain and len(node.input) > 0 and node.input[0] in own


def _value(weight: Weight) -> NDArray[Any]:
    value = np.asarray(weight.read())
    return np.ascontiguousarray(value).reshape(value.shape)


def _fix_shape(graph: Any, node: Any, first: Network, second: Network) -> None:
    """Give a Reshape or Expand whose sizes are computed constant ones, with -1, 0 or 1 for its open axis."""
    from onnx import numpy_helper

    if node.domain or node.op_type not in ("Reshape", "Expand") or len(node.input) != 2:
        return
    name = node.input[1]
    if any(name not in network.weights for network in (first, second)):
        return
    entries = _entries(node, first, second)
    if entries is None:
        return
    fresh = f"{node.output[0]}/shape"
    if fresh in first.weights or fresh in first.tensors:
        return
    node.input[1] = fresh
    graph.initializer.append(numpy_helper.from_array(np.array(entries, dtype=np.int64), fresh))


def _entries(node: Any, first: Network, second: Network) -> list[int] | None:
    """Return the sizes with the open axes marked; None where nothing is to be done or more than one axis is open."""
    values = [np.ravel(network.weights[node.input[1]].read()).tolist() for network in (first, second)]
    before = [network.shape(node.input[0]) or () for network in (first, second)]
    if values[0] == values[1] or len(values[0]) != len(values[1]):
        return None
    entries: list[int] = []
    for index, pair in enumerate(zip(*values, strict=True)):
        if pair[0] == pair[1]:
            entries.append(int(pair[0]))
        elif node.op_type == "Expand":
            place = index - len(values[0])
            if any(len(shape) < -place or shape[place] != size for shape, size in zip(before, pair, strict=True)):
                return None
            entries.append(1)
        else:
            is_kept = all(len(shape) > index and shape[index] == size for shape, size in zip(before, pair, strict=True))
            entries.append(0 if is_kept else -1)
    if entries.count(-1) > 1 or (0 in entries and any(a.name == "allowzero" and a.i for a in node.attribute)):
        return None
    return entries


def _write_raw(graph: Any) -> None:
    """Write every constant of numbers as bytes: one of the two ways that the format has, so that models compare."""
    import onnx
    from onnx import numpy_helper

    for tensor in graph.initializer:
        if not tensor.HasField("raw_data") and tensor.data_type != onnx.TensorProto.STRING:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))


def _drop_untouched(graph: Any) -> None:
    """Take out nodes that hand on what they get: Identity, and Dropout when nothing is trained."""
    if any(True for _ in _bodies(graph)):
        return  # names inside a body would have to be renamed as well
    outputs = {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        used = [name for name in node.output if name]
        is_plain = node.op_type in _UNTOUCHED and not node.domain and len(used) == 1 and used[0] == node.output[0]
        if is_plain and used[0] not in outputs and not (node.op_type == "Dropout" and len(node.input) > 2):
            renamed[used[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def drop_unused(graph: Any) -> None:
    """Take out nodes and constants that no output needs."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(_ordered(graph)):
        if any(name in needed for name in node.output):
            kept.append(node)
            needed |= _names_read([node])
    kept.reverse()
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.initializer[:]
    graph.initializer.extend(constants)


def _ordered(graph: Any) -> list[Any]:
    from twentywatts.readers.order import in_order

    return in_order(graph.node)


def _tidy(model: Any, network: Network) -> None:
    """Name every node as the reader does, and drop what a changed model would say wrongly: shapes between, notes."""
    graph = model.graph
    names = {layer.outputs[0]: layer.name for layer in network.layers if layer.outputs}
    taken: set[str] = set()
    for index, node in enumerate(graph.node):
        name = names.get(node.output[0], "") or node.name or f"{node.op_type}_{index}"
        node.name = name if name not in taken else f"{name}#{index}"
        taken.add(node.name)
        node.doc_string = ""
        node.ClearField("metadata_props")
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.input[:], graph.value_info[:]
    graph.input.extend(inputs)
    graph.ClearField("metadata_props")
    graph.ClearField("quantization_annotation")
    graph.doc_string = model.doc_string = ""
    model.ClearField("metadata_props")
    model.ir_version = max(model.ir_version, _IR_VERSION)


def _names_read(nodes: Any) -> set[str]:
    """Return the tensors that nodes read, those among them that only their bodies read."""
    from twentywatts.readers.order import free_names

    names = {name for node in nodes for name in node.input if name}
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                names |= free_names(attribute.g)
    return names


def _bodies(graph: Any) -> Iterator[Any]:
    return (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))


def read_once(graph: Any) -> set[str]:
    """Return the tensors that one node reads, once."""
    count = Counter(name for node in graph.node for name in node.input)
    return {name for name, number in count.items() if number == 1}
