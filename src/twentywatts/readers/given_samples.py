"""Samples as a caller gives them, as the file that every reader of samples reads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from twentywatts.errors import InputError, clean
from twentywatts.readers.given_names import PREFIX

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
        raise InputError(f"samples are the path of an .npz file, a pair (x, y) or arrays by name, got {_told(data)}")
    arrays = data if isinstance(data, Mapping) else dict(zip("xy", data, strict=True))
    plain = {str(key): _numbers(str(key), array) for key, array in arrays.items()}
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        path = Path(folder) / f"{name}.npz"
        np.savez(path, **plain)
        yield path


def _told(data: object) -> str:
    held = f" of {len(data):,}" if isinstance(data, (list, tuple)) else ""
    return f"a {clean(type(data).__name__)}{held}"


def _numbers(key: str, given: Any) -> Any:
    name = f"the samples' '{clean(key)}'"
    try:
        array = np.asarray(_at_hand(given))
    except ValueError:
        raise InputError(f"{name} is no array of numbers: its rows are of unlike lengths or shapes") from None
    except (TypeError, RuntimeError) as error:
        raise InputError(f"{name} is no array of numbers: {clean(error)[:200]}") from None
    if array.dtype.kind not in "fiub":
        way = f"; {clean(key)}.astype(int) or .astype(float) makes them numbers" if array.dtype.kind == "O" else ""
        raise InputError(f"{name} is no array of numbers: its dtype is {array.dtype}{way}")
    return array


def _at_hand(given: Any) -> Any:
    """Return a torch tensor as NumPy can hold it: without its gradient, in this machine's memory, no narrow floats."""
    if not hasattr(given, "detach"):
        return given
    tensor = given.detach().cpu()
    return tensor.float() if "bfloat16" in str(tensor.dtype) or "float8" in str(tensor.dtype) else tensor
