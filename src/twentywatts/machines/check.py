"""Machine files: what a TOML table must hold to become a Machine. Every problem is found before one error is raised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from twentywatts.errors import InputError, MachineError, nearest
from twentywatts.figures import Boundary, Figure, Source, load_sources, parse_figure, parse_source
from twentywatts.machines.machine import FAMILIES, KEYS, ONE_OF, REQUIRED, TRAITS, Machine

__all__ = ["SCHEMA", "parse"]

SCHEMA = "twentywatts.machine/1"
_TEXTS = ("name", "title", "summary")
_TABLES = ("traits", "figures", "sources")
_MAY_BE_ZERO = ("adc_bits", "cache_capacity_bytes")  # a digital array; no cache
_POSITIVE = (
    "peak_",
    "memory_bandwidth",
    "memory_capacity",
    "max_power",
    "power_w",
    "process_nm",
    "drift_reference",
    "array_read",
)
_KNOWN = ("schema", "family", "year", "refused", "aliases", "operating_points", *_TEXTS, *_TABLES)


def parse(tables: Mapping[str, Any], *, origin: str) -> Machine:
    """Return the Machine of a parsed file; raises MachineError that names every problem found.

    origin: ``bundled``, or where the tables come from. Sources that a file brings stand under ``[sources.KEY]``.
    """
    if not isinstance(tables, Mapping):
        raise MachineError(f"machine file {origin}: wanted a table with schema, name, family and figures")
    problems = list(_header(tables))
    tables = {**tables, **{name: {} for name in _TABLES if not isinstance(tables.get(name, {}), Mapping)}}
    family = str(tables.get("family"))
    figures = _figures(tables, family, problems)
    sources = _sources(tables, problems)
    traits = tables.get("traits", {})
    problems += [text for key, value in traits.items() if (text := objection(key, value))]
    if origin == "bundled":
        problems += _unresolved(tables, figures, sources)
    if problems:
        raise MachineError(f"machine file {origin}: " + "; ".join(problems))
    return Machine(
        name=tables["name"],
        title=tables["title"],
        family=family,
        year=tables["year"],
        summary=tables["summary"],
        figures=MappingProxyType(figures),
        traits=MappingProxyType(dict(traits)),
        operating_points=tuple(tables.get("operating_points", ())),
        boundary=Boundary(traits.get("boundary", Boundary.DEVICE if family == "processor" else Boundary.CHIP)),
        refused=tables.get("refused", ""),
        origin=origin,
        sources=MappingProxyType(sources),
    )


def _header(tables: Mapping[str, Any]) -> Iterable[str]:
    """Yield what is wrong outside the figures."""
    for key in tables:
        if key not in _KNOWN:
            yield f"unknown key '{key}'{nearest(key, _KNOWN)}"
    if tables.get("schema") != SCHEMA:
        yield f"schema must be '{SCHEMA}'"
    if tables.get("family") not in FAMILIES:
        yield f"family must be one of {', '.join(FAMILIES)}"
    for key in (*_TEXTS, *({"refused"} & tables.keys())):
        if not _is_text(tables.get(key)):
            yield f"'{key}' must be a text"
    if isinstance(tables.get("year"), bool) or not isinstance(tables.get("year"), int):
        yield "'year' must be a whole number"
    for key in _TABLES:
        if not isinstance(tables.get(key, {}), Mapping):
            yield f"[{key}] must be a table"
    if not _is_list(tables.get("operating_points", ()), Mapping):
        yield "[[operating_points]] must be tables"
    if not _is_list(tables.get("aliases", ()), str):
        yield "'aliases' must be a list of texts"


def objection(key: str, value: object) -> str:
    """Return what is wrong with a trait, or an empty text."""
    wanted = TRAITS.get(key)
    if wanted is None:
        return ""
    if not isinstance(wanted, str):
        return "" if value in wanted else f"traits.{key} must be one of {', '.join(wanted)}"
    fits = {
        "a text": _is_text(value),
        "true or false": isinstance(value, bool),
        "a number": _is_number(value),
        "a positive number": _is_number(value) and float(str(value)) > 0,
        "a list of numbers": isinstance(value, list) and all(map(_is_number, value)),
    }
    return "" if fits[wanted] else f"traits.{key} must be {wanted}, got {value!r}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e60


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, kind) for item in value)


def _figures(tables: Mapping[str, Any], family: str, problems: list[str]) -> dict[str, Figure]:
    entries = tables.get("figures", {})
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
            continue
        least, most = _bounds(key)
        if not least <= figures[key].low <= figures[key].high <= most:
            found = f"{figures[key].low:g} to {figures[key].high:g}"
            problems.append(f"figure '{key}' must lie between {least:g} and {most:g}, got {found}")
    if not tables.get("refused"):
        problems += [f"figure '{key}' is missing" for key in REQUIRED.get(family, ()) if key not in entries]
        groups = [g for g in ONE_OF.get(family, ()) if not any(k in figures and figures[k].value > 0 for k in g)]
        problems += [f"one of the figures {', '.join(group)} is missing" for group in groups]
    return figures


def _bounds(key: str) -> tuple[float, float]:
    """Return the values that make sense [SI]: one of what is counted at least, more than none of a rate."""
    if key.endswith("_bits"):
        return float(key not in _MAY_BE_ZERO), 64.0
    if key.endswith("_count"):
        return 1.0, 1e18
    return (1e-18 if key.startswith(_POSITIVE) and key not in _MAY_BE_ZERO else 0.0), 1e30


def _sources(tables: Mapping[str, Any], problems: list[str]) -> dict[str, Source]:
    """Return the sources that the file brings; a bundled key keeps its meaning."""
    sources: dict[str, Source] = {}
    for key, table in tables.get("sources", {}).items():
        try:
            sources[key] = parse_source(key, table)
        except InputError as error:
            problems.append(str(error))
            continue
        if key in load_sources() and sources[key] != load_sources()[key]:
            problems.append(f"source '{key}' is bundled with another meaning; choose another key")
    return sources


def _unresolved(tables: Mapping[str, Any], figures: Mapping[str, Figure], own: Mapping[str, Source]) -> list[str]:
    known = {*load_sources(), *own}
    cited = {key: figure.source for key, figure in figures.items()}
    if "source" in tables.get("traits", {}):
        cited["traits"] = str(tables["traits"]["source"])
    return [
        f"source '{source}' of '{key}' is not in sources.toml{nearest(source, known)}"
        for key, source in cited.items()
        if source not in known
    ]
