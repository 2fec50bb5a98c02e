"""Hours of a site: load, and where known, weather and carbon of the grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from twentywatts.errors import InputError
from twentywatts.units import HOUR_S, YEAR_S

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["Trace", "flat_year", "with_pue"]

_YEAR_HOURS = round(YEAR_S / HOUR_S)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Equal steps from ``start`` (UTC) on; arrays of shape (steps,), None where nothing is known.

    load_w: mean power of the step. carbon_kg_per_j, marginal_kg_per_j: of the grid's electricity, average and of one
    more joule. pv_frac, wind_frac: output over rated power. temperature_c: of the air. ignored: columns not read.
    """

    name: str
    start: datetime
    step_s: float
    load_w: Array | None
    carbon_kg_per_j: Array | None = None
    marginal_kg_per_j: Array | None = None
    pv_frac: Array | None = None
    wind_frac: Array | None = None
    temperature_c: Array | None = None
    steps: int
    ignored: tuple[str, ...] = ()

    @property
    def time_s(self) -> float:
        """The length of the whole trace."""
        return self.step_s * self.steps

    @property
    def load_j(self) -> Array:
        """Energy asked in each step; raises InputError where the trace has no load."""
        if self.load_w is None:
            raise InputError(f"{self.name} has no load: wanted is a column load_w, load_kw, load_mw or load_gw")
        return self.load_w * self.step_s

    def time_of(self, step: int) -> datetime:
        """Return when a step begins, in UTC."""
        return self.start + timedelta(seconds=self.step_s * step)


def flat_year(power_w: float, year: int) -> Trace:
    """Return 8,760 hours of the same load, from the first of January on."""
    import numpy as np

    return Trace(
        name=f"{power_w / 1e6:g} MW, always",
        start=datetime.fromisoformat(f"{year:04d}-01-01T00:00:00+00:00"),
        step_s=HOUR_S,
        load_w=np.full(_YEAR_HOURS, float(power_w)),
        steps=_YEAR_HOURS,
    )


def with_pue(trace: Trace, points: tuple[tuple[float, float], ...]) -> Trace:
    """Return the trace with the data centre's overhead on its load, by the air's temperature.

    points: (temperature [°C], PUE) in rising order; straight lines between them, constant outside. One point alone
    needs no temperature. Raises InputError.
    """
    import numpy as np

    if not points or any(value < 1.0 for _, value in points):
        raise InputError("PUE is at least 1: the facility uses all that its computers use")
    temperatures = [temperature for temperature, _ in points]
    if any(later <= earlier for earlier, later in pairwise(temperatures)):
        raise InputError("the temperatures of PUE must rise, such as 10:1.1,35:1.4")
    if trace.load_w is None:
        return trace
    if len(points) == 1:
        return replace(trace, load_w=trace.load_w * points[0][1])
    if trace.temperature_c is None:
        raise InputError("PUE by temperature needs a column temp_c in the trace; give one number, such as --pue 1.2")
    factors = np.interp(trace.temperature_c, temperatures, [value for _, value in points])
    return replace(trace, load_w=trace.load_w * factors)
