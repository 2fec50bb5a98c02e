"""Bundled files of models: one TOML each, found by name or alias."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

__all__ = ["bundled_aliases", "bundled_tables"]


@cache
def bundled_tables(folder: str) -> Mapping[str, Mapping[str, Any]]:
    """Return name → parsed file of every TOML in a folder of ``data``, names sorted."""
    paths = (path for path in (files("twentywatts") / "data" / folder).iterdir() if path.name.endswith(".toml"))
    ordered = sorted(paths, key=lambda path: path.name)
    found = {path.name.removesuffix(".toml"): tomllib.loads(path.read_text(encoding="utf-8")) for path in ordered}
    return MappingProxyType(found)


@cache
def bundled_aliases(folder: str) -> Mapping[str, str]:
    """Return alias → name, in lower case; a hub id is also found without its publisher."""
    found: dict[str, str] = {}
    for name, table in bundled_tables(folder).items():
        for alias in (name, *table["aliases"]):
            found[alias.lower()] = name
            found.setdefault(alias.lower().rpartition("/")[2], name)
    return MappingProxyType(found)
