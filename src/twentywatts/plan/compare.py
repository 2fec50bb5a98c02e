"""What joules compare to: electric things and metabolic ones apart, each with interval, year and region."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from twentywatts.errors import InputError
from twentywatts.machines import load
from twentywatts.plan.carbon import carbon_amounts
from twentywatts.plan.inputs import bundled, given, number, point
from twentywatts.plan.result import Amount, Input, Plan, Row, Table, cited
from twentywatts.plan.words import count_text, quantity_text
from twentywatts.uncertain import Interval

__all__ = ["equivalents"]

_CAVEAT = (
    "a brain's watts are food turned to heat, whatever it thinks of; no task is held equal here, so these lines tell "
    "sizes and not which of the two is better"
)


def equivalents(energy_j: float, *, time_s: float | None = None, grid: str | None = None) -> Plan:
    """Return what ``energy_j`` joules of electricity compare to; electric and metabolic energy stand in two tables.

    With ``time_s``, the time over which they were spent, the mean power is told and how many brains it would feed. With
    ``grid``, a country, the carbon of making them. Raises InputError.
    """
    energy_j = number("the energy", energy_j, low=1e-15)
    items = bundled("equivalents")
    tables = tuple(_table(kind, energy_j, items) for kind in ("electric", "metabolic"))
    amounts = [Amount(key="energy_j", label="electricity", interval=point(energy_j))]
    inputs: list[Input] = [given("energy_j", "electricity", energy_j)]
    sentences = [_sentence(energy_j, tables)]
    if time_s is not None:
        power = _power(energy_j, number("the time", time_s, low=1e-9))
        inputs += [given("time_s", "time over which it is spent", time_s), _brain()]
        amounts += power
        sentences.append(_power_sentence(power))
    if grid is not None:
        found, factor = carbon_amounts(point(energy_j), grid)
        amounts += found
        inputs.append(factor)
    return Plan(
        kind="equivalents",
        title=f"What {quantity_text('energy_j', point(energy_j))} compares to",
        sentences=tuple(sentences),
        inputs=tuple(inputs),
        amounts=tuple(amounts),
        tables=tables,
        notes=(_CAVEAT, "whoever chooses the comparison chooses the impression: look one line up and one line down"),
    )


@cache
def _kinds() -> Mapping[str, str]:
    """Return electric or metabolic for each thing."""
    path = files("twentywatts") / "data" / "plan" / "equivalents.toml"
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["figures"]
    kinds = {key: entry.get("kind") for key, entry in entries.items()}
    wrong = [key for key, kind in kinds.items() if kind not in ("electric", "metabolic")]
    if wrong:
        raise InputError(f"equivalents.toml: {wrong[0]} needs kind electric or metabolic")
    return MappingProxyType(kinds)


def _table(kind: str, energy_j: float, items: Mapping[str, Input]) -> Table:
    chosen = [item for key, item in items.items() if _kinds()[key] == kind]
    chosen.sort(key=lambda item: item.interval.mid)
    titles = {
        "electric": "Electricity compared to electricity",
        "metabolic": "The same joules as food (metabolic energy, not electricity)",
    }
    labels = {"count": "how many", "each_energy_j": "one of them", "year": "year", "region": "region", "grade": "known"}
    rows = tuple(_row(item, energy_j) for item in chosen)
    return Table(name=kind, title=titles[kind], labels=labels, rows=rows)


def _row(item: Input, energy_j: float) -> Row:
    each = item.interval
    count = Interval(low=energy_j / each.high, mid=energy_j / each.mid, high=energy_j / each.low)
    return Row(
        name=item.label,
        numbers={"count": count, "each_energy_j": each},
        texts={"year": item.year, "region": item.region, "grade": item.grade, "condition": item.condition},
        sources=(item.source,),
    )


def _brain() -> Input:
    """Return the brain's power, from the machine of that name."""
    return cited(load("human-brain").figures["power_w"], "power of a human brain (metabolic)", year="2021")


def _power(energy_j: float, time_s: float) -> list[Amount]:
    brain = _brain().interval
    power = energy_j / time_s
    count = Interval(low=power / brain.high, mid=power / brain.mid, high=power / brain.low)
    return [
        Amount(key="power_w", label="mean power over that time", interval=point(power)),
        Amount(key="brain_count", label="brains of the same power", interval=count, note="metabolic, not electric"),
    ]


def _power_sentence(power: list[Amount]) -> str:
    watts, brains = power
    return (
        f"Spent over that time it is {quantity_text(watts.key, watts.interval)}, the power of "
        f"{quantity_text(brains.key, brains.interval)} human brains."
    )


def _sentence(energy_j: float, tables: tuple[Table, ...]) -> str:
    """Return the things whose count is nearest to a number that people can picture."""
    near = sorted(tables[0].rows, key=lambda row: abs(_decades(row.numbers["count"].mid) - 2.5))[:3]
    parts = [f"{_rounded(row.numbers['count'].mid)} {row.name}" for row in near]
    return f"{quantity_text('energy_j', point(energy_j))} of electricity is about {', or '.join(parts)}."


def _rounded(value: float) -> str:
    """Return a count with two digits: more would be false."""
    return count_text(float(f"{value:.2g}"))


def _decades(value: float) -> float:
    return math.log10(value)
