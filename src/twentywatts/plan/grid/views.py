"""What a schedule looks like: tables of ways and periods, two weeks of hours, the answer in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twentywatts.plan.grid.account import Account
from twentywatts.plan.grid.supply import Supply
from twentywatts.plan.grid.trace import Trace
from twentywatts.plan.inputs import point
from twentywatts.plan.result import Row, Series, Table
from twentywatts.plan.words import quantity_text
from twentywatts.uncertain import Interval
from twentywatts.units import DAY_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["periods_table", "sentences", "ways_table", "weeks"]

_PER = {"whole time": "over the whole time"}
_WEEK_S = 7 * DAY_S


def ways_table(found: tuple[Account, ...], carbon: Mapping[str, Interval]) -> Table:
    """Return each case with its share, joules and carbon."""
    labels = {
        "carbon_kg": "carbon, average",
        "matched_frac": "matched",
        "curtailed_frac": "curtailed",
        "grid_energy_j": "from the grid",
    }
    if found[0].marginal_kg is not None:
        labels["marginal_kg"] = "carbon, margin"
    return Table(
        name="ways", title="What the site can do", labels=labels, rows=tuple(_row(each, carbon) for each in found)
    )


def _row(account: Account, carbon: Mapping[str, Interval]) -> Row:
    numbers = {
        "carbon_kg": carbon[f"use {account.case}"],
        "matched_frac": point(account.matched_frac),
        "curtailed_frac": point(account.curtailed_frac),
        "grid_energy_j": point(account.grid_j),
    }
    if account.marginal_kg is not None:
        numbers["marginal_kg"] = point(account.marginal_kg)
    return Row(name=account.case, numbers=numbers)


def periods_table(shares: Mapping[str, float]) -> Table:
    """Return how the matched share grows when it is counted over longer periods."""
    rows = tuple(
        Row(name=_PER.get(name, f"per {name}"), numbers={"share_frac": point(v)}) for name, v in shares.items()
    )
    title = "The same plants, counted over longer periods (as it comes, without battery and waiting)"
    return Table(name="periods", title=title, labels={"share_frac": "Σ min(own, load) / Σ load"}, rows=rows)


def sentences(found: tuple[Account, ...], shares: Mapping[str, float], saved: Interval) -> tuple[str, ...]:
    """Return the answer in words."""
    first, best = found[0], found[-1]
    texts = []
    if len(shares) > 1 and shares["whole time"] > 0:
        texts.append(
            f"Over the whole time own generation covers {_percent(shares['whole time'])} of the load, hour by hour "
            f"{_percent(first.matched_frac)}"
            + (f", and {_percent(best.matched_frac)} {best.case}." if len(found) > 1 else ".")
        )
    if "waiting" in best.case:
        texts.append(f"Waiting saves {quantity_text('saved_carbon_kg', saved)} of CO2 equivalent, knowing the future.")
    grid = quantity_text("grid_energy_j", point(best.grid_j))
    texts.append(f"{grid} come from the grid; {_percent(best.curtailed_frac)} of the own generation finds no use here.")
    return tuple(texts)


def _percent(share: float) -> str:
    return quantity_text("share_frac", point(share))


def weeks(trace: Trace, supply: Supply, account: Account) -> tuple[Series, ...]:
    """Return the weeks in which own generation meets most and least of the load, step by step, in watts."""
    import numpy as np

    width = min(trace.steps, round(_WEEK_S / trace.step_s))
    starts = np.arange(0, trace.steps - width + 1, width)
    schedule = account.schedule
    load = np.array([schedule.load_j[at : at + width].sum() for at in starts])
    grid = np.array([schedule.grid_j[at : at + width].sum() for at in starts])
    matched = 1 - grid / np.where(load > 0, load, 1.0)
    chosen = {"best": int(matched.argmax()), "worst": int(matched.argmin())}
    if chosen["best"] == chosen["worst"]:
        chosen = {"only": 0}
    return tuple(
        _week(name, trace, supply, account, slice(int(starts[at]), int(starts[at]) + width))
        for name, at in chosen.items()
    )


def _week(name: str, trace: Trace, supply: Supply, account: Account, span: slice) -> Series:
    schedule = account.schedule
    parts = {
        "pv_power_w": supply.pv_j,
        "wind_power_w": supply.wind_j,
        "discharge_power_w": schedule.discharge_j,
        "grid_power_w": schedule.grid_j,
        "charge_power_w": schedule.charge_j,
        "load_power_w": schedule.load_j,
    }
    values = {key: _rounded(part[span] / trace.step_s) for key, part in parts.items() if part.any()}
    values["asked_power_w"] = _rounded(trace.load_j[span] / trace.step_s)
    values["carbon_kg_per_j"] = _rounded(supply.carbon_kg_per_j[span])
    title = {"best": "The best week", "worst": "The worst week", "only": "The hours"}[name]
    start = trace.time_of(span.start).isoformat().replace("+00:00", "Z")
    return Series(name=name, title=title, start=start, step_s=trace.step_s, labels=_labels(values), values=values)


def _rounded(values: Array) -> tuple[float, ...]:
    """Return numbers with four digits: a drawing needs no more."""
    return tuple(float(f"{value:.4g}") for value in values.tolist())


def _labels(values: Mapping[str, object]) -> dict[str, str]:
    names = {
        "pv_power_w": "own sun",
        "wind_power_w": "own wind",
        "discharge_power_w": "from the battery",
        "grid_power_w": "from the grid",
        "charge_power_w": "into the battery",
        "load_power_w": "load, as scheduled",
        "asked_power_w": "load, as asked",
        "carbon_kg_per_j": "carbon of the grid",
    }
    return {key: names[key] for key in values}
