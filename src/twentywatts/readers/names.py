"""Names in a model file: protobuf hands out damaged text as bytes; it is refused before anything is built on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import TensorProto

from twentywatts.errors import ModelError

__all__ = ["check_names"]

_STRING = 9  # google.protobuf.descriptor.FieldDescriptor.TYPE_STRING
_MESSAGE = 11


def check_names(model: Message) -> None:
    """Raise ModelError where any text of a message, or of a message inside it, is not UTF-8."""
    waiting: list[Any] = [model]
    while waiting:
        message = waiting.pop()
        for kind, value in _fields(message):
            if kind == _MESSAGE:
                waiting.extend((value,) if isinstance(value, Message) else value)
            elif any(isinstance(text, bytes) for text in ((value,) if isinstance(value, str | bytes) else value)):
                raise ModelError("it holds names that are not text: it is not an ONNX file, or it is damaged")


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Yield the texts and messages inside; of a tensor its name and place alone, so that no weight is copied."""
    if isinstance(message, TensorProto):
        yield _STRING, message.name
        yield _MESSAGE, message.external_data
        return
    for field, value in message.ListFields():
        if field.type in (_STRING, _MESSAGE):
            yield field.type, value
