"""load_architecture: a name, a folder, a file or a hub id → Architecture."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from twentywatts.architecture import Architecture
from twentywatts.errors import InputError, ModelError, clean, nearest
from twentywatts.figures import Figure, parse_figure
from twentywatts.readers.bundled import bundled_aliases, bundled_tables
from twentywatts.readers.decoder import read_config
from twentywatts.readers.hub import hub_config

__all__ = ["architecture_names", "load_architecture", "published_figures"]

_MAX_FILE_BYTES = 4_000_000
_MOST_NESTING = 32
_HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_FOLDER = "architectures"


def architecture_names() -> list[str]:
    """Return the names of all bundled architectures."""
    return list(bundled_tables(_FOLDER))


def published_figures(name: str) -> Mapping[str, Figure]:
    """Return what the publisher of a bundled architecture says of it: parameter_count, active_parameter_count."""
    return {key: parse_figure(key, table) for key, table in bundled_tables(_FOLDER)[name].get("figures", {}).items()}


def load_architecture(name_or_path: str | Path) -> Architecture:
    """Return an architecture by name, from a folder or file with a config.json, or from the hub; raises ModelError.

    A bundled name or alias wins (``llama-3.1-8b``, ``meta-llama/Llama-3.1-8B-Instruct``, in any case), so that gated
    models need no hub. Then a path: ``./config.json``, or a folder that holds one. Last a hub id ``owner/model``,
    where huggingface_hub is installed and the net can be reached.
    """
    given = str(name_or_path)
    name = bundled_aliases(_FOLDER).get(given.lower())
    if name is not None:
        return _bundled(name)
    path = Path(given)
    if given.endswith(".json") or _is_there(path):
        return _from_path(path)
    if _HUB_ID.fullmatch(given):
        return _from_hub(given)
    hint = nearest(given.lower(), [*bundled_aliases(_FOLDER), *bundled_aliases("diffusion")])
    raise ModelError(
        f"unknown model '{clean(given)[:100]}'{hint}; wanted a bundled name (`twentywatts models`), a "
        "folder or file with its config.json, or a hub id 'owner/model'"
    )


def _is_there(path: Path) -> bool:
    """Return whether a path exists; a name too long for one, or a folder that may not be entered, is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


@cache
def _bundled(name: str) -> Architecture:
    table = bundled_tables(_FOLDER)[name]
    found = read_config(table["config"], name=name, where=f"{name}.toml")
    notes = tuple(table.get("notes", ()))
    # what was read, and whom it describes where that is another
    sources = tuple(table["read"][key] for key in ("source", "publisher_source") if key in table["read"])
    return replace(
        found,
        title=table["title"],
        origin="bundled",
        active_tables=table.get("active_tables", "both"),
        sources=sources,
        notes=notes,
    )


def _from_path(path: Path) -> Architecture:
    file = path / "config.json" if path.is_dir() else path
    folder = file.parent.resolve().name
    return read_config(_parsed(file), name=folder if file.name == "config.json" else file.stem, where=str(file))


def _parsed(file: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file of bounded size and depth; raises ModelError."""
    try:
        if not file.is_file():
            what = "is not a regular file" if file.exists() else "does not exist"
            raise ModelError(f"'{file}' {what}: wanted the config.json of a model")
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ModelError(f"'{file}' is larger than {_MAX_FILE_BYTES:,} bytes: a config.json has a few thousand")
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ModelError(f"'{file}' cannot be read: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"'{file}' is not JSON: {clean(error)[:100]}") from error
    if not isinstance(found, dict):
        raise ModelError(f"'{file}' holds no JSON object: wanted the config.json of a model")
    if _depth(found) > _MOST_NESTING:
        raise ModelError(f"'{file}' is nested more than {_MOST_NESTING} deep")
    return found


def _depth(value: object) -> int:
    """Return how deep a parsed text is nested, without recursion."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, level = waiting.pop()
        deepest = max(deepest, level)
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        if level <= _MOST_NESTING:
            waiting += [(part, level + 1) for part in inner if isinstance(part, dict | list)]
    return deepest


def _from_hub(model: str) -> Architecture:
    """Return a model of the hub by its config.json."""
    file = hub_config(model, f"'{model}' is not bundled{nearest(model.lower(), bundled_aliases(_FOLDER))}")
    try:
        return replace(_from_path(file), name=model, title=model, origin="hub")
    except InputError as error:
        raise ModelError(f"{model}: {error}") from error
