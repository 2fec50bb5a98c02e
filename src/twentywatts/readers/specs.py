"""What is known of a tensor: ONNX types made sound, and as TensorSpec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onnx import TensorProto, TypeProto, helper

from twentywatts.network import TensorSpec
from twentywatts.readers.axes import Shape
from twentywatts.readers.tensors import ELEMENT_BITS, MAX_SIZE, code_of, dtype_name

__all__ = ["Kind", "kind_of", "tensor_kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A tensor as ONNX says it (``proto``, for inference) and as the network says it (``spec``)."""

    proto: TypeProto
    spec: TensorSpec


def kind_of(name: str, proto: TypeProto) -> Kind:
    """Return what an ONNX type says; sizes that overflowed are unknown, sequences and the like have no shape.

    Raises ModelError for an element type that the installed library does not know.
    """
    if not proto.HasField("tensor_type"):
        what = str(proto.WhichOneof("value") or "unknown").removesuffix("_type")
        return Kind(proto=proto, spec=TensorSpec(name=name, shape=None, dtype=what, bits=0))
    tensor = proto.tensor_type
    code = tensor.elem_type
    dtype = dtype_name(code) if code != TensorProto.UNDEFINED else "unknown"
    shape: Shape | None = None
    if tensor.HasField("shape"):
        dims = tensor.shape.dim
        shape = tuple(_size(dim) for dim in dims)
        if None in shape and any(
            dim.HasField("dim_value") for dim, size in zip(dims, shape, strict=True) if size is None
        ):
            proto = helper.make_tensor_type_proto(code, shape)
    return Kind(proto=proto, spec=TensorSpec(name=name, shape=shape, dtype=dtype, bits=ELEMENT_BITS.get(code, 0)))


def tensor_kind(name: str, dtype: str, shape: Shape | None) -> Kind:
    """Return the kind of a tensor of a known element type."""
    code = code_of(dtype)
    spec = TensorSpec(name=name, shape=shape, dtype=dtype, bits=ELEMENT_BITS[code])
    return Kind(proto=helper.make_tensor_type_proto(code, shape), spec=spec)


def _size(dim: Any) -> int | str | None:
    if dim.HasField("dim_value"):
        value = int(dim.dim_value)
        return value if 0 <= value <= MAX_SIZE else None
    return dim.dim_param or None
