"""What native shape inference must not see: attributes that make it divide by zero, read beyond its lists or crash.

Each rule here stands for a crash that random layers have shown (bench/fuzz_inputs.py), or for its close kin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from twentywatts.readers.axes import Shape

__all__ = ["objection"]

_POSITIVE = frozenset(
    "strides dilations kernel_shape group blocksize num_outputs hidden_size num_heads q_num_heads kv_num_heads "
    "num_groups offset_group block_size scales".split()
)
_AXES = frozenset("axis axes batch_dims batch_axis time_axis perm".split())
# inputs whose number of entries is the rank of the result
_RANKS = {"Reshape": 1, "Expand": 1, "Tile": 1, "ConstantOfShape": 0}
_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(f"{_TERM}(,{_TERM})*(->{_TERM})?")
_MAX_RANK = 64
_MAX_ATTRIBUTE = 2**31
_MAX_LIST = 4096


def objection(
    op: str, attributes: Mapping[str, Any], shapes: Sequence[Shape | None], *, schema: Any, output_count: int
) -> str:
    """Return why this layer cannot be understood, an empty text where nothing speaks against it."""
    problems = [_arity(op, len(shapes), output_count, schema)]
    problems += [_attribute(name, value) for name, value in attributes.items()]
    if attributes.get("num_outputs", output_count) != output_count:
        problems.append(f"{op} says that it makes {attributes['num_outputs']} outputs, it has {output_count}")
    problems += [_shape(op, index, shape) for index, shape in enumerate(shapes) if shape is not None]
    if op == "Einsum" and not _EQUATION.fullmatch(str(attributes.get("equation", "")).replace(" ", "")):
        problems.append(f"Einsum has the equation '{attributes.get('equation', '')}', which cannot be read")
    problems += [
        f"{op} needs the attribute '{name}'"
        for name, attribute in schema.attributes.items()
        if attribute.required and name not in attributes and not attribute.type.name.startswith("GRAPH")
    ]
    return next(filter(None, problems), "")


def _arity(op: str, inputs: int, outputs: int, schema: Any) -> str:
    if not schema.min_input <= inputs <= schema.max_input:
        return f"{op} takes {_range(schema.min_input, schema.max_input)} inputs, it has {inputs}"
    if not schema.min_output <= outputs <= schema.max_output:
        return f"{op} makes {_range(schema.min_output, schema.max_output)} outputs, it has {outputs}"
    return ""


def _attribute(name: str, value: Any) -> str:
    numbers = value if isinstance(value, tuple) else (value,)
    if len(numbers) > _MAX_LIST and name in _POSITIVE | _AXES:
        return f"attribute '{name}' has {len(numbers)} entries"
    for number in numbers:
        if not isinstance(number, int):
            continue
        if name == "batch_dims" and number < 0:
            return f"attribute 'batch_dims' must be at least 0, it is {number}"
        if name in _AXES and not -_MAX_RANK <= number <= _MAX_RANK:
            return f"attribute '{name}' is {number}, beyond any rank"
        if name in _POSITIVE and not 1 <= number <= _MAX_ATTRIBUTE:
            return f"attribute '{name}' must be at least 1, it is {number}"
    return ""


def _shape(op: str, index: int, shape: Shape) -> str:
    if len(shape) > _MAX_RANK:
        return f"{op} reads a tensor of {len(shape)} axes"
    if _RANKS.get(op) == index and len(shape) == 1 and isinstance(shape[0], int) and shape[0] > _MAX_RANK:
        return f"{op} would make a tensor of {shape[0]} axes"
    return ""


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
