"""Carbon of electricity by country: the yearly average with vintage and spread, the marginal where it is published."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from twentywatts.errors import InputError, clean, nearest
from twentywatts.plan.result import Amount, Input
from twentywatts.plan.simulation import product
from twentywatts.uncertain import Interval
from twentywatts.units import convert

__all__ = ["Grid", "carbon_amounts", "carbon_of", "grid", "grid_input", "grids"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The electricity of a country in a year.

    carbon_kg_per_j: average with its spread between sources and years; basis: lifecycle or operational.
    marginal_kg_per_j: of one more kWh, None where nobody publishes it. water_m3_per_j: for making the electricity.
    """

    code: str
    alpha3: str
    name: str
    year: str
    basis: str
    carbon_kg_per_j: Interval
    marginal_kg_per_j: float | None
    water_m3_per_j: float | None
    source: str
    where: str
    marginal_source: str


@cache
def grids() -> Mapping[str, Grid]:
    """Return every bundled country of data/plan/grid.csv by its two-letter code."""
    text = (files("twentywatts") / "data" / "plan" / "grid.csv").read_text(encoding="utf-8")
    return MappingProxyType({row["code"]: _grid(row) for row in csv.DictReader(text.splitlines())})


def _grid(row: Mapping[str, str]) -> Grid:
    low, mid, high = (convert(float(row[key]), "g/kWh", "kg/J") for key in ("low", "carbon_g_per_kwh", "high"))
    marginal, water = row["marginal_g_per_kwh"], row["water_l_per_kwh"]
    return Grid(
        code=row["code"],
        alpha3=row["alpha3"],
        name=row["name"],
        year=row["year"],
        basis=row["basis"],
        carbon_kg_per_j=Interval(low=low, mid=mid, high=high),
        marginal_kg_per_j=convert(float(marginal), "g/kWh", "kg/J") if marginal else None,
        water_m3_per_j=convert(float(water), "L/kWh", "m3/J") if water else None,
        source=row["source"],
        where=row["where"],
        marginal_source=row["marginal_source"],
    )


def grid(name: str) -> Grid:
    """Return a country by code (``DE``, ``DEU``) or English name; raises InputError with the nearest name."""
    wanted = name.strip().casefold()
    for found in grids().values():
        if wanted in (found.code.casefold(), found.alpha3.casefold(), found.name.casefold()):
            return found
    names = [found.name for found in grids().values()]
    hint = nearest(name.strip().title(), names) or nearest(name.strip().upper(), list(grids()))
    raise InputError(f"unknown region '{clean(name)}'{hint}; there are {', '.join(grids())}")


def grid_input(found: Grid) -> Input:
    """Return the average carbon intensity of a country as an input."""
    return Input(
        key="carbon_intensity_kg_per_j",
        label=f"carbon of electricity, {found.name}, average",
        interval=found.carbon_kg_per_j,
        origin="figure",
        grade="paper",
        source=found.source,
        where=found.where,
        condition=f"{found.basis}, location-based, yearly average; the spread is that between sources and years",
        year=found.year,
        region=found.name,
    )


def carbon_of(energy_j: Interval, found: Grid) -> Interval:
    """Return the carbon [kg] of joules from a country's average mix; its factor is drawn alike in every row."""
    return product(energy_j, found.carbon_kg_per_j, key=f"grid.{found.code}")


def carbon_amounts(energy_j: Interval, name: str) -> tuple[list[Amount], Input]:
    """Return the carbon of joules from a country's grid: average, and marginal where published; and the factor used."""
    found = grid(name)
    carbon = carbon_of(energy_j, found)
    note = f"{found.name} {found.year}, {found.basis}, location-based"
    amounts = [Amount(key="carbon_kg", label="CO2 equivalent, average mix", interval=carbon, note=note)]
    if found.marginal_kg_per_j is not None:
        each = found.marginal_kg_per_j
        marginal = Interval(low=energy_j.low * each, mid=energy_j.mid * each, high=energy_j.high * each)
        text = f"what one more kWh makes run, {found.marginal_source}"
        amounts.append(Amount(key="marginal_carbon_kg", label="CO2 at the margin", interval=marginal, note=text))
    return amounts, grid_input(found)
