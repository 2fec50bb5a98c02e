"""Normalisation and pooling."""

from __future__ import annotations

from math import prod

from twentywatts.counting.view import LayerView, Work

__all__ = ["RULES"]


def _batch_norm(view: LayerView) -> Work:
    """Return a scale and a shift per element: mean and variance are constants that fold into them."""
    return Work(op_count=2 * view.output_size())


def _statistics(view: LayerView) -> Work:
    """Return layer, group and instance normalisation: sum, subtract, square, sum, scale, and the affine pair."""
    affine = sum(view.has(index) for index in (1, 2))
    return Work(op_count=(5 + affine) * view.output_size())


def _root_mean_square(view: LayerView) -> Work:
    """Return square, sum, scale, and the weight."""
    return Work(op_count=(3 + view.has(1)) * view.output_size())


def _lp(view: LayerView) -> Work:
    return Work(op_count=3 * view.output_size())


def _local_response(view: LayerView) -> Work:
    """Return a square and a sum over ``size`` channels, then scale, add, power, divide."""
    return Work(op_count=(view.attribute("size", 1) + 5) * view.output_size())


def _pool(view: LayerView) -> Work:
    """Return one operation per element under the window."""
    window = prod(view.attribute("kernel_shape", ()))
    power = view.layer.op == "LpPool"
    return Work(op_count=(3 if power else 1) * window * view.output_size())


def _global_pool(view: LayerView) -> Work:
    return Work(op_count=(3 if view.layer.op == "GlobalLpPool" else 1) * view.size(0))


def _unpool(view: LayerView) -> Work:
    return Work(skipped=(2,))


RULES = {
    ("", "BatchNormalization"): _batch_norm,
    ("", "LayerNormalization"): _statistics,
    ("", "GroupNormalization"): _statistics,
    ("", "InstanceNormalization"): _statistics,
    ("", "MeanVarianceNormalization"): _statistics,
    ("", "RMSNormalization"): _root_mean_square,
    ("", "SimplifiedLayerNormalization"): _root_mean_square,
    ("", "LpNormalization"): _lp,
    ("", "LRN"): _local_response,
    ("", "MaxUnpool"): _unpool,
}
RULES |= {("", op): _pool for op in ("MaxPool", "AveragePool", "LpPool")}
RULES |= {("", op): _global_pool for op in ("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool")}
