"""Convolutions, poolings and changes of size: operators that slide a window over an image or a sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from twentywatts.errors import RefusedError
from twentywatts.slimming.learning.trainable.elementwise import Operator
from twentywatts.slimming.learning.trainable.graph import Call
from twentywatts.slimming.learning.trainable.numbers import setting

__all__ = ["WINDOWS", "Pads", "convolved", "pads_of", "spread"]

Pads = tuple[tuple[int, int], ...]
_CONVOLVED = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_LARGEST = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGED = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_RESIZED = {"nearest": "nearest", "linear": {3: "linear", 4: "bilinear", 5: "trilinear"}, "cubic": {4: "bicubic"}}


def spread(call: Call, name: str, rank: int) -> tuple[int, ...]:
    """Return an attribute with one entry for each axis, 1 where it is absent."""
    return tuple(call.attributes.get(name) or (1,) * rank)


def pads_of(call: Call, sizes: Sequence[int], kernel: Sequence[int]) -> Pads:
    """Return (before, after) for each axis, as given or as ``auto_pad`` asks for images of those sizes."""
    rank = len(kernel)
    auto = call.attributes.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return ((0, 0),) * rank
    if auto == "NOTSET":
        pads = call.attributes.get("pads") or (0,) * (2 * rank)
        return tuple((pads[axis], pads[axis + rank]) for axis in range(rank))
    found = []
    for size, k, s, d in zip(
        sizes, kernel, spread(call, "strides", rank), spread(call, "dilations", rank), strict=True
    ):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        less, more = total // 2, total - total // 2
        found.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return tuple(found)


def _padded(x: Any, pads: Pads, value: float = 0.0) -> tuple[Any, tuple[int, ...]]:
    """Return ``x`` and the padding that torch must still add: the same before and after, or none."""
    if all(before == after for before, after in pads):
        return x, tuple(before for before, _ in pads)
    flat = [size for pair in reversed(pads) for size in pair]
    return functional.pad(x, flat, value=value), (0,) * len(pads)


def convolved(call: Call, x: Any, weight: Any, bias: Any) -> Any:
    """Return the convolution of ``x``, shape (samples, channels, sizes...)."""
    rank = weight.ndim - 2
    if rank not in _CONVOLVED:
        raise RefusedError(f"{call.label} convolves over {rank} axes, torch does over 1 to 3")
    x, padding = _padded(x, pads_of(call, x.shape[2:], weight.shape[2:]))
    return _CONVOLVED[rank](
        x,
        weight,
        bias,
        stride=spread(call, "strides", rank),
        padding=padding,
        dilation=spread(call, "dilations", rank),
        groups=call.attributes.get("group", 1),
    )


def _convolution(call: Call, values: Sequence[Any]) -> Any:
    return convolved(call, values[0], values[1], values[2] if len(values) > 2 else None)


def _transposed(call: Call, values: Sequence[Any]) -> Any:
    """Return the transposed convolution; what pads differ in is cut off after it."""
    x, weight, *rest = values
    rank = weight.ndim - 2
    if (
        rank not in _TRANSPOSED
        or "output_shape" in call.attributes
        or call.attributes.get("auto_pad", "NOTSET")
        not in (
            "NOTSET",
            "VALID",
        )
    ):
        raise RefusedError(f"{call.label} says its output's size instead of its pads, which is not known here")
    pads = pads_of(call, x.shape[2:], weight.shape[2:])
    y = _TRANSPOSED[rank](
        x,
        weight,
        rest[0] if rest else None,
        stride=spread(call, "strides", rank),
        output_padding=tuple(call.attributes.get("output_padding") or (0,) * rank),
        groups=call.attributes.get("group", 1),
        dilation=spread(call, "dilations", rank),
    )
    for axis, (before, after) in enumerate(pads):
        y = y.narrow(axis + 2, before, y.shape[axis + 2] - before - after)
    return y


def _window(call: Call, x: Any) -> tuple[tuple[int, ...], Pads]:
    """Return a pooling's kernel and its pads; raises RefusedError where torch has no such pooling."""
    kernel = tuple(call.attributes["kernel_shape"])
    if len(kernel) not in _LARGEST:
        raise RefusedError(f"{call.label} pools over {len(kernel)} axes, torch does over 1 to 3")
    pads = pads_of(call, x.shape[2:], kernel)
    gaps = spread(call, "dilations", len(kernel))
    for size, k, d, (before, after) in zip(x.shape[2:], kernel, gaps, pads, strict=True):
        if d * (k - 1) >= size + before + after:
            raise RefusedError(f"{call.label} has a window that is larger than what it slides over")
    return kernel, pads


