"""Sizes written as text, such as ``Mul(Integer(4), Symbol('s77', positive=True, integer=True))``.

torch hands these texts to sympy, which evaluates them as Python. Here they are parsed, never run, and pass only where
they are made of known functions, small whole numbers and symbols of the exporter.
"""

from __future__ import annotations

import ast
import re

from twentywatts.errors import ModelError, clean

__all__ = ["is_symbol", "size_expression"]

_MAX_LETTERS = 10_000
_MAX_POWER = 8  # a power of a power is refused too: sympy would work out any number
_SYMBOL = re.compile(r"(s|u|zf|zuf)[0-9]{1,5}")
_NUMBERS = frozenset(("Integer", "Rational"))
_FUNCTIONS = frozenset(
    "Add Mul Pow Min Max Mod FloorDiv CleanDiv CeilDiv PythonMod ModularIndexing CeilToInt FloorToInt TruncToInt "
    "RoundToInt TruncToFloat ToFloat IntTrueDiv FloatTrueDiv Identity Equality Unequality LessThan StrictLessThan "
    "GreaterThan StrictGreaterThan And Or Not".split()
)
_ASSUMPTIONS = frozenset("positive integer nonnegative negative real zero finite nonzero".split())
_LETTERS = re.compile(r"[A-Za-z0-9_'(),= -]*")


def is_symbol(name: object) -> bool:
    """Tell whether this is a symbol's name as torch.export gives it: s0, u3."""
    return isinstance(name, str) and bool(_SYMBOL.fullmatch(name))


def size_expression(text: object) -> str:
    """Return the text of a size as it is; raises ModelError where it is not of the known grammar."""
    if not isinstance(text, str) or len(text) > _MAX_LETTERS or not _LETTERS.fullmatch(text):
        raise ModelError(f"a size is given as the text {clean(text)[:80]!r}, which is not evaluated")
    try:
        is_known = _is_known(ast.parse(text, mode="eval").body, is_base=False)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        is_known = False
    if not is_known:
        raise ModelError(f"a size is given as the text {clean(text)[:80]!r}, which is not evaluated")
    return text


def _is_known(node: ast.expr, *, is_base: bool) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    name = node.func.id
    if name == "Symbol":
        return _is_symbol_call(node)
    if node.keywords or not node.args:
        return False
    if name in _NUMBERS:
        return all(_whole(part) is not None for part in node.args)
    if name == "Pow":
        return not is_base and _is_power(node)
    return name in _FUNCTIONS and all(_is_known(part, is_base=is_base) for part in node.args)


def _is_symbol_call(node: ast.Call) -> bool:
    names = [part.value for part in node.args if isinstance(part, ast.Constant)]
    are_assumptions = all(
        word.arg in _ASSUMPTIONS and isinstance(word.value, ast.Constant) and isinstance(word.value.value, bool)
        for word in node.keywords
    )
    return len(node.args) == len(names) == 1 and is_symbol(names[0]) and are_assumptions


def _is_power(node: ast.Call) -> bool:
    base, *exponents = node.args
    if len(exponents) != 1 or not isinstance(exponents[0], ast.Call) or not _is_known(exponents[0], is_base=True):
        return False
    number = _whole(exponents[0].args[0])
    return number is not None and abs(number) <= _MAX_POWER and _is_known(base, is_base=True)


def _whole(node: ast.expr) -> int | None:
    """Return a literal whole number below 2^63 in size, or None."""
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if not isinstance(node, ast.Constant) or type(node.value) is not int or node.value >= 2**63:
        return None
    return sign * node.value
