"""What a schedule is worth: matched share, curtailment, carbon; and how "100 % renewable" fades with the period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twentywatts.plan.grid.program import Battery, Dispatch, Hours, Waiting, dispatch
from twentywatts.plan.grid.site import Site
from twentywatts.plan.grid.supply import Supply
from twentywatts.plan.grid.trace import Trace
from twentywatts.plan.inputs import bundled
from twentywatts.units import DAY_S, HOUR_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["CASES", "Account", "accounts", "matched_by_period"]

CASES = ("as it comes", "with the battery", "with waiting", "with battery and waiting")
_ROUNDING_FRAC = 1e-9  # sums of a year of steps agree within far less
_PERIODS_S = {"hour": HOUR_S, "day": DAY_S, "week": 7 * DAY_S, "30 days": 30 * DAY_S}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Account:
    """One case in numbers over the whole trace.

    matched_frac: load met by own generation, at once or through the battery. curtailed_frac: of the own generation that
    nobody used. carbon_kg, marginal_kg: of the grid's joules, at the mid intensities; marginal None where unknown.
    """

    case: str
    schedule: Dispatch
    matched_frac: float
    curtailed_frac: float
    grid_j: float
    carbon_kg: float
    marginal_kg: float | None


def accounts(trace: Trace, site: Site, supply: Supply) -> tuple[Account, ...]:
    """Return what this site can do, the least first: as it comes, then with battery, waiting, both, as it has them."""
    import numpy as np

    load = trace.load_j
    cost = supply.carbon_kg_per_j if site.aim == "carbon" else np.ones_like(load)
    hours = Hours(load_j=load, own_j=supply.own_j, cost=cost)
    battery = _battery(site, trace.step_s) if site.battery_j else None
    waiting = _waiting(site, trace.step_s) if site.flexible_frac else None
    cases: Mapping[str, tuple[Battery | None, Waiting | None]] = dict(
        zip(CASES, ((None, None), (battery, None), (None, waiting), (battery, waiting)), strict=True)
    )
    missing = ("battery" if battery is None else "\x00", "waiting" if waiting is None else "\x00")
    chosen = {name: pair for name, pair in cases.items() if not any(word in name for word in missing)}
    return tuple(_account(name, dispatch(hours, *pair), supply) for name, pair in chosen.items())


def _battery(site: Site, step_s: float) -> Battery:
    efficiency = bundled("grid_site")["battery_efficiency_frac"].interval.mid
    return Battery(capacity_j=site.battery_j, step_j=site.battery_w * step_s, efficiency_frac=efficiency)


def _waiting(site: Site, step_s: float) -> Waiting:
    steps = max(1, round(site.wait_s / step_s))
    return Waiting(share_frac=site.flexible_frac, steps=steps, most_j=site.most_w * step_s)


def _account(case: str, schedule: Dispatch, supply: Supply) -> Account:
    load_j, grid_j, own_j = (float(part.sum()) for part in (schedule.load_j, schedule.grid_j, supply.own_j))
    used_j = load_j - grid_j + float((schedule.charge_j - schedule.discharge_j).sum())
    marginal = supply.marginal_kg_per_j
    return Account(
        case=case,
        schedule=schedule,
        matched_frac=min(max(1.0 - grid_j / load_j, 0.0), 1.0),
        curtailed_frac=_curtailed_frac(used_j, own_j),
        grid_j=grid_j,
        carbon_kg=float((schedule.grid_j * supply.carbon_kg_per_j).sum()),
        marginal_kg=None if marginal is None else float((schedule.grid_j * marginal).sum()),
    )


def _curtailed_frac(used_j: float, own_j: float) -> float:
    """Return the share of the own generation that found no use; what is left of rounding sums of a year is none."""
    left_frac = 1.0 - used_j / own_j if own_j else 0.0
    return min(left_frac, 1.0) if left_frac > _ROUNDING_FRAC else 0.0


def matched_by_period(load_j: Array, own_j: Array, step_s: float) -> dict[str, float]:
    """Return Σ min(own, load) / Σ load where both are summed over each period first, whole trace last.

    A longer period forgives more: each share is at least that of any period that divides it.
    """
    import numpy as np

    shares = {}
    steps = len(load_j)
    for name, period_s in (*_PERIODS_S.items(), ("whole time", step_s * steps)):
        width = max(1, round(period_s / step_s))
        if width <= steps:
            starts = np.arange(0, steps, width)
            load, own = np.add.reduceat(load_j, starts), np.add.reduceat(own_j, starts)
            shares[name] = float(np.minimum(load, own).sum() / load.sum())
    return shares
