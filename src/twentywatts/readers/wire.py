"""How many messages a protobuf file holds, seen before it is decoded.

An empty message takes two bytes in a file and more than a hundred once it is decoded: 100 MB could ask for 10 GB. The
walk goes by ONNX's own description of its messages and skips the data of tensors.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from onnx import ModelProto

from twentywatts.errors import ModelError

__all__ = ["MAX_MESSAGE_COUNT", "check_message_count"]

MAX_MESSAGE_COUNT = 5_000_000
_MAX_FIELD_COUNT = 20_000_000  # numbers that are not packed, texts, messages: so many take seconds to walk through
_SMALL_BYTES = 8 * 2**20  # so few bytes cannot ask for more than a gigabyte


def check_message_count(content: bytes) -> None:
    """Raise ModelError for a file that holds more messages (nodes, attributes, …) than can be decoded safely."""
    if len(content) <= _SMALL_BYTES:
        return
    stack: list[tuple[int, int, Any]] = [(0, len(content), ModelProto.DESCRIPTOR)]
    count = fields = 0
    while stack:
        position, end, kind = stack.pop()
        inner = _message_fields(kind)
        while position < end:
            tag, position = _number(content, position, end)
            wire, field = tag & 7, tag >> 3
            fields += 1
            if fields > _MAX_FIELD_COUNT:
                raise ModelError(f"the file holds more than {_MAX_FIELD_COUNT} single values outside of tensors' data")
            if field == 0:
                return  # no field has this number: the decoder will refuse the file
            if wire == 0:
                _, position = _number(content, position, end)
            elif wire == 2:
                size, position = _number(content, position, end)
                if field in inner:
                    count += 1
                    if size:
                        stack.append((position, min(position + size, end), inner[field]))
                    if count > MAX_MESSAGE_COUNT:
                        raise ModelError(f"the file holds more than {MAX_MESSAGE_COUNT} nodes, attributes and the like")
                position += size
            elif wire in (1, 5):
                position += 8 if wire == 1 else 4
            else:
                return  # groups are no part of ONNX: the decoder will refuse the file


@cache
def _message_fields(kind: Any) -> dict[int, Any]:
    return {field.number: field.message_type for field in kind.fields if field.message_type is not None}


def _number(content: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a variable-length number and the place behind it; a number that is cut short ends the walk."""
    value = shift = 0
    while position < end:
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            break
    return 0, end
