"""load_architecture: a name, a folder, a file or a hub id → Architecture."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from twentywatts.architecture import Architecture
from twentywatts.errors import ModelError, nearest
from twentywatts.readers.decoder import read_config

__all__ = ["architecture_names", "load_architecture"]


@cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    """Return name → the parsed file of every bundled architecture."""
    folder = files("twentywatts") / "data" / "architectures"
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda path: path.name)
    return {path.name.removesuffix(".toml"): tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}


@cache
def _aliases() -> Mapping[str, str]:
    """Return alias → name, in lower case."""
    found = {name: name for name in _tables()}
    for name, table in _tables().items():
        found |= dict.fromkeys((alias.lower() for alias in table.get("aliases", ())), name)
    return found


def architecture_names() -> list[str]:
    """Return the names of all bundled architectures."""
    return list(_tables())


def load_architecture(name_or_path: str) -> Architecture:
    """Return an architecture by name or alias; raises ModelError with the nearest name where there is none."""
    name = _aliases().get(name_or_path.lower())
    if name is None:
        raise ModelError(f"unknown architecture '{name_or_path}'{nearest(name_or_path.lower(), _aliases())}")
    return _bundled(name)


@cache
def _bundled(name: str) -> Architecture:
    table = _tables()[name]
    found = read_config(table["config"], name=name, where=f"{name}.toml")
    return replace(found, title=table["title"], origin="bundled", sources=(table["read"]["source"],))
