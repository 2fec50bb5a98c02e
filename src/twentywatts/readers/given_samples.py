"""Samples as a caller gives them, as the file that every reader of samples reads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from twentywatts.errors import InputError, clean

__all__ = ["Data", "data_file"]

# an .npz file, a pair (x, y), or arrays by name with ``y`` among them
Data = str | Path | tuple[Any, Any] | Mapping[str, Any]


@contextmanager
def data_file(data: Data, *, name: str = "data") -> Iterator[Path]:
    """Yield the path of an .npz file: the one that was given, or of one that arrays were written to.

    Raises InputError for what is neither.
    """
    if isinstance(data, (str, Path)):
        yield Path(data)
        return
    pair = isinstance(data, (tuple, list)) and len(data) == 2
    if not pair and not isinstance(data, Mapping):
        raise InputError(
            f"samples are the path of an .npz file, a pair (x, y), or arrays by name, not a {type(data).__name__}"
        )
    arrays = data if isinstance(data, Mapping) else dict(zip("xy", data, strict=True))
    plain = {str(key): _numbers(str(key), array) for key, array in arrays.items()}
    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        path = Path(folder) / f"{name}.npz"
        np.savez(path, **plain)
        yield path


def _numbers(key: str, given: Any) -> Any:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):  # rows of unlike lengths, a tensor that holds a gradient
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiub":
        raise InputError(f"the samples' '{clean(key)}' is no array of numbers")
    return array
