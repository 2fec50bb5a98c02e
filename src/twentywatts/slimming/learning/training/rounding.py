"""Eight bits while learning: weights and activations are rounded as the quantised graph will, gradients pass through.

What is rounded, where and along which axis is read from the graph that onnxruntime's quantiser makes of the network.
Source: Jacob et al. 2018 (arXiv 1712.05877), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from twentywatts.errors import RefusedError
from twentywatts.slimming.learning.trainable.module import GraphModule

__all__ = ["Plan", "Rounding", "plan_of"]

_TOPS, _NARROW_TOPS = (127, 255), (64, 127)  # largest weight and activation, as onnxruntime scales them
_LAST_LEVEL = 255  # of an activation; narrow ones reach beyond their range
_FORGETTING = 0.01  # share by which a range that is no longer reached shrinks towards the values of each batch
_SUFFIX, _BEFORE = "_quantized", "_QuantizeLinear_Input"  # onnxruntime's names for copies of a tensor
_SMALLEST = 1e-8  # scale, of a tensor that is zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a quantised graph rounds.

    ranges: (low, high) of activations by name. weights: axis along which each weight has its own scales, None for one.
    tops: levels that the largest weight and the width of an activation's range are scaled to.
    """

    ranges: Mapping[str, tuple[float, float]]
    weights: Mapping[str, int | None]
    tops: tuple[int, int] = _TOPS


def plan_of(quantised: bytes, *, is_narrow: bool = False) -> Plan:
    """Return what onnxruntime's QDQ graph rounds; raises RefusedError where it rounds nothing.

    is_narrow: it was quantised to seven bits (``reduce_range``).
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.ModelProto.FromString(quantised).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    tops = _NARROW_TOPS if is_narrow else _TOPS
    ranges: dict[str, tuple[float, float]] = {}
    weights: dict[str, int | None] = {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.input[1] not in constants:
            continue
        scale = numpy_helper.to_array(constants[node.input[1]])
        if node.op_type == "QuantizeLinear" and scale.size == 1 and node.input[2] in constants:
            zero = int(numpy_helper.to_array(constants[node.input[2]]).reshape(-1)[0])
            size = float(scale.reshape(-1)[0])
            ranges[node.input[0].removesuffix(_BEFORE)] = (-zero * size, (tops[1] - zero) * size)
        elif node.input[0] in constants and constants[node.input[0]].data_type == onnx.TensorProto.INT8:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            weights[node.input[0].removesuffix(_SUFFIX)] = int(axis) if scale.ndim else None
    if not weights:
        raise RefusedError(
            "onnxruntime's quantiser leaves every weight of this model in float: nothing could be learned"
        )
    return Plan(ranges=ranges, weights=weights, tops=tops)


class Rounding:
    """Rounds a module's weights for the time of a step, and each activation as it comes by."""

    def __init__(self, module: GraphModule, plan: Plan) -> None:
        self._module = module
        self._weight_top, self._activation_top = plan.tops
        self._ranges = {name: [low, high] for name, (low, high) in plan.ranges.items()}
        self._weights = []
        for name, axis in plan.weights.items():
            if name in module.slots:
                path, turned = module.slots[name]
                parameter = module.get_parameter(path)
                place = axis if axis is None or not turned else parameter.ndim - 1 - axis
                self._weights.append((parameter, place))

    @contextmanager
    def weights(self) -> Iterator[None]:
        """Let the module have rounded weights; their gradients are those of the weights that come back afterwards."""
        masters = [parameter.data for parameter, _ in self._weights]
        for parameter, axis in self._weights:
            parameter.data = _rounded_weight(parameter.data, axis, self._weight_top)
        try:
            yield
        finally:
            for (parameter, _), master in zip(self._weights, masters, strict=True):
                parameter.data = master

    def seen(self, name: str, value: Any) -> Any:
        """Return an activation in 256 levels, where the quantised graph rounds it; its range follows in training."""
        if name not in self._ranges:
            return value
        bounds = self._ranges[name]
        if self._module.training:
            low, high = (float(x) for x in value.detach().aminmax())
            bounds[0] = min(low, bounds[0] + _FORGETTING * (low - bounds[0]), 0.0)
            bounds[1] = max(high, bounds[1] + _FORGETTING * (high - bounds[1]), 0.0)
        scale = max((bounds[1] - bounds[0]) / self._activation_top, _SMALLEST)
        if not np.isfinite(scale):
            return value
        zero = int(np.clip(round(-bounds[0] / scale), 0, self._activation_top))
        return torch.fake_quantize_per_tensor_affine(value, scale, zero, 0, _LAST_LEVEL)


def _rounded_weight(value: Any, axis: int | None, top: int) -> Any:
    """Return a weight in whole levels from −``top`` to ``top``, with a scale for each entry of ``axis``."""
    size = value.abs()
    largest = size.amax() if axis is None else size.amax(dim=[d for d in range(value.ndim) if d != axis], keepdim=True)
    scale = (largest / top).clamp(min=_SMALLEST)
    return (value / scale).round().clamp(-top, top) * scale
