"""What ships: a folder with the model, its weights and its recipe. Plain formats alone, and nothing outside the folder.

Files are written beside their names and put in place whole, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, clean
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.shipping.recipe import SCHEMA, recipe_of, weights_of

__all__ = ["FLOAT_FILE", "INT8_FILE", "RECIPE_FILE", "WEIGHTS_FILE", "check_folder", "safetensors", "write_artefacts"]

FLOAT_FILE, INT8_FILE = "model.onnx", "model-int8.onnx"
WEIGHTS_FILE, RECIPE_FILE = "model.safetensors", "recipe.json"
_TYPES = {"float64": "F64", "float32": "F32", "float16": "F16"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OURS = frozenset({".search"})  # where the search keeps its storage
_ALIGNMENT = 8


def write_artefacts(
    folder: str | Path,
    *,
    original: bytes,
    floating: Candidate,
    others: Mapping[str, bytes] | None = None,
    force: bool = False,
) -> dict[str, Path]:
    """Write what ships into a folder, and return the paths by name.

    original: the model as given. floating: the float model that ships, or of which the int8 one was made. others:
    further files by name (``model-int8.onnx``). force: write into a folder that holds something else too.
    Raises InputError for a folder that is not ours (see ``check_folder``), and where it cannot be written.
    """
    folder = Path(folder)
    check_folder(folder, force=force)
    recipe = recipe_of(original, floating)
    files = {
        FLOAT_FILE: floating.content,
        WEIGHTS_FILE: safetensors(weights_of(floating.content), note={"format": SCHEMA}),
        RECIPE_FILE: (json.dumps(recipe, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode(),
        **(others or {}),
    }
    for name in files:
        if not _NAME.fullmatch(name):
            raise InputError(f"'{clean(name)}' is not the name of a file in the folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return {name: _put(folder, name, content) for name, content in files.items()}
    except OSError as error:
        raise InputError(f"'{clean(folder)}' cannot be written: {error.strerror or error}") from None


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Raise InputError unless a folder is new, empty, or holds an earlier result of ours."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise InputError(f"'{clean(folder)}' is not a folder: give the name of a new one")
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise InputError(f"'{clean(folder)}' cannot be read: {error.strerror or error}") from None
    if force or not names - _OURS or _is_ours(folder / RECIPE_FILE):
        return
    raise InputError(
        f"'{clean(folder)}' holds other files: give a new folder, or allow it to be written into (--force)"
    )


def _is_ours(path: Path) -> bool:
    from twentywatts.slimming.shipping.recipe import read_recipe

    try:
        return bool(read_recipe(path))
    except InputError:
        return False


def _put(folder: Path, name: str, content: bytes) -> Path:
    """Write one file whole; a link of that name is replaced, not followed."""
    draft = folder / f".{name}.{os.getpid()}.part"
    draft.unlink(missing_ok=True)  # of a run that was killed
    try:
        with draft.open("xb") as file:
            file.write(content)
        draft.replace(folder / name)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return folder / name


def safetensors(arrays: Mapping[str, NDArray[Any]], *, note: Mapping[str, str] | None = None) -> bytes:
    """Return float arrays by name in the safetensors format: a length, a JSON text, and the numbers as they lie."""
    header: dict[str, Any] = {"__metadata__": dict(note)} if note else {}
    parts: list[bytes] = []
    start = 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        header[name] = {
            "dtype": _TYPES[array.dtype.name],
            "shape": list(arrays[name].shape),
            "data_offsets": [start, start + len(data)],
        }
        parts.append(data)
        start += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])
