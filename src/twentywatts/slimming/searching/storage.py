"""Storage of a search: an append-only log and the models by digest, so that a search that was killed goes on.

The log is JSON, one record a line, each written and flushed whole; a last line that was cut off by a crash is left
out. Models lie beside it under their SHA-256 and are checked against it when they are read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError

__all__ = ["FOLDER", "Storage", "open_storage"]

FOLDER = ".search"
_SCHEMA = "twentywatts.slim-search/1"
_LOG, _CONTENT = "log.jsonl", "content"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where a search is kept: a folder."""

    folder: Path

    def append(self, kind: str, record: Mapping[str, Any]) -> None:
        """Add one record, on the disk when this returns; raises InputError where it cannot be written."""
        line = json.dumps({"kind": kind, **record}, ensure_ascii=True, allow_nan=False) + "\n"
        with _writing(self.folder), (self.folder / _LOG).open("ab") as stream:
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())

    def records(self, kind: str) -> Iterator[Record]:
        """Yield the records of a kind in the order in which they were added."""
        for record in _read(self.folder / _LOG):
            if record.get("kind") == kind:
                yield record

    def keep(self, content: bytes) -> str:
        """Write a model under its digest, whole or not at all, and return the digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / _CONTENT / f"{digest}.onnx"
        if not path.exists():
            with _writing(self.folder):
                part = path.with_suffix(f".{os.getpid()}.part")
                part.write_bytes(content)
                part.replace(path)
        return digest

    def content(self, digest: str) -> bytes | None:
        """Return the model of a digest, None where it is lost or damaged."""
        try:
            content = (self.folder / _CONTENT / f"{digest}.onnx").read_bytes()
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest() == digest else None


class _writing:  # noqa: N801  # reads as a word: with _writing(folder)
    """Turn an OSError into bad input that names the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise InputError(f"cannot write to '{self._folder}': {error.strerror or error}") from error


def open_storage(out: Path, question: Mapping[str, Any], *, anew: bool = False) -> Storage:
    """Return the storage inside ``out`` for a search that asks ``question`` (the model, the data, the limit, …).

    A storage that is there goes on if it answers the same question; else InputError tells what differs, unless
    ``anew``, which begins again. Raises InputError where the folder cannot be written.
    """
    storage = Storage(folder=out / FOLDER)
    with _writing(storage.folder):
        (storage.folder / _CONTENT).mkdir(parents=True, exist_ok=True)
        _mend(storage.folder / _LOG)
    asked = json.loads(json.dumps(dict(question)))
    before = next(storage.records("question"), None)
    if before is not None and not anew:
        differing = [key for key in asked if before.get(key) != asked[key]]
        if not differing:
            return storage
        raise InputError(
            f"'{out}' holds a search that asked something else ({', '.join(differing)}): name another folder with "
            "--out, or begin again with --force"
        )
    if before is not None:
        with _writing(storage.folder):
            (storage.folder / _LOG).write_bytes(b"")
    storage.append("question", {"schema": _SCHEMA, **asked})
    return storage


def _mend(log: Path) -> None:
    """Cut a half-written last line off, so that the next record begins on a line of its own."""
    if not log.exists():
        return
    content = log.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        log.write_bytes(whole)


def _read(log: Path) -> Iterator[Record]:
    try:
        lines = log.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot read '{log}': {error.strerror or error}") from error
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue  # cut off by a crash
        if isinstance(record, dict):
            yield record
