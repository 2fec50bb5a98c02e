"""Matrix products, reductions and normalisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from twentywatts.errors import RefusedError
from twentywatts.slimming.learning.trainable.elementwise import Operator
from twentywatts.slimming.learning.trainable.graph import Call
from twentywatts.slimming.learning.trainable.numbers import axes_of

__all__ = ["SUMS"]

_COERCED = 13  # softmax works on one axis from this operator set on, on all from an axis on before


def _gemm(call: Call, values: Sequence[Any]) -> Any:
    left, right, *rest = values
    left = left.mT if call.attributes.get("transA", 0) else left
    right = right.mT if call.attributes.get("transB", 0) else right
    y = call.attributes.get("alpha", 1.0) * (left @ right)
    return y if not rest or rest[0] is None else y + call.attributes.get("beta", 1.0) * rest[0]


def _matmul(call: Call, values: Sequence[Any]) -> Any:
    return torch.matmul(values[0], values[1])


def _einsum(call: Call, values: Sequence[Any]) -> Any:
    return torch.einsum(call.attributes["equation"].replace(" ", ""), *values)


def _reduced(function: Callable[..., Any]) -> Operator:
    """Return a reduction of a function that takes an axis or several."""

    def run(call: Call, values: Sequence[Any]) -> Any:
        axes = axes_of(call, values, values[0].ndim)
        if not axes:
            return values[0]
        return function(values[0], dim=axes, keepdim=bool(call.attributes.get("keepdims", 1)))

    return run


def _product(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    for axis in sorted(dim, reverse=True):
        x = torch.prod(x, dim=axis, keepdim=keepdim)
    return x


def _length(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    return x.square().sum(dim=dim, keepdim=keepdim).sqrt()


def _softmax(function: Callable[..., Any]) -> Operator:
    def run(call: Call, values: Sequence[Any]) -> Any:
        x = values[0]
        if call.opset >= _COERCED:
            return function(x, dim=call.attributes.get("axis", -1))
        axis = call.attributes.get("axis", 1) % x.ndim
        return function(x.flatten(axis), dim=axis).reshape(x.shape)

    return run


def _by_channel(value: Any, rank: int) -> Any:
    return value.reshape(-1, *(1,) * (rank - 2))


def _batch_norm(call: Call, values: Sequence[Any]) -> Any:
    """Return the normalisation with the statistics that are stored."""
    x, scale, shift, mean, variance = values
    if call.attributes.get("training_mode", 0):
        raise RefusedError(f"{call.label} is in training mode: export the model for inference")
    return functional.batch_norm(x, mean, variance, scale, shift, False, 0.0, call.attributes.get("epsilon", 1e-5))


def _layer_norm(call: Call, values: Sequence[Any]) -> Any:
    if any(call.outputs[1:]):
        raise RefusedError(f"{call.label} gives its mean or deviation, which is not known here")
    x, scale, *rest = values
    axis = call.attributes.get("axis", -1) % x.ndim
    shape = tuple(x.shape[axis:])
    shift = rest[0].expand(shape) if rest and rest[0] is not None else None
    return functional.layer_norm(x, shape, scale.expand(shape), shift, call.attributes.get("epsilon", 1e-5))


def _root_mean_square_norm(call: Call, values: Sequence[Any]) -> Any:
    x, scale = values[:2]
    axes = tuple(range(call.attributes.get("axis", -1) % x.ndim, x.ndim))
    mean = x.square().mean(dim=axes, keepdim=True)
    return x * torch.rsqrt(mean + call.attributes.get("epsilon", 1e-5)) * scale


def _instance_norm(call: Call, values: Sequence[Any]) -> Any:
    return functional.instance_norm(
        values[0], weight=values[1], bias=values[2], eps=call.attributes.get("epsilon", 1e-5)
    )


def _group_norm(call: Call, values: Sequence[Any]) -> Any:
    x, scale, shift = values
    groups = call.attributes["num_groups"]
    y = functional.group_norm(x, groups, eps=call.attributes.get("epsilon", 1e-5))
    if scale.shape[0] != x.shape[1]:  # the first version of the operator scales groups, the second channels
        scale, shift = (value.repeat_interleave(x.shape[1] // groups) for value in (scale, shift))
    return y * _by_channel(scale, x.ndim) + _by_channel(shift, x.ndim)


def _unit_length(call: Call, values: Sequence[Any]) -> Any:
    order, axis = call.attributes.get("p", 2), call.attributes.get("axis", -1)
    x = values[0]
    size = x.abs().sum(axis, keepdim=True) if order == 1 else x.square().sum(axis, keepdim=True).sqrt()
    return torch.where(size == 0, torch.zeros_like(x), x / size)


def _standardised(call: Call, values: Sequence[Any]) -> Any:
    x, axes = values[0], tuple(call.attributes.get("axes", (0, 2, 3)))
    centred = x - x.mean(dim=axes, keepdim=True)
    return centred / (centred.square().mean(dim=axes, keepdim=True).sqrt() + 1e-9)


def _local_response(call: Call, values: Sequence[Any]) -> Any:
    return functional.local_response_norm(
        values[0],
        call.attributes["size"],
        alpha=call.attributes.get("alpha", 1e-4),
        beta=call.attributes.get("beta", 0.75),
        k=call.attributes.get("bias", 1.0),
    )


SUMS: dict[str, Operator] = {
    "BatchNormalization": _batch_norm,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _softmax(torch.log_softmax),
    "LpNormalization": _unit_length,
    "MatMul": _matmul,
    "MeanVarianceNormalization": _standardised,
    "RMSNormalization": _root_mean_square_norm,
    "ReduceL1": _reduced(lambda x, dim, keepdim: x.abs().sum(dim=dim, keepdim=keepdim)),
    "ReduceL2": _reduced(_length),
    "ReduceLogSum": _reduced(lambda x, dim, keepdim: x.sum(dim=dim, keepdim=keepdim).log()),
    "ReduceLogSumExp": _reduced(torch.logsumexp),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceMin": _reduced(torch.amin),
    "ReduceProd": _reduced(_product),
    "ReduceSum": _reduced(torch.sum),
    "ReduceSumSquare": _reduced(lambda x, dim, keepdim: x.square().sum(dim=dim, keepdim=keepdim)),
    "SimplifiedLayerNormalization": _root_mean_square_norm,
    "Softmax": _softmax(torch.softmax),
}
