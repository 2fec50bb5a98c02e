"""Elementwise operators, softmax and reductions: operations per element.

One operation is one addition, multiplication, comparison, or one evaluation of exp, log, sqrt, tanh and the like.
Copies, casts and masks by index are none. Composite functions are billed by their usual formula, which stands beside
each number.
"""

from __future__ import annotations

from collections.abc import Callable

from twentywatts.counting.view import LayerView, Work

__all__ = ["RULES"]

_PER_OUTPUT = {
    # arithmetic and comparison: one
    1: "Add Sub Mul Div Pow Mod BitShift Max Min And Or Xor Not BitwiseAnd BitwiseOr BitwiseXor BitwiseNot "
    "Equal Less LessOrEqual Greater GreaterOrEqual Where Abs Neg Reciprocal Sign Floor Ceil Round IsNaN IsInf "
    "Exp Log Sqrt Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Tanh Erf Relu Clip PRelu LeakyRelu "
    "ThresholdedRelu Sum Mean CumSum CumProd",
    # compare, multiply or exp, subtract
    3: "Elu Celu Shrink HardSigmoid Softsign Softplus",
    # negate, exp, add, divide; divide, round, add, clip
    4: "Sigmoid Selu HardSwish QuantizeLinear",
    # sigmoid and multiply; x / 2 (1 + erf(x / sqrt 2))
    5: "Swish Mish Gelu",
    # subtract, multiply
    2: "DequantizeLinear",
}
_COSTS = {op: cost for cost, ops in _PER_OUTPUT.items() for op in ops.split()}


def _per_output(cost: int) -> Callable[[LayerView], Work]:
    return lambda view: Work(op_count=cost * view.output_size())


def _variadic(view: LayerView) -> Work:
    """Sum, Mean, Max, Min: one operation per operand after the first, and the division of a mean."""
    operands = max(view.input_count - 1, 0) + (view.layer.op == "Mean")
    return Work(op_count=operands * view.output_size())


def _softmax(view: LayerView) -> Work:
    """Softmax: compare, subtract, exp, add, divide. Its logarithm takes one more."""
    return Work(op_count=(6 if view.layer.op == "LogSoftmax" else 5) * view.output_size())


def _reduce(cost: int) -> Callable[[LayerView], Work]:
    return lambda view: Work(op_count=cost * view.size(0), skipped=(1,))


_REDUCTIONS = {
    1: "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ArgMax ArgMin Hardmax",
    2: "ReduceSumSquare ReduceL2 ReduceLogSum",
    4: "ReduceLogSumExp",
}

RULES = {("", op): _per_output(cost) for op, cost in _COSTS.items()}
RULES |= {("", op): _variadic for op in ("Sum", "Mean", "Max", "Min")}
RULES |= {("", op): _softmax for op in ("Softmax", "LogSoftmax")}
RULES |= {("", op): _reduce(cost) for cost, ops in _REDUCTIONS.items() for op in ops.split()}
RULES[("", "DynamicQuantizeLinear")] = lambda view: Work(op_count=6 * view.size(0))  # two searches, then quantise