def _overhang(call: Call, x: Any, kernel: tuple[int, ...], pads: Pads) -> Pads:
    """Return what a window sticks out beyond the pads at the end where ``ceil_mode`` lets it, one pair for each axis.

    The last window starts inside the image or its pads in front, as in onnxruntime and torch.
    """
    rank = len(kernel)
    if not call.attributes.get("ceil_mode", 0):
        return ((0, 0),) * rank
    found = []
    steps = zip(x.shape[2:], kernel, spread(call, "strides", rank), spread(call, "dilations", rank), pads, strict=True)
    for size, k, s, d, (before, after) in steps:
        span = d * (k - 1) + 1
        count = -(-(size + before + after - span) // s) + 1
        count -= (count - 1) * s >= size + before
        found.append((0, max(0, (count - 1) * s + span - size - before - after)))
    return tuple(found)


def _summed(first: Pads, second: Pads) -> Pads:
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(first, second, strict=True))


def _max_pool(call: Call, values: Sequence[Any]) -> Any:
    if len(call.outputs) > 1 and call.outputs[1]:
        raise RefusedError(f"{call.label} gives the places of its maxima, which cannot be trained through here")
    x = values[0]
    kernel, pads = _window(call, x)
    pads = _summed(pads, _overhang(call, x, kernel, pads))
    x, padding = _padded(x, pads, float("-inf"))
    if any(2 * pad > k for pad, k in zip(padding, kernel, strict=True)):
        flat = [pad for pad in reversed(padding) for _ in range(2)]
        x, padding = functional.pad(x, flat, value=float("-inf")), (0,) * len(kernel)
    rank = len(kernel)
    return _LARGEST[rank](
        x, kernel, spread(call, "strides", rank), padding=padding, dilation=spread(call, "dilations", rank)
    )


def _average_pool(call: Call, values: Sequence[Any]) -> Any:
    x = values[0]
    kernel, pads = _window(call, x)
    rank = len(kernel)
    if any(size != 1 for size in spread(call, "dilations", rank)):
        raise RefusedError(f"{call.label} averages with gaps, which torch cannot")
    strides = spread(call, "strides", rank)
    extra = _overhang(call, x, kernel, pads)
    whole = _summed(pads, extra)
    if not any(size for pair in whole for size in pair):
        return _AVERAGED[rank](x, kernel, strides)
    counts_pads = bool(call.attributes.get("count_include_pad", 0))
    counted = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    if counts_pads:
        counted = functional.pad(counted, [size for pair in reversed(pads) for size in pair], value=1.0)
    counted = functional.pad(
        counted, [size for pair in reversed(extra if counts_pads else whole) for size in pair], value=0.0
    )
    x = functional.pad(x, [size for pair in reversed(whole) for size in pair])
    return _AVERAGED[rank](x, kernel, strides) / _AVERAGED[rank](counted, kernel, strides)


def _global(function: Any) -> Operator:
    return lambda call, values: function(values[0], dim=tuple(range(2, values[0].ndim)), keepdim=True)


def _resize(call: Call, values: Sequence[Any]) -> Any:
    """Return an image in another size, where torch has the same rule for it."""
    x = values[0]
    is_new = call.op == "Resize" and call.opset > 10
    sizes = setting(call, values, 3, "") if is_new else None
    if sizes is None:
        scales = values[2 if is_new else 1] if len(values) > 1 else None
        factors = call.attributes.get("scales", ()) if scales is None else scales.reshape(-1).tolist()
        spatial = [int(size * factor) for size, factor in zip(x.shape[2:], factors[2:], strict=True)]
        is_kept = all(factor == 1 for factor in factors[:2])
    else:
        spatial, is_kept = list(sizes[2:]), tuple(sizes[:2]) == tuple(x.shape[:2])
    if not is_kept:
        raise RefusedError(f"{call.label} changes the number of samples or channels, which is not known here")
    mode, corners = _rule(call, x.ndim)
    return functional.interpolate(x, size=spatial, mode=mode, align_corners=corners)


def _rule(call: Call, rank: int) -> tuple[str, bool | None]:
    """Return torch's name of a resizing and whether corners meet; raises RefusedError where it has none."""
    mode = call.attributes.get("mode", "nearest")
    default = "half_pixel" if call.op == "Resize" and call.opset > 10 else "asymmetric"
    where = call.attributes.get("coordinate_transformation_mode", default)
    if mode == "nearest":
        is_floor = call.attributes.get("nearest_mode", "round_prefer_floor") == "floor" or call.opset < 11
        if where == "asymmetric" and is_floor:
            return "nearest", None
    else:
        known: Any = _RESIZED.get(mode, {})
        if rank in known and where in ("align_corners", "half_pixel", "pytorch_half_pixel"):
            is_torch_cubic = mode != "cubic" or call.attributes.get("cubic_coeff_a", -0.75) == -0.75
            if is_torch_cubic and not call.attributes.get("antialias", 0):
                return known[rank], where == "align_corners"
    raise RefusedError(f"{call.label} resizes by rule '{mode}, {where}', which torch does not have")


WINDOWS: dict[str, Operator] = {
    "AveragePool": _average_pool,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "GlobalAveragePool": _global(torch.mean),
    "GlobalMaxPool": _global(torch.amax),
    "MaxPool": _max_pool,
    "Resize": _resize,
    "Upsample": _resize,
}
