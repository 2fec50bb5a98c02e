"""Facts: what is published of an entity, as figures with a source; those of other rooms are taken from there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from twentywatts.figures import parse_figure
from twentywatts.machines import load
from twentywatts.plan.inputs import bundled
from twentywatts.uncertain import Interval

__all__ = ["Fact", "facts", "facts_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A published number of an entity, in SI units; unit: its SI unit (J, W or 1).

    kind: what it is (training, year, power, query, task, task_maximum, one, life, parameters). label: by language.
    region, years: where and when it holds, empty where it does not matter. stale: right once. needs: cues without
    which this fact is not meant.
    """

    key: str
    entity: str
    kind: str
    label: Mapping[str, str]
    interval: Interval
    unit: str
    source: str
    where: str
    condition: str
    grade: str
    region: str = ""
    years: tuple[int, ...] = ()
    stale: bool = False
    needs: tuple[str, ...] = ()

    @property
    def dimension(self) -> str:
        """energy, power or count."""
        return {"J": "energy", "W": "power"}.get(self.unit, "count")


@cache
def facts() -> Mapping[str, Fact]:
    """Return every fact by its key."""
    path = files("twentywatts") / "data" / "claims" / "audit_facts.toml"
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["figures"]
    return {key: _fact(key, entry) for key, entry in entries.items()}


def facts_of(entity: str) -> tuple[Fact, ...]:
    """Return the facts of one entity, in the order of the file."""
    return _by_entity().get(entity, ())


@cache
def _by_entity() -> Mapping[str, tuple[Fact, ...]]:
    found: dict[str, tuple[Fact, ...]] = {}
    for fact in facts().values():
        found[fact.entity] = (*found.get(fact.entity, ()), fact)
    return found


def _fact(key: str, entry: Mapping[str, Any]) -> Fact:
    common: dict[str, Any] = {
        "key": key,
        "entity": str(entry["entity"]),
        "kind": str(entry["kind"]),
        "label": dict(entry["label"]),
        "region": str(entry.get("region", "")),
        "years": tuple(int(year) for year in str(entry.get("years", "")).split()),
        "stale": bool(entry.get("stale", False)),
        "needs": tuple(entry.get("needs", ())),
    }
    return Fact(**common, **_number(key, entry))


def _number(key: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    place = str(entry.get("from", ""))
    if place.startswith("plan:"):
        _, name, item = place.split(":")
        given = bundled(name)[item]
        unit = "W" if item.endswith("_w") else "J"
        taken = {name: getattr(given, name) for name in ("interval", "source", "where", "condition", "grade")}
        return {**taken, "unit": unit}
    if place.startswith("machine:"):
        _, name, item = place.split(":")
        figure = load(name).figures[item]
    else:
        figure = parse_figure(key, entry)
    texts = {name: getattr(figure, name) for name in ("source", "where", "condition", "grade", "unit")}
    return {"interval": figure.interval, **texts}
