"""What native shape inference must not see: attributes that make it divide by zero or run without end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twentywatts.readers.axes import Shape

__all__ = ["objection"]

_POSITIVE = frozenset(
    "strides dilations kernel_shape group blocksize num_outputs hidden_size num_heads q_num_heads kv_num_heads "
    "num_groups offset_group block_size".split()
)
_MAX_ATTRIBUTE = 2**31
_MAX_LIST = 4096


def objection(
    op: str, attributes: Mapping[str, Any], shapes: Sequence[Shape | None], *, schema: Any, output_count: int
) -> str:
    """Return why this layer cannot be understood, an empty text where nothing speaks against it."""
    if not schema.min_input <= len(shapes) <= schema.max_input:
        return f"{op} takes {_range(schema.min_input, schema.max_input)} inputs, it has {len(shapes)}"
    if not schema.min_output <= output_count <= schema.max_output:
        return f"{op} makes {_range(schema.min_output, schema.max_output)} outputs, it has {output_count}"
    for name, value in attributes.items():
        problem = _attribute(name, value)
        if problem:
            return problem
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in attributes and attribute.type.name not in ("GRAPH", "GRAPHS"):
            return f"{op} needs the attribute '{name}'"
    return ""


def _attribute(name: str, value: Any) -> str:
    numbers = value if isinstance(value, tuple) else (value,)
    if len(numbers) > _MAX_LIST and name in _POSITIVE:
        return f"attribute '{name}' has {len(numbers)} entries"
    for number in numbers:
        if not isinstance(number, int):
            continue
        if name in _POSITIVE and not 1 <= number <= _MAX_ATTRIBUTE:
            return f"attribute '{name}' must be at least 1, it is {number}"
    return ""


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
