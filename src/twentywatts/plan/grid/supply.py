"""What a site can draw on in each hour: its own plants, and a grid with its carbon; read, or made where unknown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twentywatts.errors import InputError
from twentywatts.plan.grid.site import GridOptions, Place, Site
from twentywatts.plan.grid.sun import has_pvlib
from twentywatts.plan.grid.trace import Trace
from twentywatts.plan.grid.weather import carbon_shape, pv_profile, wind_profile

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["Supply", "supply_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Supply:
    """Arrays of shape (steps,): own generation [J] and the grid's carbon.

    marginal_kg_per_j: None where unknown. made: names of figures behind hours that no trace told. known_carbon: the
    trace told the carbon, so no country's spread goes on top.
    """

    pv_j: Array
    wind_j: Array
    carbon_kg_per_j: Array
    marginal_kg_per_j: Array | None
    made: tuple[str, ...]
    notes: tuple[str, ...]
    known_carbon: bool

    @property
    def own_j(self) -> Array:
        """Own generation of each step."""
        return self.pv_j + self.wind_j


def supply_of(trace: Trace, site: Site, options: GridOptions) -> Supply:
    """Return the supply of a site over its trace; raises InputError."""
    import numpy as np

    seed = options.get("seed", 0)
    made: list[str] = []
    notes: list[str] = []
    nothing = np.zeros(trace.steps)
    pv = nothing
    if site.pv_w:
        pv = trace.pv_frac if trace.pv_frac is not None else _made_pv(trace, site, options, made, notes)
    wind = nothing
    if site.wind_w:
        wind = trace.wind_frac if trace.wind_frac is not None else _made_wind(trace, site, options, made, notes)
    source = _carbon_source(trace, options.get("carbon"))
    known = source.carbon_kg_per_j
    if known is None:
        known = site.grid.carbon_kg_per_j.mid * _made_shape(trace, site, seed, made, notes)
    return Supply(
        pv_j=pv * site.pv_w * trace.step_s,
        wind_j=wind * site.wind_w * trace.step_s,
        carbon_kg_per_j=known,
        marginal_kg_per_j=_marginal(trace, source, site),
        made=tuple(made),
        notes=tuple(notes),
        known_carbon=source.carbon_kg_per_j is not None,
    )


def _carbon_source(trace: Trace, other: Trace | None) -> Trace:
    """Return the trace with the carbon that another one tells; raises InputError unless both have the same hours."""
    if other is None:
        return trace
    if (other.start, other.step_s, other.steps) != (trace.start, trace.step_s, trace.steps):
        raise InputError(
            f"{other.name} does not fit {trace.name}: wanted are {trace.steps:,} steps of "
            f"{trace.step_s / 60:g} minutes from {trace.start:%Y-%m-%d %H:%M} UTC on"
        )
    return replace(
        trace,
        carbon_kg_per_j=trace.carbon_kg_per_j if other.carbon_kg_per_j is None else other.carbon_kg_per_j,
        marginal_kg_per_j=trace.marginal_kg_per_j if other.marginal_kg_per_j is None else other.marginal_kg_per_j,
    )


def _marginal(trace: Trace, source: Trace, site: Site) -> Array | None:
    import numpy as np

    if source.marginal_kg_per_j is not None:
        return source.marginal_kg_per_j
    flat = site.grid.marginal_kg_per_j
    return None if flat is None else np.full(trace.steps, flat)


def _needed(site: Site) -> Place:
    if site.place is None:
        raise InputError(
            f"{site.grid.name} is no place where the sun rises: give --latitude and --longitude, or pv_pu, wind_pu and "
            "ci_g_per_kwh in the trace"
        )
    return site.place


def _made_pv(trace: Trace, site: Site, options: GridOptions, made: list[str], notes: list[str]) -> Array:
    place = _needed(site)
    wanted = options.get("pv_yield")
    made += ["pv_losses_frac", *(() if wanted else ("clearness_frac",)), "darkest_frac", "cloud_memory_time_s"]
    how = "pvlib" if has_pvlib() else "our own geometry (pvlib is not installed)"
    notes.append(f"hours of sun are synthetic: a clear sky over {place.name} by {how}, under seeded clouds")
    seed = options.get("seed", 0)
    return pv_profile(trace, (place.latitude, place.longitude), seed=seed, yield_frac=wanted)


def _made_wind(trace: Trace, site: Site, options: GridOptions, made: list[str], notes: list[str]) -> Array:
    place = _needed(site)
    wanted = options.get("wind_yield")
    made += [] if wanted else ["wind_speed_mean_count"]
    made += ["wind_season_frac", "wind_memory_time_s"]
    made += [f"{name}_speed_count" for name in ("cut_in", "rated", "cut_out")]
    notes.append("hours of wind are synthetic: seeded, with memory and a season, through one turbine's power curve")
    return wind_profile(trace, place.latitude, seed=options.get("seed", 0), yield_frac=wanted)


def _made_shape(trace: Trace, site: Site, seed: int, made: list[str], notes: list[str]) -> Array:
    place = _needed(site)
    made += [f"carbon_{name}" for name in ("day_frac", "sun_frac", "weather_frac", "memory_time_s")]
    notes.append(
        "the hourly shape of the grid's carbon is a guess around the country's mean; give ci_g_per_kwh in the trace "
        "before you rely on what waiting saves"
    )
    return carbon_shape(trace, place.longitude, seed=seed)
