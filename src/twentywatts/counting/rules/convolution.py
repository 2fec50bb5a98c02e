"""Convolutions. For weights (M, C/g, k…) each output takes C/g × k multiply-accumulates, whatever stride and dilation.

MACs = N × M × ∏(output size) × (C / g) × ∏k; a transposed one has every input meet the kernel once:
N × C × ∏(input size) × (M / g) × ∏k. Padding is counted as work, as runtimes do and as FLOP counters count it.
Source: the ONNX operator specification, Conv and ConvTranspose.
"""

from __future__ import annotations

from math import prod

from twentywatts.counting.view import LayerView, UnknownWorkError, Work

__all__ = ["RULES"]


def _macs(view: LayerView, data: int, weight: int) -> int:
    kernel, source, result = view.shape(weight), view.shape(data), view.output_shape()
    group = view.attribute("group", 1)
    if len(kernel) < 3 or len(source) != len(kernel) or len(result) != len(kernel):
        raise UnknownWorkError(f"data of rank {len(source)} and weights of rank {len(kernel)} make no convolution")
    if source[1] != kernel[1] * group or kernel[0] % group or result[1] != kernel[0]:
        raise UnknownWorkError(f"{source[1]} channels in {group} groups do not fit weights of shape {list(kernel)}")
    return prod(result) * prod(kernel[1:])


def _conv(view: LayerView) -> Work:
    bias = view.output_size() if view.has(2) else 0
    return Work(mac_count=_macs(view, 0, 1), op_count=bias)


def _integer(view: LayerView) -> Work:
    return Work(mac_count=_macs(view, 0, 1), mac_bits=8)


def _quantized(view: LayerView) -> Work:
    """QLinearConv: 8-bit products; rescaling takes 4 operations per output, a bias one more."""
    ops = (4 + view.has(8)) * view.output_size()
    return Work(mac_count=_macs(view, 0, 3), op_count=ops, mac_bits=8)


def _transposed(view: LayerView) -> Work:
    kernel, source = view.shape(1), view.shape(0)
    if len(kernel) < 3 or len(source) != len(kernel) or source[1] != kernel[0]:
        raise UnknownWorkError(f"data of shape {list(source)} do not fit weights of shape {list(kernel)}")
    bias = view.output_size() if view.has(2) else 0
    return Work(mac_count=prod(source) * prod(kernel[1:]), op_count=bias)


def _deformable(view: LayerView) -> Work:
    """Return a convolution whose inputs are sampled bilinearly: 8 operations per sample, one more with a mask."""
    macs, kernel, result = _macs(view, 0, 1), view.shape(1), view.output_shape()
    samples = result[0] * prod(result[2:]) * view.shape(0)[1] * prod(kernel[2:])
    bias = view.output_size() if view.has(3) else 0
    return Work(mac_count=macs, op_count=(8 + view.has(4)) * samples + bias)


RULES = {
    ("", "Conv"): _conv,
    ("", "ConvInteger"): _integer,
    ("", "QLinearConv"): _quantized,
    ("", "ConvTranspose"): _transposed,
    ("", "DeformConv"): _deformable,
}
