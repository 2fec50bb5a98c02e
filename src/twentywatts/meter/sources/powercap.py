"""RAPL by the powercap files: /sys/class/powercap/intel-rapl:0/energy_uj (Intel and AMD; by MSR, MMIO or TPMI).

A package holds core and uncore; dram stands beside it; psys is the platform that holds them all. The counter has 32
bits, so its step is ``max_energy_range_uj / (2**32 - 1)`` and it wraps one step after its largest value.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.place import ROOT, Place
from twentywatts.meter.sources import advice, rapl
from twentywatts.meter.sources.files import DeniedError, FoundSource, GoneError, Tree, gather, natural, read_text
from twentywatts.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["find"]

NAME = "powercap"
_MICRO = 1e-6  # joules per microjoule
_COUNTS = 2**32 - 1
_SHORTEST_RANGE_J = 2.0**16  # of the units in use, 2^-16 J is the smallest; how often to look where none is told
_STEP_J = (1e-8, 1.0)  # a step outside of this comes from a broken range file
_CONTROL = frozenset("abcdefghijklmnopqrstuvwxyz-")  # letters of "intel-rapl-mmio"
_LIMITS = tuple(f"constraint_{number}_max_power_uw" for number in range(10))
_NO_RANGE = "max_energy_range_uj cannot be used: a wrap looks like a reset"


class _Zone(NamedTuple):
    """One folder of powercap. ident: "intel-rapl:0:1"; parent: "intel-rapl:0" or empty; name: what it says it is."""

    ident: str
    folder: Place
    parent: str
    name: str

    @property
    def key(self) -> str:
        return f"{NAME}:{self.ident}"

    @property
    def control(self) -> str:
        return self.ident.partition(":")[0]


def find(*, root: Root = ROOT, reader: Reader = read_text) -> Source:
    """Return the RAPL zones of the machine in ``root`` (a container may have its host's below /host)."""
    tree = Tree(root, reader)
    for place in (("sys",), ("host", "sys")):
        zones = list(_zones(tree, tree.at(*place, "class", "powercap")))
        if zones:  # the first face of a counter is the one that is kept: MSR before MMIO
            return _source(tree, sorted(zones, key=lambda zone: (zone.control != "intel-rapl", natural(zone.ident))))
    reason, fix = advice.no_powercap(tree)
    if any("rapl" in name for name in tree.names(tree.at("sys", "class", "powercap"))):
        reason, fix = "there are RAPL zones, but their folders cannot be seen from here", advice.container()
    said = Finding(source=NAME, what="RAPL zones", found=False, readable=False, reason=reason, fix=fix)
    return FoundSource(name=NAME, said=(said,))


def _zones(tree: Tree, folder: Place) -> Iterator[_Zone]:
    """Yield every zone once, whether sub-zones stand beside their package, inside it, or both."""
    seen: set[str] = set()
    waiting = [(folder, name) for name in tree.names(folder)]
    while waiting:
        above, ident = waiting.pop(0)
        path, parts = above / ident, _parts(ident)
        inside = tree.names(path) if "rapl" in ident and ident not in seen else []
        real = os.path.realpath(path)
        if not inside or real in seen:
            continue
        seen |= {ident, real}
        waiting += [(path, name) for name in inside if _parts(name) and name not in seen]
        if parts:
            parent = ":".join(parts[:2]) if len(parts) == 3 else ""
            yield _Zone(ident, path, parent, tree.text_or(path / "name"))


def _parts(ident: str) -> list[str]:
    """Return the parts of a zone's name such as "intel-rapl:0:1", none where it is no zone."""
    parts = ident.split(":")
    is_zone = "rapl" in parts[0] and _CONTROL.issuperset(parts[0]) and len(parts) in (2, 3)
    return parts if is_zone and all(part.isdecimal() for part in parts[1:]) else []


def _source(tree: Tree, zones: Sequence[_Zone]) -> Source:
    candidates = []
    unknown = []
    for zone in zones:
        scope = rapl.scope_of(zone.name)
        if scope is None:
            reason = f"no domain that is known: {zone.name!r}" if zone.name else "its name cannot be read"
            unknown.append(Finding(source=NAME, what=zone.key, found=True, readable=False, reason=reason))
        else:
            candidates.append(_channel(tree, zone, scope, zones))
    source = gather(NAME, candidates, advise=_advise, others=unknown)
    source.found = tuple(rapl.nested(source.found))
    return source


def _advise(channel: Channel, error: ReadError) -> tuple[str, ...]:
    if isinstance(error, DeniedError):
        return advice.powercap_permission()
    return advice.container() if isinstance(error, GoneError) else ()


def _channel(tree: Tree, zone: _Zone, scope: Scope, zones: Sequence[_Zone]) -> Channel:
    read, close = tree.meter(zone.folder / "energy_uj", _MICRO)
    parent = _parent(zone, zones)
    step_j, range_j = _range(tree, zone)
    notes: tuple[str, ...] = () if step_j else (_NO_RANGE,)
    if "-die-" in zone.name:
        notes += ("a zone per die: some processors show their whole socket in each",)
    return Channel(
        key=zone.key,
        component=rapl.component(zone.name, parent.name if parent else ""),
        scope=scope,
        quantity=Quantity.ENERGY,
        read=read,
        source=NAME,
        step_j=step_j,
        range_j=range_j,
        range_is_known=step_j > 0.0,
        limit_w=tree.limit_w(zone.folder, _LIMITS),
        twin=_twin(zone, zones),
        notes=notes,
        close=close,
    )


def _range(tree: Tree, zone: _Zone) -> tuple[float, float]:
    """Return (step [J], where the counter wraps [J]).

    Where the file is missing, 0 or not believable the step is 0 and the range the shortest in use: the counter is read
    often enough, but a wrap cannot be told from a reset.
    """
    largest = tree.count_or(zone.folder / "max_energy_range_uj") or 0
    step_j = largest * _MICRO / _COUNTS
    if not _STEP_J[0] <= step_j <= _STEP_J[1]:
        return 0.0, _SHORTEST_RANGE_J
    return step_j, largest * _MICRO + step_j


def _twin(zone: _Zone, zones: Sequence[_Zone]) -> str:
    """Return what a zone has in common with its other faces (MSR, MMIO, perf): "rapl:package-0:dram"."""
    parent = _parent(zone, zones)
    place = (zone.control, zone.parent, zone.name)
    same = [other.ident for other in zones if (other.control, other.parent, other.name) == place]
    twin = f"{_twin(parent, zones) if parent else 'rapl'}:{zone.name}"
    return twin if same[0] == zone.ident else f"{twin}#{same.index(zone.ident)}"


def _parent(zone: _Zone, zones: Sequence[_Zone]) -> _Zone | None:
    return next((other for other in zones if other.ident == zone.parent), None) if zone.parent else None
