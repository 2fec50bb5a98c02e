"""A comparison at scale: what so many inferences a day take in a year on each machine, and the carbon of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twentywatts.plan.carbon import Grid, carbon_of, grid
from twentywatts.plan.inputs import number
from twentywatts.uncertain import Interval
from twentywatts.units import DAY_S, YEAR_S

__all__ = ["at_scale"]


def at_scale(rows: Iterable[Mapping[str, Any]], per_day: float, place: str | None) -> dict[str, Any]:
    """Return electricity [J] and carbon [kg] a year of each row of a comparison document, as plain values.

    per_day: inferences a day. place: a country, None for no carbon. The rows keep their boundary: nothing is added for
    a host or a building that they leave out, and no idle time beyond what they hold. A brain's row is left out: its
    joules are food, which no grid makes. Raises InputError.
    """
    per_day = number("the inferences a day", per_day, high=1e18)
    found = None if place is None else grid(place)
    return {
        "per_day_count": per_day,
        "grid": None if found is None else _grid(found),
        "rows": [_row(row, per_day, found) for row in rows if row["role"] != "yardstick"],
    }


def _grid(found: Grid) -> dict[str, Any]:
    return {
        "name": found.name,
        "year": found.year,
        "basis": found.basis,
        "carbon_intensity_kg_per_j": found.carbon_kg_per_j.as_dict(),
        "marginal_intensity_kg_per_j": found.marginal_kg_per_j,
        "source": found.source,
        "marginal_source": found.marginal_source or None,
    }


def _row(row: Mapping[str, Any], per_day: float, found: Grid | None) -> dict[str, Any]:
    each = row["energy_j"]
    energy = Interval(**{end: each[end] * per_day * YEAR_S / DAY_S for end in ("low", "mid", "high")})
    result: dict[str, Any] = {"machine": row["machine"], "form": row["form"], "year_energy_j": energy.as_dict()}
    if found is not None:
        result["year_carbon_kg"] = carbon_of(energy, found).as_dict()
    return result
