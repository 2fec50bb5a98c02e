"""Weights by name, from a .safetensors file or a torch state dict, without ever running what a file brings.

Safetensors is a length, a JSON text and raw numbers; it is read here, every offset checked. A .pt or .pth file is
opened by ``torch.load(weights_only=True)`` alone, of torch 2.6 or newer: older ones could be made to run code
(CVE-2025-32434).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import MissingExtraError, ModelError, clean

__all__ = ["State", "read_state"]

State = Mapping[str, NDArray[Any]]
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"}
_TYPES |= {"U8": "u1", "BOOL": "?"}
_MAX_HEADER_BYTES = 100_000_000
_MAX_BYTES = 2**32
_SAFE_TORCH = (2, 6)


def read_state(path: str | Path) -> State:
    """Return the arrays of a .safetensors, .pt or .pth file by name; raises ModelError for anything else."""
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"there is no file of weights '{clean(path)}'")
    if path.stat().st_size > _MAX_BYTES:
        raise ModelError(f"'{clean(path)}' has more than {_MAX_BYTES:,} bytes")
    return _torch_state(path) if path.suffix in (".pt", ".pth") else _safetensors(path)


def _safetensors(path: Path) -> State:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= size <= min(_MAX_HEADER_BYTES, len(content) - 8):
        raise ModelError(f"'{clean(path)}' is not a safetensors file, or it is cut short")
    try:
        header = json.loads(content[8 : 8 + size])
        data = memoryview(content)[8 + size :]
        _check_apart(header, len(data))
        return {name: _array(data, entry) for name, entry in header.items() if name != "__metadata__"}
    except ModelError as error:
        raise ModelError(f"'{clean(path)}': {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"'{clean(path)}' is not a safetensors file ({type(error).__name__})") from None


def _check_apart(header: Mapping[str, Any], size_bytes: int) -> None:
    """Raise ModelError where arrays overlap: a small file would make large ones of the same bytes."""
    places = sorted(tuple(entry["data_offsets"]) for name, entry in header.items() if name != "__metadata__")
    before = 0
    for begin, end in places:
        if not before <= begin <= end <= size_bytes:
            raise ModelError("arrays overlap, or one lies outside the file")
        before = end


def _array(data: memoryview, entry: Mapping[str, Any]) -> NDArray[Any]:
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    if entry["dtype"] not in _TYPES:
        raise ModelError(f"weights of type {clean(entry['dtype'])} are not read")
    kind = np.dtype(_TYPES[entry["dtype"]])
    if not all(isinstance(x, int) and x >= 0 for x in (*shape, begin, end)) or end > len(data):
        raise ModelError("an array lies outside the file")
    if prod(shape) * kind.itemsize != end - begin:
        raise ModelError("an array's shape does not fit its bytes")
    array = np.frombuffer(data[begin:end], dtype=kind).reshape(shape)
    if entry["dtype"] == "BF16":  # the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.copy()


def _torch_state(path: Path) -> State:
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _SAFE_TORCH:
        raise ModelError(f"torch {torch.__version__} cannot load '{clean(path)}' safely: update to 2.6 or newer")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"'{clean(path)}' is not a plain state dict ({type(error).__name__}): save one with "
            "torch.save(module.state_dict(), path), or as .safetensors"
        ) from None
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else loaded
    if not isinstance(loaded, Mapping) or not all(isinstance(x, torch.Tensor) for x in loaded.values()):
        raise ModelError(f"'{clean(path)}' holds something else than tensors by name")
    return {str(name): tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
            for name, tensor in loaded.items()}  # fmt: skip
