"""Writing a report: checked before long work, whole or not at all."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError

__all__ = ["check_reports", "check_writable", "write_json", "write_text"]

STDOUT = "-"


def check_writable(target: str | Path, *, keep: Iterable[str | Path] = ()) -> None:
    """Raise InputError where ``target`` cannot be written; nothing is left behind. ``-`` is standard output.

    keep: files that must not be written over, whatever name leads to them: what the command reads, its other outputs.
    """
    if str(target) == STDOUT:
        return
    if not str(target):
        raise InputError("the name of the file to write is empty: is a variable of the shell not set?")
    try:
        _check(target, keep)
    except OSError as error:
        raise InputError(f"cannot write '{target}': {error.strerror or error}") from error


def check_reports(json: str | None, html: str | None, *, keep: Iterable[str | Path] = ()) -> None:
    """Raise InputError where a document or a page, None for none, cannot be written; ``keep`` as for one file."""
    if json == html == STDOUT:
        raise InputError("--json - and --html - would both write to standard output: name a file for one of them")
    given = list(keep)
    if json is not None:
        check_writable(json, keep=given)
    if html is not None:
        check_writable(html, keep=[*given, *([json] if json not in (None, STDOUT) else [])])


def _check(target: str | Path, keep: Iterable[str | Path]) -> None:
    path = _resolved(target)
    if not _is_device(path) and any(_is_same(path, other) for other in keep):
        raise InputError(f"cannot write '{target}': this command reads or writes that file already; name another one")
    if path.is_dir():
        raise InputError(f"cannot write '{target}': it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"cannot write '{target}': the folder '{path.parent}' does not exist; create it first")
    if path.exists():
        path.open("ab").close()
    if _is_replaceable(path):
        temporary = _temporary(path)
        temporary.open("xb").close()
        temporary.unlink()


def write_json(document: Mapping[str, Any], target: str | Path) -> None:
    """Write a document as JSON to a file (whole or not at all) or, for ``-``, to standard output."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(_UNPRINTABLE.sub(_escaped, text) + "\n", target)


# what would steer a terminal or is no text: DEL and C1, marks of direction and others without width, surrogates
_UNPRINTABLE = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def write_text(text: str, target: str | Path) -> None:
    """Write a text as UTF-8 to a file (whole or not at all) or, for ``-``, to standard output; raises InputError."""
    if str(target) == STDOUT:
        _to_stdout(text)
        return
    try:
        path = _resolved(target)
        if _is_replaceable(path):
            _replace(path, _encoded(text))
        else:
            path.write_bytes(_encoded(text))
    except OSError as error:
        raise InputError(f"cannot write '{target}': {error.strerror or error}") from error


def _to_stdout(text: str) -> None:
    """Write a document as UTF-8, whatever the terminal's encoding is; raises BrokenPipeError and OSError."""
    if sys.stdout is None:
        return  # it was closed when the command started
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a notebook's output takes text alone
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    stream.write(_encoded(text))
    stream.flush()


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # a file's name may hold bytes that are no text


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _is_same(path: Path, name: str | Path) -> bool:
    try:
        other = _resolved(name)
        return path == other or (path.exists() and other.exists() and path.samefile(other))
    except (OSError, ValueError):
        return False  # what cannot be looked at is told where it is read


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
