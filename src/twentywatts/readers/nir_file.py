"""Opening a .nir file: HDF5 from anybody, looked through before the NIR library reads it."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from twentywatts.errors import MissingExtraError, ModelError, clean

__all__ = ["EXECUTED", "load_graph"]

EXECUTED = frozenset(
    "Affine AvgPool2d Conv1d Conv2d CubaLI CubaLIF Delay Flatten I IF Input LI LIF Linear NIRGraph Output Scale "
    "SumPool2d Threshold".split()
)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_HEAP_HEAD_BYTES, _LEAST_HEAP_BYTES = 16, 4096  # of a collection and of each object in it; of a whole collection
_MAX_BYTES = 2**32  # of all arrays, unpacked
_FREE_BYTES = 2**28  # whatever the file's size
_MAX_RATIO = 100  # of unpacked to packed; what is beyond was made to be
_MAX_OBJECTS = 20_000
_MAX_DEPTH = 24


def load_graph(path: str | Path) -> Any:
    """Return the NIR graph of a file; raises ModelError in one line for anything that is not one, or is not executed.

    Before a value is read: no links to other files, no external or virtual storage, no Python objects, at most 4 GiB
    unpacked (and 256 MiB, or a hundred times the file's size), and every node of a type that is executed.
    """
    path = Path(path)
    try:
        import h5py
        import nir
    except ImportError:
        raise MissingExtraError("nir", "lab") from None
    _check_signature(path)
    try:
        _check_heaps(path)
        with h5py.File(path, "r") as file:
            _look_through(file, h5py, min(_MAX_BYTES, max(_FREE_BYTES, _MAX_RATIO * path.stat().st_size)))
        graph = nir.read(path, type_check=False)
    except ModelError as error:
        raise ModelError(f"'{clean(path)}': {clean(error)}") from None
    except RecursionError:
        raise ModelError(f"'{clean(path)}' is nested too deeply to be read") from None
    except MemoryError:
        raise ModelError(f"'{clean(path)}' asks for more memory than there is") from None
    except Exception as error:  # h5py and nir raise whatever the library below them does
        raise ModelError(
            f"'{clean(path)}' is not a readable NIR file ({type(error).__name__}: {_short(error)})"
        ) from None
    if type(graph).__name__ != "NIRGraph":
        raise ModelError(f"'{clean(path)}' holds a single {type(graph).__name__}, wanted a NIRGraph")
    return graph


def _short(error: BaseException) -> str:
    return clean(str(error).strip().splitlines()[0] if str(error).strip() else "no reason given")[:160]


def _check_signature(path: Path) -> None:
    try:
        missing = path.is_dir() or not path.exists()
    except OSError:  # a name too long for a file
        missing = True
    if missing:
        raise ModelError(f"there is no NIR file '{clean(path)[:100]}'")
    if not path.is_file():
        raise ModelError(f"'{clean(path)}' is not a regular file")
    with path.open("rb") as stream:
        if stream.read(len(_SIGNATURE)) != _SIGNATURE:
            raise ModelError(f"'{clean(path)}' is not an HDF5 file, wanted a .nir file (nir.write makes one)")


def _check_heaps(path: Path) -> None:
    """Raise ModelError for a heap of texts that the HDF5 library would walk through for ever.

    A free object of no size is followed by itself. Source: HDF5 File Format Specification 3.0, III.E (global heap).
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        sizes = content[13:15] if content[8] < 2 else content[9:11]  # of an address and of a length, by superblock
        if sizes != b"\x08\x08":
            raise ModelError("its addresses and lengths are not of eight bytes, as nir.write makes them")
        start = content.find(_HEAP)
        while start >= 0:
            _check_heap(content, start)
            start = content.find(_HEAP, start + len(_HEAP))


def _check_heap(content: mmap.mmap, start: int) -> None:
    place = start + _HEAP_HEAD_BYTES
    end = start + int.from_bytes(content[start + 8 : place], "little")
    if not start + _LEAST_HEAP_BYTES <= end <= len(content):
        return  # no heap: the library does not read it
    while end - place >= _HEAP_HEAD_BYTES:
        index, _, size = struct.unpack("<HHxxxxQ", content[place : place + _HEAP_HEAD_BYTES])
        step = _HEAP_HEAD_BYTES + -(-size // 8) * 8 if index else size  # free room counts its own head
        if step < _HEAP_HEAD_BYTES or step > end - place:
            raise ModelError("its heap of texts is damaged")
        place += step


def _look_through(file: Any, h5py: Any, most_bytes: int) -> None:
    if "node" not in file:
        raise ModelError("an HDF5 file without a NIR graph (it has no group 'node')")
    found = [0, 0]  # objects, bytes
    waiting = [("node", file, 0)]
    while waiting:
        name, parent, depth = waiting.pop()
        found[0] += 1
        if found[0] > _MAX_OBJECTS or depth > _MAX_DEPTH:
            raise ModelError(f"more than {_MAX_OBJECTS:,} entries, or nested deeper than {_MAX_DEPTH}")
        if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
            raise ModelError(f"'{name}' is a link to somewhere else, which is not followed")
        item = parent[name]
        if isinstance(item, h5py.Group):
            waiting += [(key, item, depth + 1) for key in item]
        else:
            found[1] += _checked_bytes(name, item, h5py)
            if found[1] > most_bytes:
                raise ModelError(
                    f"its arrays unpack to more than {most_bytes:,} bytes: if they are meant, write them without "
                    "compression, in less than 4 GiB"
                )
            if name == "type":
                _check_type(item, h5py)


def _checked_bytes(name: str, item: Any, h5py: Any) -> int:
    """Return the bytes that reading an array would take; raises ModelError for what is not plain values."""
    if not isinstance(item, h5py.Dataset):
        raise ModelError(f"'{name}' is neither a group nor an array")
    if item.external or item.is_virtual:
        raise ModelError(f"'{name}' keeps its values in another file, which is not opened")
    if item.dtype.kind == "c":
        raise ModelError(f"'{name}' holds complex numbers, wanted real ones")
    if item.dtype.kind == "O" and h5py.check_string_dtype(item.dtype) is None:
        raise ModelError(f"'{name}' holds objects of type {item.dtype}, wanted numbers or texts")
    return int(item.size or 0) * int(item.dtype.itemsize)


def _check_type(item: Any, h5py: Any) -> None:
    """Raise ModelError naming the node where its type is not executed (a field of that name in metadata is a text)."""
    value = item[()] if item.shape == () else b""
    kind = value.decode("utf8", "replace") if isinstance(value, bytes) else str(value)
    if kind not in EXECUTED and not item.name.endswith("/metadata/type"):
        node = item.name.rsplit("/", 2)[-2]
        raise ModelError(
            f"node '{node}' is of type {kind or '(none)'}, which is not executed; executed are "
            f"{', '.join(sorted(EXECUTED))}"
        )
