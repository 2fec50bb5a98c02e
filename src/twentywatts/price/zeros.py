"""What zeros in weights save on a processor of dense matrices: mostly nothing, and never the doubled peak.

Zeros at random places are loaded and multiplied like any number. Only a pattern that the chip skips (trait
``structured_sparsity``) saves time, and less than its data sheet says. Spiking chips are billed by events instead
(docs/method/neuromorphic.md). docs/method/zeros.md has the measurements.
"""

from __future__ import annotations

from functools import cache

from twentywatts.errors import InputError, nearest
from twentywatts.figures import Figure, load_figures
from twentywatts.machines import Machine
from twentywatts.uncertain import Interval

__all__ = ["PATTERNS", "zeros_energy_ratio"]

PATTERNS = {
    "unstructured": "unstructured_speedup_count",
    "2:4": "structured_2_4_speedup_count",
    "6:8": "structured_6_8_speedup_count",
}
_HALVES = "2:4"


@cache
def _figures() -> dict[str, Figure]:
    return load_figures("zeros")


def zeros_energy_ratio(machine: Machine, pattern: str) -> Interval:
    """Return joules with zeros over joules without, for arithmetic-bound work, with its 90 % interval.

    pattern: ``unstructured``, ``2:4`` or ``6:8``. A chip without the pattern in its trait saves nothing: 1, but for
    what a sparse format costs. Energy follows time: a busy chip draws nearly the same power. Raises InputError for an
    unknown pattern, and for a machine that is no processor.
    """
    if pattern not in PATTERNS:
        raise InputError(
            f"unknown pattern '{pattern}'{nearest(pattern, PATTERNS)}, wanted one of {', '.join(PATTERNS)}"
        )
    if machine.family != "processor":
        raise InputError(f"'{machine.name}' is no processor of dense matrices: its price counts events or array reads")
    skips = machine.traits.get("structured_sparsity") == _HALVES
    figure = _figures()[PATTERNS[pattern if skips or pattern == "unstructured" else "unstructured"]]
    return Interval(low=1.0 / figure.high, mid=1.0 / figure.value, high=1.0 / figure.low)
