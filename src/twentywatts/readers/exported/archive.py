"""The members of a ``.pt2`` archive, read within bounds and without torch: nothing in here looks into a pickle.

The writer is torch.export.save of torch 2.9 or newer: one folder, members stored as they are, the graph as JSON, every
weight as raw bytes. Anything else is refused by name.
"""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from twentywatts.errors import ModelError, clean
from twentywatts.readers.files import MAX_FILE_BYTES

__all__ = ["WAY_OUT", "members_of"]

WAY_OUT = (
    "if you trust the file, load it yourself and give the object, as in tw.compare(torch.export.load('model.pt2'), …)"
)

_MAX_MEMBERS = 50_000
_FORMAT, _VERSION, _ORDER = "archive_format", "archive_version", "byteorder"
_DANGEROUS = (
    ("data/aotinductor/", "compiled code (AOTInductor)"),
    ("data/executorch/", "an ExecuTorch program"),
    ("data/weights/model.pt", "its weights as a pickle (an older layout)"),
    ("data/constants/model.pt", "its constants as a pickle (an older layout)"),
    ("data/constants/custom_obj_", "a custom object"),
    ("data/constants/opaque_obj_", "a pickled object"),
)
_OLDER = frozenset(("serialized_exported_program.json", "serialized_state_dict.pt", "serialized_state_dict.json"))


def members_of(path: Path) -> dict[str, bytes]:
    """Return the members that a graph and its weights need, by name without the archive's folder.

    Raises ModelError for what is no such archive, breaks its bounds, or holds what could run code.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ModelError(f"'{clean(path)}' is not a regular file, wanted a .pt2 file")
        if state.st_size > MAX_FILE_BYTES:
            raise ModelError(f"'{clean(path)}' has {state.st_size} bytes, more than the 2 GB that are read of a .pt2")
        with zipfile.ZipFile(path) as archive:
            return _members(archive, state.st_size)
    except FileNotFoundError:
        raise ModelError(f"there is no model file '{clean(path)}'") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelError(f"'{clean(path)}' is not a .pt2 archive, or it is damaged ({clean(error)[:200]})") from None


def _members(archive: zipfile.ZipFile, file_bytes: int) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > _MAX_MEMBERS:
        raise ModelError(f"the .pt2 archive has {len(entries)} members, at most {_MAX_MEMBERS} are read")
    if any(entry.filename in _OLDER for entry in entries):
        raise ModelError(f"this .pt2 has the older layout of torch 2.8 and before, which holds pickles: {WAY_OUT}")
    by_name = {_inner_name(entry, entries[0]): entry for entry in entries}
    if len(by_name) != len(entries):
        raise ModelError("the .pt2 archive holds two members of one name")
    if sum(entry.file_size for entry in entries) > file_bytes:
        raise ModelError("the members of the .pt2 archive overlap, or are larger than the file")
    _refuse_dangerous(by_name)
    kept = {name: archive.read(entry) for name, entry in by_name.items() if _is_needed(name)}
    _check_version(kept)
    return kept


def _inner_name(entry: zipfile.ZipInfo, first: zipfile.ZipInfo) -> str:
    folder, _, name = entry.filename.partition("/")
    parts = name.split("/")
    if not folder or not name or ".." in (folder, *parts) or "\\" in entry.filename or not entry.filename.isprintable():
        raise ModelError(f"'{clean(entry.filename)}' is no name for a member of a .pt2 archive")
    if folder != first.filename.partition("/")[0]:
        raise ModelError("the members of a .pt2 archive lie in one folder, these in several")
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
        raise ModelError(f"'{clean(entry.filename)}' is compressed or encrypted; torch.export.save stores members")
    return name


def _refuse_dangerous(names: dict[str, zipfile.ZipInfo]) -> None:
    for start, what in _DANGEROUS:
        if any(name.startswith(start) for name in names):
            raise ModelError(f"the .pt2 archive holds {what}, which could run code: {WAY_OUT}")
    models = [name for name in names if name.startswith("models/")]
    if _FORMAT in names and models != ["models/model.json"]:
        raise ModelError(f"the .pt2 archive holds {len(models)} programs, wanted one that is called 'model': {WAY_OUT}")


def _is_needed(name: str) -> bool:
    """Tell what is read at all: never example inputs, which are a pickle, nor files that somebody packed besides."""
    return name in (_FORMAT, _VERSION, _ORDER) or name.startswith(("models/", "data/weights/", "data/constants/"))


def _check_version(members: dict[str, bytes]) -> None:
    if members.get(_FORMAT) != b"pt2":
        raise ModelError(f"the file is a zip archive but not one of torch.export.save: {WAY_OUT}")
    if members.get(_VERSION) != b"0":
        raise ModelError(f"the .pt2 archive is of another version than 0, which is the known one: {WAY_OUT}")
    if members.get(_ORDER, b"little") != b"little":
        raise ModelError(f"the .pt2 archive was written on a big-endian machine: {WAY_OUT}")
