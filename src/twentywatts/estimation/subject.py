"""Subject: what is estimated, and how one row of it comes about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from twentywatts.estimation.places import Place
from twentywatts.estimation.result import EstimationRow, ModelCard
from twentywatts.figures import Boundary
from twentywatts.ledger import Ledger
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array, Interval, Spread

__all__ = ["Subject", "row_of", "with_batch"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A model and its use. what: one unit in words (``One chat reply``). batches: from a lone user to a full server.

    row: (place, batch, scenario) → one row; raises RefusedError where the place cannot hold it.
    """

    model: ModelCard
    use: Mapping[str, float | str]
    what: str
    batches: Callable[[Place], tuple[int, ...]]
    row: Callable[[Place, int, Scenario], EstimationRow]
    notes: tuple[str, ...] = ()


def with_batch(scenario: Scenario, batch: int) -> Scenario:
    """Return the scenario for so many requests at a time."""
    return replace(scenario, batch=batch)


def row_of(
    place: Place, batch: int, ledger: Ledger, *, units: float, unit: str, step_share: Array | float
) -> EstimationRow:
    """Return a row from its ledger. units: written per request. step_share: seconds of one step over those of a batch.

    The mean power is joules of all requests over the seconds of the batch, draw by draw: a common error
    cancels. No draw of chips alone lies below their idle power or above their limit.
    """
    energy, latency = ledger.energy_j.values, ledger.latency_s.values
    count = max(units, 1.0)
    return EstimationRow(
        machine=place.name,
        title=place.machine.title,
        chip_count=place.chip_count,
        batch=batch,
        ledger=ledger,
        energy_j_per_unit=Spread(energy / count).interval,
        unit=unit,
        units_per_s=Spread(count * batch / latency).interval,
        step_s=Spread(latency * np.asarray(step_share)).interval if units else Interval(low=0.0, mid=0.0, high=0.0),
        power_w=_power_w(energy * batch / latency, place, ledger.boundary),
    )


def _power_w(drawn_w: Array, place: Place, boundary: str) -> Interval:
    """Return the interval of drawn powers, held to what the chips can draw where it is theirs alone."""
    figures = place.machine.figures
    if Boundary(boundary).rank > Boundary.DEVICE.rank or not {"idle_power_w", "max_power_w"} <= figures.keys():
        return Spread(drawn_w).interval
    idle_w, most_w = (place.chip_count * figures[key].value for key in ("idle_power_w", "max_power_w"))
    return Spread(np.clip(drawn_w, min(idle_w, drawn_w[0]), max(most_w, drawn_w[0]))).interval
