"""Operations for each value that an operator gives: one table, whatever machine executes it and whatever form it has.

One operation is one addition, multiplication, comparison, or one evaluation of exp, log, sqrt, tanh and the like.
Copies, casts and masks by index are none. Composite functions are billed by their usual formula, which stands beside
each number. docs/method/counting.md has what follows from shapes as well: products, pooling, normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["OPS_PER_VALUE"]

_OPERATORS = {
    # arithmetic and comparison: one
    1: "Add Sub Mul Div Pow Mod BitShift Max Min And Or Xor Not BitwiseAnd BitwiseOr BitwiseXor BitwiseNot "
    "Equal Less LessOrEqual Greater GreaterOrEqual Where Abs Neg Reciprocal Sign Floor Ceil Round IsNaN IsInf "
    "Exp Log Sqrt Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Tanh Erf Relu Clip PRelu LeakyRelu "
    "ThresholdedRelu Sum Mean CumSum CumProd",
    # subtract, multiply
    2: "DequantizeLinear",
    # compare, multiply or exp, subtract
    3: "Elu Celu Shrink HardSigmoid Softsign Softplus",
    # negate, exp, add, divide; divide, round, add, clip
    4: "Sigmoid Selu HardSwish QuantizeLinear",
    # sigmoid and multiply; x / 2 (1 + erf(x / sqrt 2)); compare, subtract, exp, add, divide
    5: "Swish Mish Gelu Softmax",
    # as softmax, and its logarithm
    6: "LogSoftmax",
}
OPS_PER_VALUE: Mapping[str, int] = {op: count for count, ops in _OPERATORS.items() for op in ops.split()}
