"""Layers that own their weights, as torch's own modules: pruning tools and people find them there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from twentywatts.slimming.learning.trainable.graph import Array, Call, Graph
from twentywatts.slimming.learning.trainable.windows import pads_of, spread

__all__ = ["Layer", "layer_of", "owned"]

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A module and where each constant went: name → (attribute, whether its axes are turned)."""

    module: Any
    slots: Mapping[str, tuple[str, bool]]


class _Norm(nn.BatchNorm2d):  # type: ignore[misc]
    """A batch normalisation of any rank."""

    def _check_input_dim(self, input: Any) -> None:
        """Take every rank."""


class _PaddedFirst(nn.Module):  # type: ignore[misc]
    """A convolution whose pads differ before and after, or hang on the size of what comes."""

    def __init__(self, call: Call, convolution: Any) -> None:
        super().__init__()
        self.call, self.convolution = call, convolution

    def forward(self, x: Any) -> Any:
        """Pad, then convolve."""
        pads = pads_of(self.call, x.shape[2:], self.convolution.kernel_size)
        return self.convolution(functional.pad(x, [size for pair in reversed(pads) for size in pair]))


def owned(graph: Graph) -> frozenset[str]:
    """Return the constants that exactly one layer takes, and which are no output."""
    return frozenset(name for name, uses in graph.uses().items() if len(uses) == 1) - set(graph.outputs)


def layer_of(call: Call, constants: Mapping[str, Array], own: frozenset[str]) -> Layer | None:
    """Return the module of a layer whose constants belong to it alone, None where it runs as a function."""
    build = _BUILDERS.get(call.op)
    arrays = [constants.get(name) for name in call.inputs[1:]]
    if build is None or not arrays or any(name not in own or name not in constants for name in call.inputs[1:] if name):
        return None
    if any(array is not None and (array.dtype.kind != "f" or not array.size) for array in arrays):
        return None
    try:
        return build(call, arrays)
    except (RuntimeError, ValueError, TypeError, ArithmeticError):  # it is refused by name when it runs
        return None


def _convolution(call: Call, arrays: list[Array | None]) -> Layer | None:
    weight, bias = arrays[0], arrays[1] if len(arrays) > 1 else None
    if weight is None or weight.ndim - 2 not in _CONVOLUTIONS:
        return None
    rank, groups = weight.ndim - 2, call.attributes.get("group", 1)
    pads = call.attributes.get("pads") or (0,) * (2 * rank)
    is_plain = call.attributes.get("auto_pad", "NOTSET") == "NOTSET" and pads[:rank] == pads[rank:]
    with torch.device("meta"):
        module = _CONVOLUTIONS[rank](
            weight.shape[1] * groups,
            weight.shape[0],
            weight.shape[2:],
            stride=spread(call, "strides", rank),
            padding=pads[:rank] if is_plain else 0,
            dilation=spread(call, "dilations", rank),
            groups=groups,
            bias=bias is not None,
        )
    places = [("weight", weight, False)] + ([("bias", bias, False)] if bias is not None else [])
    layer = _filled(module, call, places)
    if is_plain:
        return layer
    slots = {name: (f"convolution.{attribute}", turned) for name, (attribute, turned) in layer.slots.items()}
    return Layer(module=_PaddedFirst(call, layer.module), slots=slots)


def _filled(module: Any, call: Call, places: list[tuple[str, Array, bool]]) -> Layer:
    """Return a layer whose tensors, made without memory, are replaced by the graph's constants."""
    slots = {}
    names = [name for name in call.inputs[1:] if name]
    for (attribute, array, turned), name in zip(places, names, strict=True):
        value = torch.from_numpy((array.T if turned else array).copy())
        if attribute in module._buffers:
            module._buffers[attribute] = value
        else:
            setattr(module, attribute, nn.Parameter(value))
        slots[name] = (attribute, turned)
    return Layer(module=module, slots=slots)


def _dense(call: Call, arrays: list[Array | None]) -> Layer | None:
    """Return a Gemm as a dense layer, where that is the same."""
    weight, bias = arrays[0], arrays[1] if len(arrays) > 1 else None
    plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
    if weight is None or weight.ndim != 2 or any(call.attributes.get(key, at) != at for key, at in plain.items()):
        return None
    turned = not call.attributes.get("transB", 0)
    outputs, inputs = weight.shape[::-1] if turned else weight.shape
    if bias is not None and bias.shape != (outputs,):
        return None
    with torch.device("meta"):
        module = nn.Linear(inputs, outputs, bias=bias is not None)
    places = [("weight", weight, turned)] + ([("bias", bias, False)] if bias is not None else [])
    return _filled(module, call, places)


def _product(call: Call, arrays: list[Array | None]) -> Layer | None:
    """Return a product with a constant matrix on the right as a dense layer without bias."""
    weight = arrays[0]
    if weight is None or weight.ndim != 2:
        return None
    with torch.device("meta"):
        module = nn.Linear(*weight.shape, bias=False)
    return _filled(module, call, [("weight", weight, True)])


def _batch_norm(call: Call, arrays: list[Array | None]) -> Layer | None:
    given = [array for array in arrays if array is not None]
    if len(given) != 4 or any(call.outputs[1:]) or call.attributes.get("training_mode", 0):
        return None
    momentum = 1.0 - call.attributes.get("momentum", 0.9)
    with torch.device("meta"):
        module = _Norm(len(given[0]), eps=call.attributes.get("epsilon", 1e-5), momentum=momentum)
    module.num_batches_tracked = None
    names = ("weight", "bias", "running_mean", "running_var")
    return _filled(module, call, [(name, array, False) for name, array in zip(names, given, strict=True)])


def _layer_norm(call: Call, arrays: list[Array | None]) -> Layer | None:
    given = [array for array in arrays if array is not None]
    is_last = call.attributes.get("axis", -1) == -1 and all(array.ndim == 1 for array in given)
    if not is_last or any(call.outputs[1:]):
        return None
    with torch.device("meta"):
        module = nn.LayerNorm(given[0].shape, eps=call.attributes.get("epsilon", 1e-5), bias=len(given) > 1)
    return _filled(module, call, [(n, a, False) for n, a in zip(("weight", "bias"), given, strict=False)])


_BUILDERS: dict[str, Callable[[Call, list[Array | None]], Layer | None]] = {
    "BatchNormalization": _batch_norm,
    "Conv": _convolution,
    "Gemm": _dense,
    "LayerNormalization": _layer_norm,
    "MatMul": _product,
}
