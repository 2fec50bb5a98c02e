"""Joules of a fleet: stock × power × load × availability × PUE over a year, what drives it, growth and rebound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from twentywatts.errors import InputError, counted
from twentywatts.plan.carbon import carbon_amounts
from twentywatts.plan.inputs import bundled, number, point
from twentywatts.plan.rebound import rebound_table
from twentywatts.plan.result import Amount, Driver, Plan, Row, Table
from twentywatts.plan.scenario_file import Published, Scenario, read_scenario
from twentywatts.plan.simulation import Simulation, product, simulate
from twentywatts.plan.words import quantity_text
from twentywatts.uncertain import Interval, interval_of
from twentywatts.units import YEAR_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["FleetOptions", "fleet", "fleet_model"]

_DRAWS = 200_000
_FACTORS = ("server_ratio", "load_frac", "available_frac", "pue")


class FleetOptions(TypedDict, total=False):
    """grid: a country, for the carbon. efficiency: by what factor chips get better, for the rebound. seed, draws."""

    grid: str | None
    efficiency: float
    seed: int
    draws: int


def fleet(scenario: str | Scenario, **options: Unpack[FleetOptions]) -> Plan:
    """Return what a fleet uses in a year: a preset's name, a .toml file, or a Scenario.

    E = count × power × server ratio × load × availability × PUE × time, or what was used before × growth, over 200,000
    draws. Raises InputError. Limits: the inputs are taken to be independent.
    """
    chosen = read_scenario(scenario) if isinstance(scenario, str) else scenario
    _check(chosen)
    draws, seed = options.get("draws", _DRAWS), options.get("seed", 0)
    found = simulate(fleet_model, chosen.inputs, target="energy_j", draws=draws, seed=seed)
    energy = found.interval("energy_j")
    amounts, inputs = _amounts(found, chosen), list(chosen.inputs)
    place = options.get("grid")
    if place is not None:
        carbon, factor = carbon_amounts(energy, place)
        amounts += carbon
        inputs.append(factor)
    efficiency = number("efficiency", options.get("efficiency", 2.0), low=1.001, high=1e6)
    tables = [*_published(chosen.published, energy), *_growth(chosen, found), rebound_table(energy, efficiency)]
    return Plan(
        kind="fleet",
        title=chosen.title,
        sentences=_sentences(chosen, found, energy),
        inputs=tuple(inputs),
        amounts=tuple(amounts),
        tables=tuple(tables),
        drivers=found.drivers,
        driven="energy_j",
        notes=(chosen.note,) if chosen.note else (),
        not_covered=("making the chips and buildings; networks and the devices of the users",),
        draws=draws,
        seed=seed,
        own_sources=chosen.sources,
    )


def _check(scenario: Scenario) -> None:
    """Raise InputError unless the inputs make exactly one fleet."""
    keys = {item.key for item in scenario.inputs}
    starts = [keys >= {"unit_count", "unit_power_w"}, "stock_power_w" in keys, "base_energy_j" in keys]
    if sum(starts) != 1:
        wanted = "unit_count and unit_power_w, or stock_power_w, or base_energy_j"
        raise InputError(f"scenario '{scenario.name}' needs one of: {wanted}")
    grown = keys & {"increase_energy_j", "yearly_ratio", "years_count"}
    if starts[2] and keys & {*_FACTORS, "unit_count", "unit_power_w", "running_time_s"}:
        raise InputError(f"scenario '{scenario.name}': base_energy_j is a year's energy already, without power factors")
    if not starts[2] and grown:
        raise InputError(f"scenario '{scenario.name}': {', '.join(sorted(grown))} go with base_energy_j")
    if ("yearly_ratio" in keys) != ("years_count" in keys):
        raise InputError(f"scenario '{scenario.name}' needs both yearly_ratio and years_count")


def fleet_model(values: Mapping[str, Array]) -> dict[str, Array]:
    """Return joules of the fleet and its mean power [W]; every value is an array of one shape."""
    if "base_energy_j" in values:
        energy = values["base_energy_j"] + values.get("increase_energy_j", 0.0)
        if "yearly_ratio" in values:
            energy = energy * values["yearly_ratio"] ** values["years_count"]
        return {"energy_j": energy, "power_w": energy / YEAR_S}
    power = values["stock_power_w"] if "stock_power_w" in values else values["unit_count"] * values["unit_power_w"]
    for key in _FACTORS:
        power = power * values.get(key, 1.0)
    return {"energy_j": power * values.get("running_time_s", YEAR_S), "power_w": power}


def _amounts(found: Simulation, scenario: Scenario) -> list[Amount]:
    over = "in that time" if any(item.key == "running_time_s" for item in scenario.inputs) else "a year"
    energy = found.outputs["energy_j"]
    amounts = [
        Amount(key="energy_j", label=f"electricity {over}", interval=interval_of(energy)),
        Amount(key="power_w", label="mean power", interval=interval_of(found.outputs["power_w"])),
    ]
    world, home = bundled("world")["world_electricity_j"], bundled("equivalents")["home_year_us_energy_j"]
    amounts.append(
        Amount(
            key="world_share_frac",
            label="of the world's electricity",
            interval=interval_of(energy / world.interval.mid),
            note=f"{quantity_text('energy_j', point(world.interval.mid))} in {world.year}, {world.source}",
        )
    )
    homes = Amount(key="home_count", label=home.label, interval=interval_of(energy / home.interval.mid), note=home.year)
    dam = bundled("equivalents")["three_gorges_day_energy_j"]
    days = Amount(
        key="dam_day_count", label=dam.label, interval=interval_of(energy / dam.interval.mid), note="mean day"
    )
    return [*amounts, homes, days]


def _published(published: Published | None, energy: Interval) -> list[Table]:
    """Return ours beside what the scenario's authors published."""
    if published is None:
        return []
    mids = [value for value in (published.low_j, published.mid_j, published.high_j) if value is not None]
    theirs = Interval(low=min(mids), mid=published.mid_j or sum(mids) / len(mids), high=max(mids))
    rows = (
        Row(name="here", numbers={"energy_j": energy}, texts={"what": "5 to 95 % of the draws"}),
        Row(
            name="published",
            numbers={"energy_j": theirs},
            texts={"what": published.what},
            sources=(published.source,) if published.source else (),
        ),
    )
    labels = {"energy_j": "electricity", "what": "what it is"}
    return [Table(name="published", title="Against what its authors published", labels=labels, rows=rows)]


