"""Elementwise operators, softmax and reductions: operations per element (``operation_counts`` has the table)."""

from __future__ import annotations

from collections.abc import Callable

from twentywatts.counting.view import LayerView, Work
from twentywatts.operation_counts import OPS_PER_VALUE

__all__ = ["RULES"]


def _per_output(cost: int) -> Callable[[LayerView], Work]:
    return lambda view: Work(op_count=cost * view.output_size())


def _variadic(view: LayerView) -> Work:
    """Sum, Mean, Max, Min: one operation per operand after the first, and the division of a mean."""
    operands = max(view.input_count - 1, 0) + (view.layer.op == "Mean")
    return Work(op_count=operands * view.output_size())


def _reduce(cost: int) -> Callable[[LayerView], Work]:
    return lambda view: Work(op_count=cost * view.size(0), skipped=(1,))


_REDUCTIONS = {
    1: "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ArgMax ArgMin Hardmax",
    2: "ReduceSumSquare ReduceL2 ReduceLogSum",
    4: "ReduceLogSumExp",
}

RULES = {("", op): _per_output(cost) for op, cost in OPS_PER_VALUE.items()}
RULES |= {("", op): _variadic for op in ("Sum", "Mean", "Max", "Min")}
RULES |= {("", op): _reduce(cost) for cost, ops in _REDUCTIONS.items() for op in ops.split()}
RULES[("", "DynamicQuantizeLinear")] = lambda view: Work(op_count=6 * view.size(0))  # two searches, then quantise
