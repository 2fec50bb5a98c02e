"""The model as the last resort, where no counter lives: never presented as measured.

    E = T · (idle power + (highest power − idle power) · busy share)

with the powers of ``this-cpu`` (published figures of the processor's kind, wide on virtual machines) and the share of
all processors that this program kept busy. The bounds take every figure at its low or high end. Memory, boards, fans
and accelerators are not in it.
"""

from __future__ import annotations

import os

from twentywatts.meter.contract import How, Reading, Scope
from twentywatts.meter.place import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twentywatts.figures import Figure
    from twentywatts.machines.machine import Machine
    from twentywatts.machines.powers import Power
    from twentywatts.meter.place import Root

__all__ = ["KEY", "modelled"]

KEY = "model:this-cpu"
_FIGURES = ("idle_power_w", "max_power_w")


def modelled(
    duration_s: float, cpu_s: float, *, machine: Machine | None = None, root: Root = ROOT, why: str = ""
) -> Reading:
    """Return the modelled energy of this computer's processor over a window [J], or an unavailable reading.

    duration_s, cpu_s: length of the window and processor time of the program in it [s]. machine: stands in for
    this-cpu. why: reason for modelling, for the notes.
    """
    figures = _powers(root) if machine is None else machine.figures
    count = os.cpu_count() or 1
    busy_frac = min(max(cpu_s / (duration_s * count), 0.0), 1.0) if duration_s > 0 else 0.0
    idle, highest = (figures.get(name) for name in _FIGURES)
    if idle is None or highest is None or duration_s <= 0:
        name = "this-cpu" if machine is None else machine.name
        return _reading(duration_s, None, 0, (f"no counter, and no published power of '{name}'", why))

    def energy_j(idle_w: float, highest_w: float) -> float:
        return duration_s * (idle_w + max(0.0, highest_w - idle_w) * busy_frac)

    bounds = (energy_j(idle.low, highest.low), energy_j(idle.value, highest.value), energy_j(idle.high, highest.high))
    note = f"MODELLED, not measured: processor alone, {busy_frac:.0%} of {count} processors busy with this program"
    return _reading(duration_s, bounds, int(min(idle.evidence, highest.evidence)), (note, idle.condition, why))


def _powers(root: Root) -> Mapping[str, Figure | Power]:
    """Return the powers of this computer's processor."""
    from twentywatts.machines.powers import this_power

    found = this_power(os.fspath(root))
    if found is not None:
        return found
    from pathlib import Path

    from twentywatts.machines.host import this_cpu

    return this_cpu(root=Path(root)).figures


def _reading(
    duration_s: float, bounds_j: tuple[float, float, float] | None, evidence: int, notes: tuple[str, ...]
) -> Reading:
    low_j, energy_j, high_j = bounds_j or (None, None, None)
    return Reading(
        key=KEY,
        component="processor (model)",
        scope=Scope.PACKAGE,
        how=How.UNAVAILABLE if bounds_j is None else How.MODELLED,
        source="model",
        evidence=evidence,
        energy_j=energy_j,
        low_j=low_j,
        high_j=high_j,
        duration_s=duration_s,
        covered_s=0.0,
        notes=tuple(filter(None, notes)),
    )