def _growth(scenario: Scenario, found: Simulation) -> list[Table]:
    """Return the fleet in the years after: work grows, and each year's chips do more per joule."""
    growth = scenario.growth
    if growth is None:
        return []
    energy = found.interval("energy_j")
    rows = []
    for years in range(1, growth.years + 1):
        low, mid, high = ((end / growth.efficiency) ** years for end in _ends(growth.factor))
        interval = product(energy, Interval(low=low, mid=mid, high=high), key=f"fleet.{scenario.name}.growth")
        name = f"{counted(years, 'year')} on"
        rows.append(Row(name=name, numbers={"energy_j": interval}, sources=(growth.source,) if growth.source else ()))
    title = (
        f"If computing grows {growth.factor.mid:g}-fold a year and chips get {growth.efficiency:g}-fold better a year"
    )
    return [Table(name="growth", title=title, labels={"energy_j": "electricity a year"}, rows=tuple(rows))]


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.mid, interval.high


def _sentences(scenario: Scenario, found: Simulation, energy: Interval) -> tuple[str, ...]:
    over = "" if any(item.key == "running_time_s" for item in scenario.inputs) else " a year"
    first = f"{quantity_text('energy_j', energy)} of electricity{over}, a mean of "
    first += f"{quantity_text('power_w', found.interval('power_w'))}."
    return (first, *_main_driver(found.drivers))


def _main_driver(drivers: Sequence[Driver]) -> tuple[str, ...]:
    if not drivers:
        return ()
    main = max(drivers, key=lambda driver: driver.share_frac)
    return (f"What is least sure is {main.label}: it explains {100 * main.share_frac:.0f} % of the spread.",)
