"""The contract of the meter: a Source finds Channels, a Channel is one counter, a Reading is what one of them gave.

Everything here and in the sources imports the standard library alone, and every source takes ``root``, a clock and a
reader, so that a folder of plain files is a machine.
"""

from __future__ import annotations

from collections.abc import Callable

from twentywatts.records import StrEnum, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol
else:
    Protocol = object  # typing.Protocol, whose import costs more than this file, only tells a type checker something

__all__ = ["RECORDED", "Channel", "Finding", "How", "Quantity", "ReadError", "Reading", "Scope", "Source"]


RECORDED = "wall:csv:"  # begins the keys of readings that come from a recording, not from a channel


class How(StrEnum):
    """How a joule was obtained, best first; a total is as good as its weakest part."""

    COUNTER = "counter"  # an energy counter that moved and passed every check
    INTEGRATED = "integrated"  # a power sensor, sampled and integrated by us
    ATTRIBUTED = "attributed"  # a share of a wider reading
    MODELLED = "modelled"  # no counter: computed from cited figures
    UNAVAILABLE = "unavailable"  # null, never 0

    @property
    def is_measured(self) -> bool:
        """Whether a counter or a sensor gave the joule itself; a share of what it gave is computed."""
        return self in (How.COUNTER, How.INTEGRATED)


class Scope(StrEnum):
    """What a channel covers. Scopes that overlap are never summed: see ``Channel.inside``."""

    CORE = "core"
    UNCORE = "uncore"
    PACKAGE = "package"
    DRAM = "dram"
    PLATFORM = "platform"  # RAPL psys
    GPU = "gpu"  # board of one accelerator
    GPU_PARTITION = "gpu-partition"
    SOC = "soc"
    MODULE = "module"  # Grace module, Jetson VDD_IN
    RAIL = "rail"  # one supply of a module
    BATTERY = "battery"  # a whole portable device
    HOST = "host"  # a node's own meter (Redfish, IPMI, ACPI)
    WALL = "wall"


class Quantity(StrEnum):
    """What ``Channel.read`` returns."""

    ENERGY = "energy"  # joules since an unspecified zero; wraps at ``range_j``
    POWER = "power"  # watts now


class ReadError(Exception):
    """A channel could not be read this time; the text is the reason (no permission, gone, no data)."""


def _nothing() -> None:
    """Close what holds nothing."""


@record(hidden=("read", "close"))
class Channel:
    """One counter or power sensor.

    key: unique and stable on this machine ("powercap:intel-rapl:0"). component: for people ("cpu 0", "gpu 1 H100").
    step_j: joules of one count (energy), 0 if not known. range_j: the counter wraps here; None: never.
    range_is_known: False where the file with the range is missing. period_s: how often the hardware updates.
    error_frac: published systematic error of the sensor, 0.05 for ±5 % (0: none published); error_source: its key in
    sources.toml, or empty. limit_w: more than this is not plausible. inside: keys of channels that contain this one.
    twin: identity of the physical counter; two channels with one twin are one counter seen twice (MSR and MMIO).
    read: value in joules or watts; raises ReadError. close: gives descriptors back.
    """

    key: str
    component: str
    scope: Scope
    quantity: Quantity
    read: Callable[[], float]
    source: str = ""
    step_j: float = 0.0
    range_j: float | None = None
    range_is_known: bool = True
    period_s: float = 0.001
    error_frac: float = 0.0
    error_source: str = ""
    limit_w: float = 2000.0
    inside: tuple[str, ...] = ()
    twin: str = ""
    notes: tuple[str, ...] = ()
    close: Callable[[], None] = _nothing


@record()
class Finding:
    """What ``doctor`` says of one counter that may exist.

    alive: True or False after a probe under load, None where it was not probed. accuracy: class in words ("±5 %,
    published", "counter, error not published"). fix: exact commands that would help, in order; empty if none does.
    key: of the channel that was found, where ``what`` is a name for people and not that key.
    """

    source: str
    what: str
    found: bool
    readable: bool
    alive: bool | None = None
    accuracy: str = ""
    reason: str = ""
    fix: tuple[str, ...] = ()
    key: str = ""


@record()
class Reading:
    """Joules of one channel over one window.

    energy_j, low_j, high_j: None where unavailable (never 0 for "not read"). first, last: raw values at the edges.
    duration_s: of the window; covered_s: of it with valid samples. errors: reads that failed. wraps: seen.
    evidence: 0 to 4, as figures.Evidence.
    """

    key: str
    component: str
    scope: Scope
    how: How
    source: str
    evidence: int
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    duration_s: float
    covered_s: float
    first: float | None = None
    last: float | None = None
    samples: int = 0
    wraps: int = 0
    errors: int = 0
    period_s: float = 0.0
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """One kind of counter. Modules in meter/sources/ offer ``find(*, root, …) -> Source``.

    channels: those that can be read now, opened. findings: everything that exists or could exist, with its fix.
    Neither raises for a machine that lacks the hardware.
    """

    name: str

    def channels(self) -> list[Channel]:
        """Return the channels that can be read now."""
        ...

    def findings(self) -> list[Finding]:
        """Return what doctor says."""
        ...


Reader = Callable[["Path"], str]
Clock = Callable[[], float]
