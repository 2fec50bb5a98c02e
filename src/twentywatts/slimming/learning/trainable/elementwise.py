"""Operators that treat every value alike, and the activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from twentywatts.errors import RefusedError
from twentywatts.slimming.learning.trainable.graph import Call
from twentywatts.slimming.learning.trainable.numbers import DTYPES

__all__ = ["ELEMENTWISE", "Operator"]

Operator = Callable[[Call, Sequence[Any]], Any]


def _one(function: Callable[[Any], Any]) -> Operator:
    return lambda call, values: function(values[0])


def _two(function: Callable[[Any, Any], Any]) -> Operator:
    return lambda call, values: function(values[0], values[1])


def _folded(function: Callable[[Any, Any], Any]) -> Operator:
    """Return an operator of any number of inputs."""

    def run(call: Call, values: Sequence[Any]) -> Any:
        total = values[0]
        for value in values[1:]:
            total = function(total, value)
        return total

    return run


def _divide(call: Call, values: Sequence[Any]) -> Any:
    left, right = values
    return left / right if left.is_floating_point() else torch.div(left, right, rounding_mode="trunc")


def _power(call: Call, values: Sequence[Any]) -> Any:
    return torch.pow(values[0], values[1]).to(values[0].dtype)


def _modulo(call: Call, values: Sequence[Any]) -> Any:
    return (torch.fmod if call.attributes.get("fmod", 0) else torch.remainder)(values[0], values[1])


def _mean(call: Call, values: Sequence[Any]) -> Any:
    return _folded(torch.add)(call, values) / len(values)


def _cast(call: Call, values: Sequence[Any]) -> Any:
    code = int(call.attributes["to"])
    if code not in DTYPES:
        raise RefusedError(f"{call.label} casts to element type {code}: only numbers can be trained with")
    return values[0].to(getattr(torch, DTYPES[code]))


def _clip(call: Call, values: Sequence[Any]) -> Any:
    low, high = (
        values[index] if len(values) > index and values[index] is not None else call.attributes.get(name)
        for index, name in ((1, "min"), (2, "max"))
    )
    if low is None and high is None:
        return values[0]
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        low, high = (None if x is None else torch.as_tensor(x, dtype=values[0].dtype) for x in (low, high))
    return torch.clamp(values[0], low, high)


def _prelu(call: Call, values: Sequence[Any]) -> Any:
    x, slope = values
    return torch.where(x >= 0, x, x * slope)


def _gelu(call: Call, values: Sequence[Any]) -> Any:
    return functional.gelu(values[0], approximate=call.attributes.get("approximate", "none"))


def _leaky(call: Call, values: Sequence[Any]) -> Any:
    return functional.leaky_relu(values[0], call.attributes.get("alpha", 0.01))


def _elu(call: Call, values: Sequence[Any]) -> Any:
    return functional.elu(values[0], call.attributes.get("alpha", 1.0))


def _celu(call: Call, values: Sequence[Any]) -> Any:
    return functional.celu(values[0], call.attributes.get("alpha", 1.0))


def _selu(call: Call, values: Sequence[Any]) -> Any:
    # the operator's own defaults, which its definition states to more digits than float32 holds
    alpha = call.attributes.get("alpha", 1.6732631921768188)
    gamma = call.attributes.get("gamma", 1.0507010221481323)
    return gamma * functional.elu(values[0], alpha)


def _hard_sigmoid(call: Call, values: Sequence[Any]) -> Any:
    return torch.clamp(values[0] * call.attributes.get("alpha", 0.2) + call.attributes.get("beta", 0.5), 0.0, 1.0)


def _hard_swish(call: Call, values: Sequence[Any]) -> Any:
    return values[0] * torch.clamp(values[0] / 6 + 0.5, 0.0, 1.0)


def _thresholded(call: Call, values: Sequence[Any]) -> Any:
    return torch.where(values[0] > call.attributes.get("alpha", 1.0), values[0], torch.zeros_like(values[0]))


def _swish(call: Call, values: Sequence[Any]) -> Any:
    return values[0] * torch.sigmoid(call.attributes.get("alpha", 1.0) * values[0])


def _dropout(call: Call, values: Sequence[Any]) -> Any:
    """Return the input: a network that learns a teacher's answers is not disturbed on purpose."""
    if len(call.outputs) > 1 and call.outputs[1]:
        return values[0], torch.ones_like(values[0], dtype=torch.bool)
    return values[0]


def _is_infinite(call: Call, values: Sequence[Any]) -> Any:
    return torch.isinf(values[0])


ELEMENTWISE: dict[str, Operator] = {
    "Abs": _one(torch.abs),
    "Add": _two(torch.add),
    "And": _two(torch.logical_and),
    "Cast": _cast,
    "CastLike": lambda call, values: values[0].to(values[1].dtype),
    "Ceil": _one(torch.ceil),
    "Celu": _celu,
    "Clip": _clip,
    "Cos": _one(torch.cos),
    "Div": _divide,
    "Dropout": _dropout,
    "Elu": _elu,
    "Equal": _two(torch.eq),
    "Erf": _one(torch.erf),
    "Exp": _one(torch.exp),
    "Floor": _one(torch.floor),
    "Gelu": _gelu,
    "Greater": _two(torch.gt),
    "GreaterOrEqual": _two(torch.ge),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Identity": lambda call, values: values[0],
    "IsInf": _is_infinite,
    "IsNaN": _one(torch.isnan),
    "LeakyRelu": _leaky,
    "Less": _two(torch.lt),
    "LessOrEqual": _two(torch.le),
    "Log": _one(torch.log),
    "Max": _folded(torch.maximum),
    "Mean": _mean,
    "Min": _folded(torch.minimum),
    "Mish": _one(functional.mish),
    "Mod": _modulo,
    "Mul": _two(torch.mul),
    "Neg": _one(torch.neg),
    "Not": _one(torch.logical_not),
    "Or": _two(torch.logical_or),
    "PRelu": _prelu,
    "Pow": _power,
    "Reciprocal": _one(torch.reciprocal),
    "Relu": _one(torch.relu),
    "Round": _one(torch.round),
    "Selu": _selu,
    "Sigmoid": _one(torch.sigmoid),
    "Sign": _one(torch.sign),
    "Sin": _one(torch.sin),
    "Softplus": lambda call, values: functional.softplus(values[0]),
    "Softsign": lambda call, values: functional.softsign(values[0]),
    "Sqrt": _one(torch.sqrt),
    "Sub": _two(torch.sub),
    "Sum": _folded(torch.add),
    "Swish": _swish,
    "Tan": _one(torch.tan),
    "Tanh": _one(torch.tanh),
    "ThresholdedRelu": _thresholded,
    "Where": lambda call, values: torch.where(values[0], values[1], values[2]),
    "Xor": _two(torch.logical_xor),
    "com.microsoft.Gelu": _gelu,
}
