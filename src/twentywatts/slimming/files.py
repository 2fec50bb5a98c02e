"""Files of slimming: a candidate for those that read files, the model as given, and the folder that is named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twentywatts.errors import InputError, ModelError
from twentywatts.slimming.candidate import Candidate

__all__ = ["candidate_file", "folder_of", "given"]

_LARGEST_BYTES = 2**31 - 1  # of one serialised ONNX model


@contextmanager
def candidate_file(candidate: Candidate, *, name: str = "model") -> Iterator[Path]:
    """Yield the path of a file that holds the candidate; ``name`` is what errors call it."""
    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        path = Path(folder) / f"{name}.onnx"
        path.write_bytes(candidate.content)
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


def folder_of(name: str | Path | None) -> Path | None:
    """Return the folder to write into, None where none is named; raises InputError for what names none."""
    if name is None:
        return None
    if not isinstance(name, str | Path) or not str(name):
        raise InputError(f"out (--out) takes the name of a folder, got {name!r}: is a variable not set?")
    return Path(name)
