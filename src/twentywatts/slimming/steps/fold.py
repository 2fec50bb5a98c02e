"""BatchNormalization folded into the layer before it: a plain convolution or matrix, float and trainable."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.cutting.settle import drop_unused, serialised, settle

__all__ = ["fold"]

_OUT_AXIS = {"Conv": 0, "ConvTranspose": 1}
_EPSILON = 1e-5  # of BatchNormalization, where a node says none


def fold(candidate: Candidate) -> Candidate:
    """Return the candidate made plain, with each BatchNormalization that follows a weighted layer folded into it.

    Constants are computed and functions inlined on the way (``settle``). A normalisation that follows something else,
    or a layer whose weights others share, stays. Outputs change by rounding alone. Raises ModelError for a model that
    cannot be read.
    """
    import onnx

    settled = settle(candidate.content)
    model = onnx.ModelProto.FromString(settled.content)
    folded = _Folder(model, settled.sound()).run()
    drop_unused(model.graph)
    left = sum(node.op_type == "BatchNormalization" for node in model.graph.node)
    notes = (f"{left} BatchNormalization follow no layer that they could be folded into",) if left else ()
    return candidate.then(Step(name="fold", settings={"folded": folded}, notes=notes), serialised(model))


class _Folder:
    """One pass over a graph: every name is read and made in one place."""

    def __init__(self, model: Any, sound: set[str]) -> None:
        self._sound = sound
        self._graph = model.graph
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._read_count: dict[str, int] = {}
        for node in model.graph.node:
            for name in node.input:
                self._read_count[name] = self._read_count.get(name, 0) + 1
        for value in model.graph.output:
            self._read_count[value.name] = self._read_count.get(value.name, 0) + 1
        self._has_bodies = any(item.HasField("g") for node in model.graph.node for item in node.attribute)

    def run(self) -> int:
        """Return how many were folded."""
        if self._has_bodies:
            return 0  # a body may read what is folded away
        count = 0
        for node in list(self._graph.node):
            before = self._makers.get(node.input[0]) if node.input else None
            if node.op_type == "BatchNormalization" and before is not None and self._fits(node, before):
                count += self._fold(node, before)
        return count

    def _fits(self, node: Any, before: Any) -> bool:
        is_plain = before.op_type in ("Conv", "ConvTranspose", "Gemm") and not before.domain and not node.domain
        if (
            not is_plain
            or not {node.name, before.name} <= self._sound
            or self._read_count[before.output[0]] != 1
            or len([n for n in node.output if n]) != 1
        ):
            return False
        if any(item.name in ("training_mode", "is_test", "spatial") and item.i != (item.name != "training_mode")
               for item in node.attribute):  # fmt: skip
            return False
        own = [name for name in before.input[1:] if name]
        return all(name in self._constants for name in (*own, *node.input[1:])) and self._read_count[own[0]] == 1

    def _fold(self, node: Any, before: Any) -> bool:
        scale, shift, mean, variance = (self._value(name).astype(np.float64) for name in node.input[1:5])
        epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), _EPSILON)
        factor = scale / np.sqrt(variance + epsilon)
        weight = self._value(before.input[1])
        bias = self._value(before.input[2]) if len(before.input) > 2 and before.input[2] else np.zeros(len(factor))
        take = {item.name: item for item in before.attribute}
        if weight.dtype != np.float32 or bias.shape != factor.shape or not np.isfinite(factor).all():
            return False
        if before.op_type == "Gemm":
            bias = bias * (take["beta"].f if "beta" in take else 1.0)
            axis = 0 if "transB" in take and take["transB"].i else 1
        else:
            axis = _OUT_AXIS[before.op_type]
        if before.op_type == "ConvTranspose" and "group" in take and take["group"].i > 1:
            return False
        shape = [-1 if index == axis else 1 for index in range(weight.ndim)]
        self._put(before.input[1], weight * factor.reshape(shape))
        self._put_bias(before, (bias - mean) * factor + shift)
        if "beta" in take:
            take["beta"].f = 1.0
        before.output[0] = node.output[0]
        self._makers[node.output[0]] = before
        self._graph.node.remove(node)
        return True

    def _value(self, name: str) -> NDArray[Any]:
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(self._constants[name]))

    def _put(self, name: str, value: NDArray[np.float64]) -> None:
        from onnx import numpy_helper

        self._constants[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))

    def _put_bias(self, node: Any, value: NDArray[np.float64]) -> None:
        """Give a layer a bias: in place of its own where nobody shares it, else under a new name."""
        name = node.input[2] if len(node.input) > 2 else ""
        if not name or self._read_count[name] != 1:
            name = f"{node.input[1]}/bias"
            while name in self._constants or name in self._makers:
                name += "'"
            self._constants[name] = self._graph.initializer.add()
            self._read_count[name] = 1
            del node.input[2:]
            node.input.append(name)
        self._put(name, value)
