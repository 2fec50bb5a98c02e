"""A site and its grid, hour by hour, as a plan: matched share, curtailment, carbon, and what waiting saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from twentywatts.plan.carbon import grid_input
from twentywatts.plan.grid.account import Account, accounts, matched_by_period
from twentywatts.plan.grid.site import GridOptions, Site, load_trace, site_of
from twentywatts.plan.grid.supply import Supply, supply_of
from twentywatts.plan.grid.trace import Trace
from twentywatts.plan.grid.views import periods_table, sentences, ways_table, weeks
from twentywatts.plan.inputs import bundled, given, point
from twentywatts.plan.result import Amount, Input, Plan
from twentywatts.plan.simulation import Simulation, simulate
from twentywatts.uncertain import Interval
from twentywatts.units import YEAR_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["grid_year"]

_DRAWS = 2000
_TARGET = "total_carbon_kg"


def grid_year(load: str | Path | float | Trace, **options: Unpack[GridOptions]) -> Plan:
    """Return how much of a load its own sun and wind meet hour by hour, and the carbon of the rest.

    load: a CSV trace, or watts that are drawn always. Battery and waiting work are scheduled by one linear program with
    foresight of the whole trace, so real operation saves less. Raises InputError, MissingExtraError.
    """
    trace = load_trace(load, options)
    site = site_of(trace, options)
    supply = supply_of(trace, site, options)
    found = accounts(trace, site, supply)
    inputs = _inputs(trace, site, supply)
    fixed = _fixed(trace, site, supply, found)
    seed = options.get("seed", 0)
    result = simulate(partial(_model, fixed=fixed), inputs, target=_TARGET, draws=_DRAWS, seed=seed)
    table = ways_table(found, {name: _scaled(fixed[name], inputs) for name in fixed if name.startswith("use ")})
    shares = matched_by_period(trace.load_j, supply.own_j, trace.step_s)
    return Plan(
        kind="grid",
        title=f"{trace.name}, hour by hour, on the grid of {site.grid.name}",
        sentences=sentences(found, shares, result.interval("saved_carbon_kg")),
        inputs=(*inputs, *_fixed_inputs(site, supply)),
        amounts=tuple(_amounts(result, trace, supply, found)),
        tables=(table, periods_table(shares)) if supply.own_j.any() else (table,),
        drivers=result.drivers,
        driven=_TARGET,
        notes=_notes(trace, site, supply),
        not_covered=(
            "losses and limits of lines, prices, what selling the surplus would save elsewhere, wear of the battery",
            "making the data centre, its computers and the grid's power plants beyond the grid's lifecycle figure",
        ),
        draws=_DRAWS,
        seed=seed,
        series=weeks(trace, supply, found[-1]),
    )


def _inputs(trace: Trace, site: Site, supply: Supply) -> list[Input]:
    """Return the inputs that the carbon is drawn from."""
    figures = bundled("grid_site")
    if supply.known_carbon:
        mean = float(supply.carbon_kg_per_j.mean())
        carbon = given("carbon_intensity_kg_per_j", "carbon of electricity, mean of the trace", mean)
    else:
        carbon = grid_input(site.grid)
    inputs = [carbon]
    inputs += [figures["pv_kg_per_j"]] if site.pv_w else []
    inputs += [figures["wind_kg_per_j"]] if site.wind_w else []
    return inputs + ([figures["battery_kg_per_j"], figures["battery_life_time_s"]] if site.battery_j else [])


def _fixed_inputs(site: Site, supply: Supply) -> list[Input]:
    """Return what is held at its value: sizes of the site, and figures of the schedule and of synthetic hours."""
    figures = bundled("grid_site")
    sizes = (
        ("pv_power_w", "own photovoltaics, rated", site.pv_w),
        ("wind_power_w", "own wind, rated", site.wind_w),
        ("battery_energy_j", "battery, usable", site.battery_j),
        ("battery_power_w", "battery, power", site.battery_w),
        ("flexible_frac", "share of the load that may wait", site.flexible_frac),
        ("wait_time_s", "longest wait", site.wait_s if site.flexible_frac else 0.0),
        ("most_power_w", "largest power of the site", site.most_w if site.flexible_frac else 0.0),
    )
    keys = [*supply.made, *site.assumed, *(["battery_efficiency_frac"] if site.battery_j else [])]
    return [
        *(given(key, label, value) for key, label, value in sizes if value),
        *(replace(figures[key], distribution="point") for key in dict.fromkeys(keys)),
    ]


def _fixed(trace: Trace, site: Site, supply: Supply, found: tuple[Account, ...]) -> dict[str, float]:
    """Return what the schedules fix: carbon at mid of each case [kg], own joules, battery and time."""
    uses = {f"use {account.case}": account.carbon_kg for account in found}
    return {
        **uses,
        "first": found[0].carbon_kg,
        "without": _without_waiting(found).carbon_kg,
        "last": found[-1].carbon_kg,
        "alone": float((trace.load_j * supply.carbon_kg_per_j).sum()),
        "pv_j": float(supply.pv_j.sum()),
        "wind_j": float(supply.wind_j.sum()),
        "battery_j": site.battery_j,
        "time_s": trace.time_s,
        "carbon_mid": site.grid.carbon_kg_per_j.mid
        if not supply.known_carbon
        else float(supply.carbon_kg_per_j.mean()),
    }


def _without_waiting(found: tuple[Account, ...]) -> Account:
    """Return the last case in which no work waits."""
    return [account for account in found if "waiting" not in account.case][-1]


def _model(values: Mapping[str, Array], *, fixed: Mapping[str, float]) -> dict[str, Array]:
    """Return carbon in use and in making, over the trace."""
    scale = values["carbon_intensity_kg_per_j"] / fixed["carbon_mid"]
    nothing = scale * 0.0
    plants = fixed["pv_j"] * values.get("pv_kg_per_j", nothing) + fixed["wind_j"] * values.get("wind_kg_per_j", nothing)
    battery = nothing
    if fixed["battery_j"]:
        battery = fixed["battery_j"] * values["battery_kg_per_j"] * fixed["time_s"] / values["battery_life_time_s"]
    return {
        "carbon_kg": scale * fixed["last"],
        "alone_carbon_kg": scale * fixed["alone"],
        "saved_carbon_kg": scale * (fixed["without"] - fixed["last"]),
        "battery_saved_carbon_kg": scale * (fixed["first"] - fixed["without"]),
        "plants_embodied_kg": plants,
        "battery_embodied_kg": battery,
        _TARGET: scale * fixed["last"] + plants + battery,
    }


def _scaled(mid_kg: float, inputs: list[Input]) -> Interval:
    """Return carbon of a case with the spread of the grid's intensity."""
    factor = inputs[0].interval
    return Interval(low=mid_kg * factor.low / factor.mid, mid=mid_kg, high=mid_kg * factor.high / factor.mid)


