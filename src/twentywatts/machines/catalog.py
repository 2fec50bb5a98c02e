"""The catalogue: finding, reading and checking machine files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError, MachineError, nearest
from twentywatts.figures import Figure, parse_figure
from twentywatts.machines.machine import FAMILIES, KEYS, REQUIRED, Machine
from twentywatts.plugins import find
from twentywatts.plugins import names as plugin_names
from twentywatts.scenario import Boundary

__all__ = ["bundled_names", "load", "parse"]

SCHEMA = "twentywatts.machine/1"
_MAX_FILE_BYTES = 1_000_000


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


def load(name: str) -> Machine:
    """Return a machine by name, or from a file where the name ends in .toml; raises MachineError.

    ``this-cpu`` is detected. Names of installed plug-ins (group twentywatts.machines) are found last.
    """
    if name.endswith(".toml"):
        return _read_file(Path(name))
    if name == "this-cpu":
        from twentywatts.machines.host import this_cpu

        return this_cpu()
    if name in _index():
        return _bundled(name)
    plugin = find("machines", name)
    if plugin is not None:
        return parse(plugin(), origin=f"plug-in {name}")
    known = ["this-cpu", *bundled_names(), *plugin_names("machines")]
    raise MachineError(f"unknown machine '{name}'{nearest(name, known)}; `twentywatts machines` lists them all")


@cache
def _bundled(name: str) -> Machine:
    return parse(tomllib.loads(_index()[name].read_text(encoding="utf-8")), origin="bundled")


def _read_file(path: Path) -> Machine:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise MachineError(f"machine file '{path}' is larger than {_MAX_FILE_BYTES:,} bytes")
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise MachineError(f"cannot read machine file '{path}': {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise MachineError(f"machine file '{path}' is not valid TOML: {error}") from error
    return parse(tables, origin=str(path))


def parse(tables: Mapping[str, Any], *, origin: str) -> Machine:
    """Return the Machine of a parsed file; raises MachineError that names every problem found."""
    problems: list[str] = []
    family = tables.get("family")
    if tables.get("schema") != SCHEMA:
        problems.append(f"schema must be '{SCHEMA}'")
    if family not in FAMILIES:
        problems.append(f"family must be one of {', '.join(FAMILIES)}")
    problems += [f"'{key}' must be a text" for key in ("name", "title", "summary") if not _is_text(tables.get(key))]
    if not isinstance(tables.get("year"), int):
        problems.append("'year' must be a whole number")
    figures = _figures(tables, str(family), problems)
    boundary = _boundary(tables, str(family), problems)
    if problems:
        raise MachineError(f"machine file {origin}: " + "; ".join(problems))
    return Machine(
        name=tables["name"],
        title=tables["title"],
        family=str(family),
        year=tables["year"],
        summary=tables["summary"],
        figures=figures,
        traits=dict(tables.get("traits", {})),
        operating_points=tuple(tables.get("operating_points", ())),
        boundary=boundary,
        refused=str(tables.get("refused", "")),
        origin=origin,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _boundary(tables: Mapping[str, Any], family: str, problems: list[str]) -> Boundary:
    default = Boundary.DEVICE if family == "processor" else Boundary.CHIP
    traits = tables.get("traits", {})
    if not isinstance(traits, Mapping):
        problems.append("[traits] must be a table")
        return default
    try:
        return Boundary(traits.get("boundary", default))
    except ValueError:
        problems.append(f"traits.boundary must be one of {', '.join(Boundary)}")
        return default


def _figures(tables: Mapping[str, Any], family: str, problems: list[str]) -> dict[str, Figure]:
    entries = tables.get("figures", {})
    if not isinstance(entries, Mapping):
        problems.append("[figures.*] must be tables")
        return {}
    figures: dict[str, Figure] = {}
    known = KEYS.get(family, frozenset())
    for key, table in entries.items():
        if family in FAMILIES and key not in known:
            problems.append(f"unknown figure '{key}' for family {family}{nearest(key, known)}")
            continue
        try:
            figures[key] = parse_figure(key, table)
        except InputError as error:
            problems.append(str(error))
    if not tables.get("refused"):
        problems += [f"figure '{key}' is missing" for key in REQUIRED.get(family, ()) if key not in entries]
    return figures
