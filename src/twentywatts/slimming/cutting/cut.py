"""Taking positions out of a model: constants, and the sizes that layers hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import ModelError
from twentywatts.network import Layer
from twentywatts.slimming.cutting.coupling import Coupling
from twentywatts.slimming.cutting.settle import drop_unused, serialised, traced

__all__ = ["cut", "masked"]

_SPLIT_HAS_INPUT = 13  # opset from which a Split takes its sizes as an input


def masked(coupling: Coupling, gone: NDArray[np.int64]) -> bytes:
    """Return the model with the weights that read the units of the sets ``gone`` made zero: what ``cut`` computes."""
    changes: dict[str, NDArray[Any]] = {}
    for group in coupling.groups:
        for site in group.sites:
            if not site.is_read:
                continue
            where = site.positions[np.isin(group.atoms, gone)].ravel()
            value = changes.get(site.tensor)
            if value is None:
                value = np.array(coupling.settled.first.weights[site.tensor].read())
            np.moveaxis(value, site.axis, 0)[where] = 0
            changes[site.tensor] = value
    return _written(coupling, changes, {})


def cut(coupling: Coupling, gone: NDArray[np.int64]) -> bytes:
    """Return the model without the units of the sets ``gone``.

    Raises ModelError where the result would not be the same model with fewer units, which is a fault of ours.
    """
    cutter = _Cutter(coupling, gone)
    changes = {name: cutter.constant(name) for name in coupling.settled.first.weights if cutter.is_touched(name)}
    settings: dict[str, dict[str, Any]] = {}
    for layer in coupling.settled.first.layers:
        found = cutter.settings(layer)
        if found:
            settings[layer.outputs[0]] = found
    content = _written(coupling, changes, settings)
    _check(coupling, cutter, content)
    return content


class _Cutter:
    def __init__(self, coupling: Coupling, gone: NDArray[np.int64]) -> None:
        self._network = coupling.settled.first
        self._stays: dict[str, list[NDArray[np.bool_] | None]] = {}
        for name, axes in coupling.axes.items():
            stays = [None if axis is None else ~np.isin(axis, gone) for axis in axes]
            if any(mask is not None and not mask.all() for mask in stays):
                self._stays[name] = stays

    def is_touched(self, name: str) -> bool:
        return name in self._stays

    def size(self, name: str, index: int) -> int:
        """Return the new size of a tensor's axis, as the first walk of the model has it."""
        whole = (self._network.shape(name) or ())[index]
        mask = self._stays[name][index] if name in self._stays else None
        return int(whole) if mask is None else int(mask.sum())  # type: ignore[arg-type]

    def constant(self, name: str) -> NDArray[Any]:
        value = np.asarray(self._network.weights[name].read())
        for axis, mask in enumerate(self._stays[name]):
            if mask is not None:
                value = np.compress(mask, value, axis=axis)
        return value

    def settings(self, layer: Layer) -> dict[str, Any]:
        """Return the new sizes that a layer holds: ``group``, ``shape``, ``split``, ``starts`` and ``ends``."""
        names = (*layer.inputs, *layer.outputs)
        if not any(name in self._stays for name in names):
            return {}
        if layer.op in ("Conv", "ConvTranspose") and layer.attributes.get("group", 1) > 1:
            return self._group(layer)
        if layer.op in ("Reshape", "Expand"):
            return {"shape": self._shape(layer)}
        if layer.op == "Split":
            axis = layer.attributes.get("axis", 0)
            return {"split": [self.size(name, axis) for name in layer.outputs]}
        if layer.op == "Slice":
            return self._bounds(layer)
        return {}

    def _group(self, layer: Layer) -> dict[str, Any]:
        x, weight = layer.inputs[:2]
        if layer.op == "Conv":
            return {"group": self.size(x, 1) // self.size(weight, 1)}
        width = int(self._network.shape(weight)[0]) // layer.attributes["group"]  # type: ignore[arg-type, index]
        return {"group": self.size(x, 1) // width}

    def _shape(self, layer: Layer) -> list[int]:
        """Return the sizes of a Reshape or Expand: those of open axes stay as they are written."""
        written = np.ravel(self._network.weights[layer.inputs[1]].read()).tolist()
        target = layer.outputs[0]
        rank = len(self._network.shape(target) or ())
        shape = []
        for index, entry in enumerate(written):
            place = index + rank - len(written)
            if entry == -1 or (layer.op == "Expand" and entry == 1) or not self._is_cut(target, place):
                shape.append(int(entry))
            else:
                shape.append(self.size(target, place))
        return shape

    def _is_cut(self, name: str, index: int) -> bool:
        mask = self._stays[name][index] if name in self._stays else None
        return mask is not None and not bool(mask.all())

    def _bounds(self, layer: Layer) -> dict[str, Any]:
        source = layer.inputs[0]
        constants = [np.ravel(self._network.weights[name].read()).tolist() for name in layer.inputs[1:3]]
        starts, ends = (list(values) for values in constants)
        has_places = len(layer.inputs) > 3 and layer.inputs[3]
        places = np.ravel(self._network.weights[layer.inputs[3]].read()).tolist() if has_places else range(len(starts))
        for number, place in enumerate(places):
            mask = self._stays[source][place] if source in self._stays else None
            if mask is None or bool(mask.all()):
                continue
            low, high, _ = slice(starts[number], min(ends[number], len(mask))).indices(len(mask))
            starts[number], ends[number] = int(mask[:low].sum()), int(mask[:high].sum())
        return {} if [starts, ends] == constants else {"starts": starts, "ends": ends}


def _written(
    coupling: Coupling, constants: Mapping[str, NDArray[Any]], settings: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """Return the model with new constants and new sizes of layers, by the layers' first output."""
    import onnx
    from onnx import numpy_helper

    model = onnx.ModelProto.FromString(coupling.settled.content)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.name in constants:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(constants[tensor.name]), tensor.name))
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
    for node in graph.node:
        for key, value in settings.get(node.output[0], {}).items():
            _set(graph, node, key, value, is_input=key != "group" and (key != "split" or opset >= _SPLIT_HAS_INPUT))
    drop_unused(graph)
    return serialised(model)


_PLACES = {"shape": 1, "split": 1, "starts": 1, "ends": 2}


def _set(graph: Any, node: Any, key: str, value: Any, *, is_input: bool) -> None:
    """Give a node a size as a constant of its own (others may share the one it has), or as an attribute."""
    from onnx import helper, numpy_helper

    others = [item for item in node.attribute if item.name not in (key, "num_outputs")]
    if not is_input:
        del node.attribute[:]
        node.attribute.extend([*others, helper.make_attribute(key, value)])
        return
    if node.op_type == "Split":
        del node.attribute[:]
        node.attribute.extend(others)
    taken = {tensor.name for tensor in graph.initializer}
    name = f"{node.output[0]}/{key}"
    while name in taken:
        name += "'"
    while len(node.input) <= _PLACES[key]:
        node.input.append("")
    node.input[_PLACES[key]] = name
    graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.int64), name))


def _check(coupling: Coupling, cutter: _Cutter, content: bytes) -> None:
    """Raise ModelError unless every tensor of the cut model has the shape that was meant."""
    before, after = coupling.settled.first, traced(content)[0]
    if set(after.unknown) - set(before.unknown):
        raise ModelError(f"cutting would break layer '{min(set(after.unknown) - set(before.unknown))}'")
    for name, spec in after.tensors.items():
        old = before.shape(name)
        if old is None or spec.shape is None or name not in before.tensors:
            continue
        meant = tuple(cutter.size(name, index) if isinstance(n, int) else n for index, n in enumerate(old))
        if meant != spec.shape:
            raise ModelError(f"cutting would make '{name}' {list(spec.shape)}, not {list(meant)}")
