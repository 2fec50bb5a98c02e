"""Constant tensors of an ONNX file: checked against the bytes that are there, then held by reference."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from twentywatts.errors import ModelError
from twentywatts.network import Weight
from twentywatts.readers.files import external_file
from twentywatts.readers.texts import check_texts

__all__ = ["ELEMENT_BITS", "MAX_SIZE", "code_of", "dtype_name", "weight_of", "weight_of_sparse"]

MAX_SIZE = 2**48  # of one axis; beyond it stands an overflow, not a tensor

_NAMES = {value: name.lower() for name, value in TensorProto.DataType.items() if name != "UNDEFINED"}
_RENAMED = {"float": "float32", "double": "float64", "bool": "bool"}
_ODD_BITS = {"bool": 8, "string": 8, "bfloat16": 16, "float": 32, "double": 64}
_TYPED_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_PER_FIELD_PACKED = {4: 2, 2: 4}  # elements of 4 or 2 bits share one entry of int32_data


def _bits(name: str) -> int:
    if name in _ODD_BITS:
        return _ODD_BITS[name]
    digits = "".join(c if c.isdigit() else " " for c in name).split()
    return int(digits[0]) if digits else 0


ELEMENT_BITS = {value: _bits(name) for value, name in _NAMES.items()}
_CODES = {_RENAMED.get(name, name): value for value, name in _NAMES.items()}


def code_of(dtype: str) -> int:
    """Return the ONNX element type of a name that ``dtype_name`` gave."""
    return _CODES[dtype]


def dtype_name(code: int) -> str:
    """Return the name of an ONNX element type (``float32``); raises ModelError for a code that ONNX does not know."""
    if code not in _NAMES:
        raise ModelError(f"element type {code} is not known to the installed onnx library ({onnx.__version__})")
    name = _NAMES[code]
    return _RENAMED.get(name, name)


def weight_of(tensor: TensorProto, folder: Path, name: str = "") -> Weight:
    """Return a constant by reference; raises ModelError where its size does not match the bytes that are there."""
    label = name or tensor.name
    check_texts((label, *(text for entry in tensor.external_data for text in (entry.key, entry.value))))
    dtype = dtype_name(tensor.data_type)
    shape = tuple(tensor.dims)
    if not all(0 <= size <= MAX_SIZE for size in shape) or tensor.HasField("segment"):
        raise ModelError(f"tensor '{label}' declares the shape {list(shape)}")
    count, bits = prod(shape), ELEMENT_BITS[tensor.data_type]
    if tensor.data_location == TensorProto.EXTERNAL:
        _check_external(tensor, label, (count * bits + 7) // 8, folder)
    else:
        have, wanted = _stored(tensor, count, bits)
        if have != wanted:
            raise ModelError(f"tensor '{label}' of shape {list(shape)} needs {wanted} of data, the file holds {have}")
    return Weight(name=label, shape=shape, dtype=dtype, bits=bits, read=lambda: _load(tensor, label, folder))


def _stored(tensor: TensorProto, count: int, bits: int) -> tuple[str, str]:
    """Return what the file holds and what the shape asks for, as texts to compare."""
    if tensor.HasField("raw_data"):
        return f"{len(tensor.raw_data)} bytes", f"{(count * bits + 7) // 8} bytes"
    entries = max(len(getattr(tensor, field)) for field in _TYPED_FIELDS)
    if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        count *= 2
    packed = _PER_FIELD_PACKED.get(bits, 1)
    return f"{entries} entries", f"{-(-count // packed)} entries"


def _external_fields(tensor: TensorProto, label: str) -> tuple[str, int, int | None]:
    fields = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset = int(fields.get("offset", "0") or 0)
        length = int(fields["length"]) if fields.get("length") else None
    except ValueError:
        raise ModelError(f"tensor '{label}' has an external offset or length that is not a number") from None
    if offset < 0 or (length is not None and length < 0):
        raise ModelError(f"tensor '{label}' has a negative external offset or length")
    return fields.get("location", ""), offset, length


def _check_external(tensor: TensorProto, label: str, wanted: int, folder: Path) -> None:
    location, offset, length = _external_fields(tensor, label)
    path = external_file(folder, location)
    have = path.stat().st_size - offset
    if have < wanted or (length is not None and not wanted <= length <= have):
        raise ModelError(f"tensor '{label}' needs {wanted} bytes of '{location}' at offset {offset}, it holds {have}")


def _load(tensor: TensorProto, label: str, folder: Path) -> NDArray[np.generic]:
    """Return the values; raises ModelError if the file has changed or is beyond memory."""
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor = _with_data(tensor, label, folder)
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OSError, MemoryError, OverflowError) as error:
        raise ModelError(f"tensor '{label}' cannot be read: {error}") from None


def _with_data(tensor: TensorProto, label: str, folder: Path) -> TensorProto:
    location, offset, _ = _external_fields(tensor, label)
    size = (prod(tensor.dims) * ELEMENT_BITS[tensor.data_type] + 7) // 8
    with external_file(folder, location).open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    return TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=content)


def weight_of_sparse(sparse: Any, folder: Path) -> Weight:
    """Return a sparse constant as the dense tensor it stands for; ``bits`` is that of one dense element."""
    values = weight_of(sparse.values, folder)
    indices = weight_of(sparse.indices, folder)
    shape = tuple(sparse.dims)
    if not all(0 <= size <= MAX_SIZE for size in shape) or len(values.shape) != 1 or indices.shape[:1] != values.shape:
        raise ModelError(f"sparse tensor '{values.name}' declares the shape {list(shape)} that its values do not fit")

    def read() -> NDArray[np.generic]:
        where = np.asarray(indices.read(), dtype=np.int64)
        try:
            dense = np.zeros(shape, dtype=values.read().dtype)
            place = tuple(where.T) if where.ndim == 2 else np.unravel_index(where, shape)
            dense[place] = values.read()
        except (ValueError, IndexError, MemoryError) as error:
            raise ModelError(f"sparse tensor '{values.name}' cannot be read: {error}") from None
        return dense

    return Weight(name=values.name, shape=shape, dtype=values.dtype, bits=values.bits, read=read)
