"""What ships: a folder with the model, its weights and its recipe. Plain formats alone, and nothing outside the folder.

Files are written beside their names and put in place whole, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, clean
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.shipping.recipe import SCHEMA, recipe_of, weights_of

__all__ = [
    "FLOAT_FILE",
    "INT4_FILE",
    "INT8_FILE",
    "RECIPE_FILE",
    "TORCH_FILE",
    "WEIGHTS_FILE",
    "check_folder",
    "removed",
    "safetensors",
    "write_artefacts",
]

FLOAT_FILE, INT8_FILE, INT4_FILE = "model.onnx", "model-int8.onnx", "model-int4.onnx"
WEIGHTS_FILE, RECIPE_FILE, TORCH_FILE = "model.safetensors", "recipe.json", "model.pt2"
_WRITTEN = (FLOAT_FILE, INT8_FILE, INT4_FILE, WEIGHTS_FILE, RECIPE_FILE, TORCH_FILE)
_TYPES = {"float64": "F64", "float32": "F32", "float16": "F16"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DRAFT = re.compile(r"\.[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.[0-9]+\.part")
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
        return _put(folder, files)
    except OSError as error:
        raise InputError(f"'{clean(folder)}' cannot be written: {error.strerror or error}") from None


def check_folder(folder: Path, *, force: bool = False, keep: Sequence[Path] = ()) -> None:
    """Raise InputError unless a folder is new, empty, or holds a result of ours that can be replaced.

    keep: files that must not be written over, whatever lies in the folder: the model as given, the samples.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise InputError(f"'{clean(folder)}' is not a folder: give the name of a new one")
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise InputError(f"'{clean(folder)}' cannot be read: {error.strerror or error}") from None
    others = {name for name in names - _OURS if not _DRAFT.fullmatch(name)}
    if not force and others and not _is_ours(folder / RECIPE_FILE):
        raise InputError(
            f"'{clean(folder)}' holds other files: give a new folder, or allow it to be written into (--force)"
        )
    for path in (folder / name for name in names.intersection(_WRITTEN) if not (folder / name).is_symlink()):
        if path.is_dir():
            raise InputError(f"'{clean(path)}' is a folder where a file is to be written: give a new folder")
        if any(other.exists() and path.samefile(other) for other in keep):
            raise InputError(f"'{clean(path)}' was given and would be written over: name another folder with --out")


def removed(folder: Path, name: str) -> None:
    """Remove a file of an earlier run, if there is one; raises InputError where that cannot be done."""
    try:
        (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"'{clean(folder / name)}' cannot be removed: {error.strerror or error}") from None


def _is_ours(path: Path) -> bool:
    from twentywatts.slimming.shipping.recipe import read_recipe

    try:
        return bool(read_recipe(path))
    except InputError:
        return False


def _put(folder: Path, files: Mapping[str, bytes]) -> dict[str, Path]:
    """Write every file beside its name, then put all in place, the recipe first: it makes the folder known as ours.

    A disk that is full costs nothing of what lay there. A link of a file's name is replaced, not followed.
    """
    for stale in folder.glob(".*.part"):
        if _DRAFT.fullmatch(stale.name):
            stale.unlink()  # of a run that was killed
    drafts = {name: folder / f".{name}.{os.getpid()}.part" for name in files}
    try:
        for name, draft in drafts.items():
            with draft.open("xb") as file:
                file.write(files[name])
        for name in sorted(files, key=lambda name: name != RECIPE_FILE):
            drafts[name].replace(folder / name)
    except BaseException:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
        raise
    return {name: folder / name for name in files}


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
