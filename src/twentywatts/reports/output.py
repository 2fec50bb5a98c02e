"""Writing a report: checked before long work, whole or not at all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError

__all__ = ["check_writable", "write_json", "write_text"]

STDOUT = "-"


def check_writable(target: str | Path) -> None:
    """Raise InputError where ``target`` cannot be written; nothing is left behind. ``-`` is standard output."""
    if str(target) == STDOUT:
        return
    path = _resolved(target)
    if path.is_dir():
        raise InputError(f"cannot write '{target}': it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"cannot write '{target}': the folder '{path.parent}' does not exist; create it first")
    try:
        if path.exists():
            path.open("ab").close()
        if _is_replaceable(path):
            temporary = _temporary(path)
            temporary.open("xb").close()
            temporary.unlink()
    except OSError as error:
        raise InputError(f"cannot write '{target}': {error.strerror or error}") from error


def write_json(document: Mapping[str, Any], target: str | Path) -> None:
    """Write a document as JSON to a file (whole or not at all) or, for ``-``, to standard output."""
    write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", target)


def write_text(text: str, target: str | Path) -> None:
    """Write a text as UTF-8 to a file (whole or not at all) or, for ``-``, to standard output; raises InputError."""
    if str(target) == STDOUT:
        sys.stdout.write(text)
        return
    path = _resolved(target)
    try:
        if _is_replaceable(path):
            _replace(path, text.encode())
        else:
            path.write_bytes(text.encode())
    except OSError as error:
        raise InputError(f"cannot write '{target}': {error.strerror or error}") from error


def _resolved(target: str | Path) -> Path:
    """Return the file behind a link: the link itself must survive the writing."""
    return Path(os.path.realpath(target))


def _is_replaceable(path: Path) -> bool:
    """Tell a file, or none yet, from a device such as /dev/null, which must never be replaced by a file."""
    return path.is_file() or not path.exists()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _replace(path: Path, content: bytes) -> None:
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
