"""From readings to one total, and to a Ledger of the same type as a predicted one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from twentywatts.errors import TwentyWattsError
from twentywatts.meter.contract import How, Reading, Scope
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.ledger import Ledger
    from twentywatts.uncertain import Array, Spread

__all__ = ["Total", "ledger_of", "total_of"]

_BOUNDARIES = {Scope.DRAM: "device", Scope.GPU: "device", Scope.MODULE: "device", Scope.PLATFORM: "device"}
_BOUNDARIES |= {Scope.GPU_PARTITION: "device", Scope.BATTERY: "system", Scope.HOST: "system", Scope.WALL: "system"}
_PROCESSOR = (Scope.PACKAGE, Scope.SOC, Scope.MODULE, Scope.CORE, Scope.RAIL, Scope.PLATFORM)
_WHOLE = (Scope.BATTERY, Scope.HOST, Scope.WALL)


@record()
class Total:
    """The sum of readings that do not overlap.

    energy_j, low_j, high_j: None where nothing could be read. how, evidence: of its weakest part. parts: the readings
    that are in it. missing: readings that belong in it and could not be taken.
    """

    energy_j: float | None
    low_j: float | None
    high_j: float | None
    how: How
    evidence: int
    parts: tuple[Reading, ...] = ()
    missing: tuple[Reading, ...] = ()

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What a reader of this total must not think is in it."""
        found = [f"{reading.component}: {'; '.join(reading.notes)}" for reading in self.missing]
        scopes = {reading.scope for reading in self.parts}
        if scopes and not scopes & {*_PROCESSOR, *_WHOLE}:
            found.append("the processor: no live counter")
        if scopes and not scopes & {Scope.DRAM, Scope.MODULE, Scope.PLATFORM, *_WHOLE}:
            found.append("main memory: no live counter")
        if not scopes & set(_WHOLE):
            found.append("power supply, fans, disks and network of the computer")
        return tuple(found)


def total_of(readings: Iterable[Reading]) -> Total:
    """Return the sum of readings that do not overlap; unavailable ones are named, never counted as 0."""
    asked = tuple(readings)
    parts = tuple(reading for reading in asked if reading.energy_j is not None)
    missing = tuple(reading for reading in asked if reading.energy_j is None)
    if not parts:
        return Total(energy_j=None, low_j=None, high_j=None, how=How.UNAVAILABLE, evidence=0, missing=missing)
    order = list(How)
    return Total(
        energy_j=sum(reading.energy_j or 0.0 for reading in parts),
        low_j=sum(reading.low_j or 0.0 for reading in parts),
        high_j=sum(reading.high_j or 0.0 for reading in parts),
        how=max((reading.how for reading in parts), key=order.index),
        evidence=min(reading.evidence for reading in parts),
        parts=parts,
        missing=missing,
    )


def ledger_of(
    total: Total,
    *,
    name: str = "",
    per: str = "run",
    count: float = 1.0,
    duration_s: float = 0.0,
    gains: Mapping[str, tuple[float, str]] | None = None,
) -> Ledger:
    """Return the account of a measured program, joules per ``per``; raises TwentyWattsError where nothing was read.

    count: units in the window. gains: published systematic error [fraction] and its source by channel, so that one
    sensor's error cancels in the ratio of two windows.
    """
    from twentywatts.figures import Boundary, Evidence
    from twentywatts.ledger import Cause, Entry, Ledger
    from twentywatts.uncertain import Spread

    if total.energy_j is None:
        reasons = "; ".join(total.not_covered) or "no counter was found"
        raise TwentyWattsError(f"nothing was measured ({reasons}); `twentywatts doctor` tells what would help")
    import numpy as np

    gains = gains or {}
    entries = tuple(
        Entry(
            part=reading.component,
            cause=Cause.UNSPLIT,
            energy_j=_spread(reading, name, gains) * (1 / count),
            scope=Boundary(_BOUNDARIES.get(reading.scope, "chip")),
            evidence=Evidence(reading.evidence),
            sources=tuple(filter(None, (gains.get(reading.key, (0.0, ""))[1],))),
            note="; ".join((str(reading.how), *reading.notes)),
        )
        for reading in total.parts
    )
    return Ledger(
        machine="this-machine",
        per=per,
        boundary=max((entry.scope for entry in entries), key=lambda scope: scope.rank),
        entries=entries,
        latency_s=Spread(np.full(len(entries[0].energy_j.values), duration_s / count)),
        count=count,
        notes=(f"measured: {name}",) if name and total.how is not How.MODELLED else (),
        not_covered=total.not_covered,
    )


def _spread(reading: Reading, name: str, gains: Mapping[str, tuple[float, str]]) -> Spread:
    """Return the draws of one reading: its sensor's own error shared by key, the rest independent by window."""
    import numpy as np

    from twentywatts.uncertain import DRAW_COUNT, Z95, Spread, standard_normal

    mid_j, low_j, high_j = reading.energy_j or 0.0, reading.low_j or 0.0, reading.high_j or 0.0
    gain = min(gains.get(reading.key, (0.0, ""))[0], 1.0)
    shared = standard_normal(f"meter.{reading.key}", draws=DRAW_COUNT, seed=0)
    own = standard_normal(f"meter.{reading.key}.{name}.{reading.first}.{mid_j}", draws=DRAW_COUNT, seed=0)
    values = np.empty(1 + DRAW_COUNT)
    values[0] = mid_j
    values[1:] = mid_j * (1 + gain / Z95 * shared) + _scaled(own, (low_j, mid_j, high_j), gain)
    return Spread(np.maximum(values, 0.0))


def _scaled(z: Array, bounds_j: Sequence[float], gain: float) -> Array:
    """Return two-piece normal deviations [J] for what the gain leaves of the interval."""
    import numpy as np

    from twentywatts.uncertain import Z95

    low_j, mid_j, high_j = bounds_j
    below = max(0.0, mid_j - low_j - gain * mid_j) / Z95
    above = max(0.0, high_j - mid_j - gain * mid_j) / Z95
    return z * np.where(z < 0, below, above)
