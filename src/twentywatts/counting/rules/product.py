"""Matrix products: Gemm, MatMul and Einsum."""

from __future__ import annotations

from math import prod

from twentywatts.counting.view import LayerView, UnknownWorkError, Work

__all__ = ["RULES", "einsum_macs", "matmul_macs"]


def matmul_macs(left: tuple[int, ...], right: tuple[int, ...], result_size: int) -> int:
    """Return the size of the result × the shared axis; raises UnknownWorkError where the shared axes differ."""
    if not left or not right:
        raise UnknownWorkError("a scalar has no matrix product")
    inner, other = left[-1], right[-2] if len(right) > 1 else right[0]
    if inner != other:
        raise UnknownWorkError(f"{list(left)} times {list(right)} is no matrix product")
    return result_size * inner


def _matmul(view: LayerView) -> Work:
    return Work(mac_count=matmul_macs(view.shape(0), view.shape(1), view.output_size()))


def _integer(view: LayerView) -> Work:
    return Work(mac_count=matmul_macs(view.shape(0), view.shape(1), view.output_size()), mac_bits=8)


def _quantized(view: LayerView) -> Work:
    """QLinearMatMul: 8-bit products, 4 operations per output to rescale."""
    size = view.output_size()
    return Work(mac_count=matmul_macs(view.shape(0), view.shape(3), size), op_count=4 * size, mac_bits=8)


def _gemm(view: LayerView) -> Work:
    """Gemm: rows × shared axis × columns, one operation per output for the bias, one where alpha is not 1."""
    left, right = view.shape(0), view.shape(1)
    if len(left) != 2 or len(right) != 2:
        raise UnknownWorkError(f"{list(left)} times {list(right)} is no matrix product")
    rows, inner = left[::-1] if view.attribute("transA", 0) else left
    other, columns = right[::-1] if view.attribute("transB", 0) else right
    if inner != other:
        raise UnknownWorkError(f"{list(left)} times {list(right)} is no matrix product")
    extra = view.has(2) + (view.attribute("alpha", 1.0) != 1.0)
    return Work(mac_count=rows * inner * columns, op_count=extra * rows * columns)


def einsum_macs(equation: str, shapes: list[tuple[int, ...]]) -> tuple[int, int]:
    """Return multiply-accumulates and other operations of an Einsum whose operands are taken from left to right.

    A product that sums over an axis is a matrix product: one multiply-accumulate for every combination of its axes. A
    product that sums over nothing takes one operation per element. Raises UnknownWorkError for what it cannot read.
    """
    terms, result = _terms(equation, shapes)
    sizes = _sizes(terms, shapes)
    mac_count = op_count = 0
    current = terms[0]
    for position, term in enumerate(terms[1:], start=1):
        later = set(result).union(*terms[position + 1 :])
        together = dict.fromkeys([*current, *term])
        kept = [axis for axis in together if axis in later]
        work = prod(sizes[axis] for axis in together)
        summed = [axis for axis in together if axis not in later]
        mac_count, op_count = (mac_count + work, op_count) if summed else (mac_count, op_count + work)
        current = kept
    if len(terms) == 1 and set(current) - set(result):
        op_count += prod(sizes[axis] for axis in set(current))
    return mac_count, op_count


def _terms(equation: str, shapes: list[tuple[int, ...]]) -> tuple[list[list[str]], list[str]]:
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise UnknownWorkError(f"the equation '{equation}' does not fit {len(shapes)} operands")
    ranks = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True)]
    lists = [_letters(term, rank) for term, rank in zip(terms, ranks, strict=True)]
    if arrow:
        return lists, _letters(right, max(ranks, default=0))
    letters = [letter for term in lists for letter in term]
    free = sorted(letter for letter in set(letters) if letters.count(letter) == 1 or letter.startswith("."))
    return lists, free


def _letters(term: str, rank: int) -> list[str]:
    """Return the axes of a term; the axes behind an ellipsis are named from the right."""
    head, dots, tail = term.partition("...")
    middle = [f".{index}" for index in range(rank - 1, -1, -1)] if dots else []
    return [*head, *middle, *tail]


def _sizes(terms: list[list[str]], shapes: list[tuple[int, ...]]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise UnknownWorkError(f"axes {''.join(term)} do not fit the shape {list(shape)}")
        for axis, size in zip(term, shape, strict=True):
            if size != 1 and sizes.get(axis, 1) not in (1, size):
                raise UnknownWorkError(f"axis '{axis}' is both {sizes[axis]} and {size}")
            sizes[axis] = max(size, sizes.get(axis, size)) if size else 0
    return sizes


def _einsum(view: LayerView) -> Work:
    shapes = [view.shape(index) for index in range(len(view.layer.inputs))]
    mac_count, op_count = einsum_macs(str(view.attribute("equation", "")), shapes)
    return Work(mac_count=mac_count, op_count=op_count)


RULES = {
    ("", "MatMul"): _matmul,
    ("", "MatMulInteger"): _integer,
    ("", "QLinearMatMul"): _quantized,
    ("", "Gemm"): _gemm,
    ("", "Einsum"): _einsum,
}
