"""The weights and constants of a ``.pt2`` archive: raw bytes with a JSON text that says how they lie."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import prod
from typing import Any

from twentywatts.errors import ModelError, clean
from twentywatts.readers.exported.archive import WAY_OUT
from twentywatts.readers.exported.checks import dotted, flag, record, table
from twentywatts.readers.exported.graph import TENSOR

__all__ = ["clean_weights"]

# bytes of an element by the number of its type in torch's export schema 8
_ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 16, 12: 1, 13: 2, 28: 2}
_ITEM_BYTES |= {29: 1, 30: 1, 31: 1, 32: 1, 33: 1, 34: 4, 35: 8}
_FILE = re.compile(r"(weight|tensor)_[0-9]{1,9}")


def clean_weights(members: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """Return the members of ``weights`` or ``constants``, their description made anew, every tensor inside its bytes.

    Raises ModelError for pickled or custom objects, and for a tensor that lies outside what the archive holds.
    """
    name = f"data/{folder}/model_{folder}_config.json"
    try:
        given = json.loads(members[name])["config"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ModelError(f"the .pt2 archive does not say how its {folder} lie ('{name}')") from None
    for key, entry in given.items() if isinstance(given, dict) else ():
        _refuse_pickle(key, entry)
    rule = record(path_name=_file, is_param=flag, use_pickle=flag, tensor_meta=TENSOR)
    config = table(dotted, rule)(given)
    kept = {}
    for key, entry in config.items():
        path = f"data/{folder}/{entry['path_name']}"
        if path not in members:
            raise ModelError(f"the .pt2 archive lacks '{path}', the bytes of '{key}'")
        _check_inside(key, entry["tensor_meta"], len(members[path]))
        kept[path] = members[path]
    return {name: json.dumps({"config": config}).encode(), **kept}


def _file(value: Any) -> str:
    if not isinstance(value, str) or not _FILE.fullmatch(value):
        raise ModelError(f"{clean(repr(value)[:80])} is no name for the bytes of a weight in a .pt2 archive")
    return value


def _refuse_pickle(key: str, entry: Any) -> None:
    if not isinstance(entry, dict) or entry.get("use_pickle") is not False or entry.get("tensor_meta") is None:
        raise ModelError(
            f"'{clean(key)[:80]}' in the .pt2 is a pickled object (a quantized or other special tensor), which could "
            f"run code: {WAY_OUT}"
        )


def _check_inside(key: str, tensor: Mapping[str, Any], size_bytes: int) -> None:
    """Raise ModelError unless the tensor lies inside ``size_bytes`` and is not larger than they are."""
    sizes, strides = _wholes(tensor["sizes"]), _wholes(tensor["strides"])
    (offset,) = _wholes([tensor["storage_offset"]])
    if tensor["dtype"] not in _ITEM_BYTES or len(sizes) != len(strides):
        raise ModelError(f"'{key}' in the .pt2 archive is of an unknown type or shape")
    count, rest = divmod(size_bytes, _ITEM_BYTES[tensor["dtype"]])
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if rest or prod(sizes) > count or (prod(sizes) and last >= count) or (not count and offset):
        raise ModelError(f"'{key}' in the .pt2 archive lies outside its {size_bytes} bytes")


def _wholes(values: Any) -> list[int]:
    found = [value.get("as_int", -1) for value in values]
    if min(found, default=0) < 0:
        raise ModelError("a weight in the .pt2 archive has an open or negative size")
    return found
