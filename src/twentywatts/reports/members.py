"""Single members of a large JSON object, read without building the rest: a bibliography needs a thousandth of it."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError

__all__ = ["read_members"]

# strings (with their end, if there is one) and brackets; what stands between them is not looked at
_TOKEN = re.compile(rb'(?s)"(?:[^"\\]++|\\.)*+"?|[{}\[\]]')
_COLON = re.compile(rb"\s*:\s*")
_MORE = re.compile(rb"\S")
_LONGEST_NAME = 100
_DEEPEST = 1000
_OPENING, _CLOSING = (b"{", b"["), (b"}", b"]")


def read_members(path: Path, names: Collection[str], *, max_bytes: int) -> dict[str, Any]:
    """Return those of the members ``names`` of the JSON object in a file that it has: texts, lists and objects.

    Other members are skipped, numbers as well; one is read only up to ``max_bytes``. Raises ValueError for a file that
    is no such object or is cut short, InputError for a larger member, OSError where the file cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return {
            name: _parsed(content, place, name, max_bytes=max_bytes) for name, place in _places(content, names).items()
        }


def _places(content: mmap.mmap, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return where the values of the members stand: (start, end) in bytes."""
    wanted = {json.dumps(name).encode(): name for name in names}
    found: dict[str, tuple[int, int]] = {}
    depth, member, start, end = 0, "", 0, 0
    for token in _TOKEN.finditer(content):
        end = token.end()
        text = token[0] if end - token.start() <= _LONGEST_NAME else b'"'
        if member and depth == 1 and token.start() != start:
            member = ""  # a number, or nothing at all
        if text in _OPENING:
            if depth == 0 and (text != b"{" or _MORE.search(content, 0, token.start())):
                break
            depth += 1
            if depth > _DEEPEST:
                break
        elif text in _CLOSING:
            depth -= 1
        elif depth == 1 and not member:
            colon = _COLON.match(content, end) if text in wanted else None
            member, start = (wanted[text], colon.end()) if colon else ("", 0)
            continue
        if depth == 1 and member:
            found[member], member = (start, end), ""
        if depth == 0:
            break
    if depth != 0 or end == 0 or _MORE.search(content, end):
        raise ValueError("no JSON object, or one that is cut short")
    return found


def _parsed(content: mmap.mmap, place: tuple[int, int], name: str, *, max_bytes: int) -> Any:
    start, end = place
    if end - start > max_bytes:
        raise InputError(f"'{name}' has {end - start:,} bytes, wanted are at most {max_bytes:,}")
    return json.loads(content[start:end].decode("utf-8"))