def _amounts(result: Simulation, trace: Trace, supply: Supply, found: tuple[Account, ...]) -> list[Amount]:
    best, first = found[-1], found[0]
    load_j = float(best.schedule.load_j.sum())
    own_j = float(supply.own_j.sum())
    year = abs(trace.time_s / YEAR_S - 1) < 0.01
    over = "a year" if year else f"in the {trace.steps:,} steps of the trace"
    shares = [
        ("hourly_share_frac", "matched hour by hour, as it comes", first.matched_frac, "Σ min(own, load) / Σ load"),
        ("matched_share_frac", f"matched hour by hour, {best.case}", best.matched_frac, ""),
        ("annual_share_frac", "own generation over load, whole time", own_j / load_j, "what “100 % renewable” counts"),
        ("curtailed_share_frac", "own generation that nobody at the site used", best.curtailed_frac, "sold or lost"),
    ]
    amounts = [Amount(key=key, label=label, interval=point(value), note=note) for key, label, value, note in shares]
    amounts = amounts[: len(shares) if own_j else 0]
    if len(found) == 1:
        amounts = [amount for amount in amounts if amount.key != "matched_share_frac"]
    energies = (
        ("load_energy_j", "load", load_j),
        ("own_energy_j", "own generation", own_j),
        ("grid_energy_j", f"taken from the grid, {best.case}", best.grid_j),
    )
    amounts += [Amount(key=key, label=f"{label}, {over}", interval=point(value)) for key, label, value in energies]
    amounts += [
        Amount(key=key, label=label, interval=result.interval(key), note=note)
        for key, (label, note) in _CARBON.items()
        if result.outputs[key].any()
    ]
    if best.marginal_kg is not None:
        label, note = (
            "carbon at the margin of the grid's joules",
            "what one more kWh makes run; never added to the average",
        )
        amounts.append(Amount(key="marginal_carbon_kg", label=label, interval=point(best.marginal_kg), note=note))
    return amounts


_CARBON = {
    "carbon_kg": ("carbon of the grid's joules, average mix", "location-based, in use"),
    "alone_carbon_kg": ("the same without own plants, battery and waiting", ""),
    "saved_carbon_kg": ("carbon saved by waiting", "with perfect foresight: an upper bound"),
    "battery_saved_carbon_kg": ("carbon saved by the battery", "with perfect foresight: an upper bound"),
    "plants_embodied_kg": ("making the own plants, the part of this time", "apart from use"),
    "battery_embodied_kg": ("making the battery, the part of this time", "apart from use"),
    "total_carbon_kg": ("use and making together", ""),
}


def _notes(trace: Trace, site: Site, supply: Supply) -> tuple[str, ...]:
    notes = list(supply.notes)
    if not supply.known_carbon:
        notes.append(f"grid: {site.grid.name} {site.grid.year}, {site.grid.basis}; its spread goes on every hour alike")
    if supply.marginal_kg_per_j is None:
        notes.append(
            f"nobody publishes a marginal intensity for {site.grid.name} that is bundled; give a column marginal"
        )
    elif trace.marginal_kg_per_j is None and site.grid.marginal_source:
        notes.append(f"marginal intensity: one yearly number ({site.grid.marginal_source}) for every hour")
    if site.battery_j:
        notes.append("the battery is filled from own generation alone, and ends as full as it began")
        if site.aim == "carbon":
            notes.append("it loses a part of what it moves to dirtier hours: fewer may match; --aim share matches more")
    if trace.ignored:
        notes.append(f"columns of the trace that were not read: {', '.join(trace.ignored[:8])}")
    return tuple(notes)
