"""A candidate as a file, for those that read files: in a temporary folder that is gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from twentywatts.errors import InputError, ModelError, clean
from twentywatts.slimming.candidate import Candidate

__all__ = ["Data", "candidate_file", "data_file", "given"]

# an .npz file, a pair (x, y), or arrays by name with ``y`` among them
Data = str | Path | tuple[Any, Any] | Mapping[str, Any]

_LARGEST_BYTES = 2**31 - 1  # of one serialised ONNX model


@contextmanager
def candidate_file(candidate: Candidate, *, name: str = "model") -> Iterator[Path]:
    """Yield the path of a file that holds the candidate; ``name`` is what errors call it."""
    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        path = Path(folder) / f"{name}.onnx"
        path.write_bytes(candidate.content)
        yield path


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
    plain: dict[str, Any] = {str(key): np.asarray(array) for key, array in arrays.items()}
    wrong = [key for key, array in plain.items() if array.dtype.kind not in "fiub"]
    if wrong:
        raise InputError(f"the samples' '{clean(wrong[0])}' is no array of numbers")
    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        path = Path(folder) / f"{name}.npz"
        np.savez(path, **plain)
        yield path


def given(path: Path) -> Candidate:
    """Return the model as it was given, external weights inside; raises ModelError for what no step could hold.

    ``readers.read`` must have read the file before: it checks it, and where its weights lie.
    """
    import onnx

    if path.stat().st_size > _LARGEST_BYTES:
        raise ModelError(f"'{path.name}' is larger than 2 GiB: slimming works on models that fit in one ONNX file")
    model = onnx.load(path)
    try:
        content = model.SerializeToString()
    except ValueError as error:  # protobuf's limit
        raise ModelError(
            f"'{path.name}' holds more than 2 GiB with its weights: slimming works on models that fit in one ONNX file"
        ) from error
    return Candidate(content=bytes(content))
