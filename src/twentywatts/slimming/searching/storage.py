"""Storage of a search: an append-only log and the models by digest, so that a search that was killed goes on.

The log is JSON, one record a line, each written and flushed whole; a last line that was cut off by a crash is left
out. Models lie beside it under their SHA-256 and are checked against it when they are read. The folder may come from
anybody: no link in it is followed, and nothing but plain files of a bounded size is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError, clean

__all__ = ["FOLDER", "Storage", "held", "open_storage"]

FOLDER = ".search"
_SCHEMA = "twentywatts.slim-search/1"
_LOG, _CONTENT, _LOCK = "log.jsonl", "content", "lock"
_MAX_LOG_BYTES = 2**28
_MAX_CONTENT_BYTES = 2**31  # what one ONNX file may hold
_DIGEST = re.compile(r"[0-9a-f]{64}")
# how the lock is opened: a pipe in its place must not wait
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)

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
                part.unlink(missing_ok=True)  # of a run that was killed
                with part.open("xb") as stream:
                    stream.write(content)
                part.replace(path)
        return digest

    def content(self, digest: str) -> bytes | None:
        """Return the model of a digest, None where it is lost or damaged."""
        if not _DIGEST.fullmatch(digest):
            return None
        path = self.folder / _CONTENT / f"{digest}.onnx"
        try:
            if not _is_plain(path, _MAX_CONTENT_BYTES):
                return None
            content = path.read_bytes()
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
            raise InputError(f"cannot write to '{clean(self._folder)}': {error.strerror or error}") from error


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep others from searching in a folder meanwhile; raises InputError where one does, or it cannot be written.

    The system lets go of it when a process ends, however it ends. Where it knows no such locks, nothing is kept.
    """
    folder = out / FOLDER
    with _writing(folder):
        _check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | _AT_ONCE, 0o600)
    try:
        if not _is_locked(lock):
            raise InputError(f"another search is under way in '{clean(out)}': wait for it, or name another --out")
        yield
    finally:
        os.close(lock)


def _is_locked(descriptor: int) -> bool:
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # no such locks here
        return True
    return True


def _is_plain(path: Path, most_bytes: int) -> bool:
    """Tell a file of a bounded size from a link, a pipe or a device."""
    state = path.lstat()
    return stat.S_ISREG(state.st_mode) and state.st_size <= most_bytes


def _check_folder(folder: Path) -> None:
    """Raise InputError where what a search keeps leads elsewhere, or cannot be its own."""
    for path in (folder, folder / _CONTENT):
        if path.is_symlink():
            raise InputError(f"'{clean(path)}' is a link, which is not followed: name another folder with --out")
    log = folder / _LOG
    if os.path.lexists(log) and not _is_plain(log, _MAX_LOG_BYTES):
        raise InputError(
            f"'{clean(log)}' is not the log of a search (a plain file of at most {_MAX_LOG_BYTES:,} bytes): name "
            "another folder with --out"
        )


def open_storage(out: Path, question: Mapping[str, Any], *, anew: bool = False) -> Storage:
    """Return the storage inside ``out`` for a search that asks ``question`` (the model, the data, the limit, …).

    A storage that is there goes on if it answers the same question; else InputError tells what differs, unless
    ``anew``, which begins again. Raises InputError where the folder cannot be written.
    """
    storage = Storage(folder=out / FOLDER)
    with _writing(storage.folder):
        _check_folder(storage.folder)
        (storage.folder / _CONTENT).mkdir(parents=True, exist_ok=True)
        _mend(storage.folder / _LOG)
    asked = json.loads(json.dumps(dict(question)))
    before = next(storage.records("question"), None)
    if before is not None and not anew:
        differing = [key for key in asked if before.get(key) != asked[key]]
        if not differing:
            return storage
        raise InputError(
            f"'{clean(out)}' holds a search that asked something else ({', '.join(differing)}): name another folder "
            "with --out, or begin again with --force"
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
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(log, whole)  # not written anew: a crash in between must not cost the rest


def _read(log: Path) -> Iterator[Record]:
    try:
        lines = log.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot read '{clean(log)}': {error.strerror or error}") from error
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue  # cut off by a crash, or no record of ours
        if isinstance(record, dict):
            yield record
