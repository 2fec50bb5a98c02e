"""The catalogue: finding, reading and checking machine files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError, MachineError, nearest
from twentywatts.machines.check import SCHEMA, parse
from twentywatts.machines.machine import FAMILIES, Machine
from twentywatts.plugins import find
from twentywatts.plugins import names as plugin_names

__all__ = ["SCHEMA", "bundled_names", "load", "load_all", "parse", "read_tables", "short_names"]

_MAX_FILE_BYTES = 1_000_000
_MAX_KEY_PARTS = 64  # tomllib's time and memory go with the square of these
_DEEP_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){{{_MAX_KEY_PARTS}}}""")


def _folder(family: str) -> Traversable:
    return files("twentywatts") / "machines" / "data" / family


@cache
def _index() -> Mapping[str, Traversable]:
    """Name → file of every bundled machine, families in their order, names sorted."""
    found: dict[str, Traversable] = {}
    for family in FAMILIES:
        for path in sorted(_folder(family).iterdir(), key=lambda p: p.name):
            if path.name.endswith(".toml"):
                found[path.name.removesuffix(".toml")] = path
    return found


def bundled_names() -> list[str]:
    """Return the names of all bundled machines, by family."""
    return list(_index())


def load(name: str | Path) -> Machine:
    """Return a machine by name, or from a file where the name ends in .toml; raises MachineError.

    ``this-cpu`` is detected; ``h100`` is short for ``h100-sxm`` (``aliases`` in its file). Names of installed
    plug-ins (group twentywatts.machines) are found last.
    """
    name = str(name)
    if name.endswith(".toml"):
        return _read_file(Path(name))
    if name == "this-cpu":
        from twentywatts.machines.host import this_cpu

        return this_cpu()
    if name in _index():
        return _bundled(name)
    if name in _aliases():
        return _bundled(_aliases()[name])
    tables = _plugin_tables(name)
    if tables is not None:
        return parse(tables, origin=f"plug-in {name}")
    known = ["this-cpu", *bundled_names(), *_aliases(), *plugin_names("machines")]
    raise MachineError(f"unknown machine '{name}'{nearest(name, known)}; `twentywatts machines` lists them all")


def _plugin_tables(name: str) -> Mapping[str, Any] | None:
    """Return what the plug-in of this name gives, None if there is none."""
    try:
        plugin = find("machines", name)
        return None if plugin is None else plugin()
    except Exception as error:  # foreign code: whatever it raises, say whose fault it is
        raise MachineError(f"plug-in machine '{name}' cannot be loaded: {error}") from error


@cache
def _bundled(name: str) -> Machine:
    return parse(tomllib.loads(_index()[name].read_text(encoding="utf-8")), origin="bundled")


@cache
def _aliases() -> Mapping[str, str]:
    """Short name → name; only read when a name is not found."""
    found: dict[str, str] = {}
    for name, path in _index().items():
        found |= dict.fromkeys(tomllib.loads(path.read_text(encoding="utf-8")).get("aliases", ()), name)
    return found


def load_all(names: Iterable[str | Path]) -> list[Machine]:
    """Return the machines of these names in their order, one that two names mean once; raises MachineError."""
    return list({id(machine): machine for machine in map(load, dict.fromkeys(names))}.values())


def short_names(names: Iterable[object]) -> tuple[str, ...]:
    """Return what each short name among these was taken for: nobody may believe that ``h100`` is any H100."""
    given = [name for name in map(str, names) if name not in _index() and name in _aliases()]
    return tuple(f"'{name}' is short for {_aliases()[name]}" for name in dict.fromkeys(given))


def _read_file(path: Path) -> Machine:
    try:
        tables = read_tables(path, what="machine file")
    except InputError as error:
        raise MachineError(str(error)) from error
    return parse(tables, origin=str(path))


def read_tables(path: Path, *, what: str, most_bytes: int = _MAX_FILE_BYTES) -> Mapping[str, Any]:
    """Return the tables of a TOML file that nobody vouches for; ``what`` is what to call it in an error.

    Raises InputError for a file that is none, too large, no UTF-8, no TOML, or nested beyond use.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"cannot read {what} '{path}': not a file")
        if path.stat().st_size > most_bytes:
            raise InputError(f"{what} '{path}' is larger than {most_bytes:,} bytes")
        text = path.read_text(encoding="utf-8")
        if _DEEP_KEY.search(text):
            raise InputError(f"{what} '{path}' has a key of more than {_MAX_KEY_PARTS} parts")
        return tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"cannot read {what} '{path}': {reason}") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, a number of 5,000 digits, a thousand brackets
        raise InputError(f"{what} '{path}' is not valid TOML: {error}") from error
