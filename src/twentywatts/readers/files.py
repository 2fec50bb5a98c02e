"""Opening a model file safely: what is read, how much, and from where."""

from __future__ import annotations

import mmap
import os
import re
import stat
from pathlib import Path

from twentywatts.errors import ModelError

__all__ = ["MAX_FILE_BYTES", "external_file", "external_files", "read_bytes"]

MAX_FILE_BYTES = 2**31 - 1  # what one protobuf message may hold; larger models keep their weights in external files

_LOCATION = re.compile(
    rb"\x0a\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])"
)  # key, then the length of its value
_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive (a PyTorch or Keras file?)"),
    (b"\x80\x02", "a Python pickle, which is never opened"),
    (b"\x80\x04", "a Python pickle, which is never opened"),
    (b"\x80\x05", "a Python pickle, which is never opened"),
    (b"\x89HDF", "an HDF5 file (a Keras model?)"),
    (b"GGUF", "a GGUF file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"version https://git-lfs", "a Git LFS pointer: run 'git lfs pull' to get the model itself"),
    (b"<", "a text or HTML page"),
    (b"{", "a JSON text"),
)


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file of at most 2 GB; raises ModelError otherwise."""
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise ModelError(f"'{path}' is a directory, wanted an ONNX file")
        if not stat.S_ISREG(state.st_mode):
            raise ModelError(f"'{path}' is not a regular file, wanted an ONNX file")
        if state.st_size == 0:
            raise ModelError(f"'{path}' is empty, wanted an ONNX file")
        if state.st_size > MAX_FILE_BYTES:
            raise ModelError(
                f"'{path}' has {state.st_size} bytes, more than the 2 GB that an ONNX file can hold: "
                "save it with its weights as external data"
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"there is no model file '{path}'") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for signature, what in _SIGNATURES:
        if content.startswith(signature):
            raise ModelError(f"'{path}' is {what}, wanted an ONNX file (torch.onnx.export writes one)")
    return content


def external_file(folder: Path, location: str) -> Path:
    """Return the file that holds external data; raises ModelError unless it is a regular file inside ``folder``."""
    given = f"external data '{location}'"
    parts = Path(location).parts
    if not location or "\0" in location:
        raise ModelError("external data without the name of a file")
    if os.path.isabs(location) or location.startswith("\\") or ":" in location[:3] or ".." in location.split("\\"):
        raise ModelError(f"{given} must be a path relative to the model's folder")
    if ".." in parts:
        raise ModelError(f"{given} points outside the model's folder")
    path = folder / location
    try:
        real = path.resolve()
        if not real.is_relative_to(folder.resolve()):
            raise ModelError(f"{given} is a link that leads outside the model's folder: copy the file beside the model")
        if not stat.S_ISREG(real.stat().st_mode):
            raise ModelError(f"{given} is not a regular file")
    except FileNotFoundError:
        raise ModelError(f"{given} is missing: put it beside the model, in '{folder}'") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{given} cannot be read: {error}") from None
    return real


def external_files(path: Path) -> list[Path]:
    """Return the files that hold external data of a model, those that are there; none where it cannot be read.

    The names are looked for in the bytes of the file, which costs no more than a look at each: the model itself is
    checked where it is read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return []
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            names = {_value(content, found) for found in _LOCATION.finditer(content)}
    except (OSError, ValueError):  # an empty file cannot be mapped
        return []
    found = []
    for name in sorted(names):
        try:
            found.append(external_file(path.parent, name.decode()))
        except (ModelError, UnicodeDecodeError):
            continue
    return found


def _value(content: mmap.mmap, found: re.Match[bytes]) -> bytes:
    first, *more = found[1]
    size = (first & 127) | ((more[0] << 7) if more else 0)
    return content[found.end() : found.end() + size]
