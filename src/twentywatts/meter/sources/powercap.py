"""RAPL by the powercap files: /sys/class/powercap/intel-rapl:0/energy_uj (Intel and AMD; by MSR, MMIO or TPMI).

A package holds core and uncore; dram stands beside it; psys is the platform that holds them all. The counter has 32
bits, so its step is ``max_energy_range_uj / (2**32 - 1)`` and it wraps one step after its largest value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.sources import advice
from twentywatts.meter.sources.files import DeniedError, FoundSource, GoneError, Tree, natural, read_text

__all__ = ["find"]

NAME = "powercap"
_MICRO = 1e-6  # joules per microjoule
_COUNTS = 2**32 - 1
_STEP_J = (1e-8, 1.0)  # a step outside of this comes from a broken range file
_LIMIT_W = 2000.0  # no zone draws more, unless its own power limit says so
_ZONE = re.compile(r"([a-z-]*rapl[a-z-]*):(\d+)(?::(\d+))?")
_PACKAGE = re.compile(r"package-(\d+)(?:-die-(\d+))?")
_SCOPES = {"core": Scope.CORE, "uncore": Scope.UNCORE, "dram": Scope.DRAM, "psys": Scope.PLATFORM}
_WORDS = {"core": "cores", "uncore": "uncore", "dram": "memory"}
_NO_RANGE = "max_energy_range_uj cannot be used: a wrap looks like a reset"


@dataclass(frozen=True, slots=True)
class _Zone:
    """One folder of powercap. ident: "intel-rapl:0:1"; parent: "intel-rapl:0" or empty; name: what it says it is."""

    ident: str
    folder: Path
    parent: str
    name: str

    @property
    def key(self) -> str:
        return f"{NAME}:{self.ident}"

    @property
    def control(self) -> str:
        return self.ident.partition(":")[0]


def find(*, root: Path = Path("/"), reader: Reader = read_text) -> Source:
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


def _zones(tree: Tree, folder: Path) -> Iterator[_Zone]:
    """Yield every zone once, whether sub-zones stand beside their package, inside it, or both."""
    seen: set[str] = set()
    waiting = [(folder, name) for name in tree.names(folder)]
    while waiting:
        above, ident = waiting.pop(0)
        path, parts = above / ident, _ZONE.fullmatch(ident)
        inside = tree.names(path) if "rapl" in ident and ident not in seen else []
        if not inside:
            continue
        seen.add(ident)
        waiting += [(path, name) for name in inside if _ZONE.fullmatch(name) and name not in seen]
        if parts:
            parent = f"{parts[1]}:{parts[2]}" if parts[3] else ""
            yield _Zone(ident, path, parent, tree.text_or(path / "name"))


def _source(tree: Tree, zones: Sequence[_Zone]) -> Source:
    channels, findings = [], []
    for zone in zones:
        scope = _scope(zone)
        if scope is None:
            reason = f"a zone named {zone.name!r} is not one that is known" if zone.name else "it has no name"
            findings.append(_finding(zone.key, readable=False, reason=reason))
            continue
        channel = _channel(tree, zone, scope, zones)
        try:
            channel.read()
        except ReadError as error:
            findings.append(_unreadable(channel, error))
        else:
            channels.append(channel)
            findings.append(_finding(channel.key, readable=True, reason="; ".join(channel.notes)))
    return FoundSource(name=NAME, found=tuple(channels), said=tuple(findings))


def _finding(what: str, *, readable: bool, reason: str = "", fix: tuple[str, ...] = ()) -> Finding:
    accuracy = "counter, error not published" if readable else ""
    return Finding(source=NAME, what=what, found=True, readable=readable, accuracy=accuracy, reason=reason, fix=fix)


def _unreadable(channel: Channel, error: ReadError) -> Finding:
    fix: tuple[str, ...] = ()
    if isinstance(error, DeniedError):
        fix = advice.powercap_permission()
    elif isinstance(error, GoneError):
        fix = advice.container()
    return _finding(channel.key, readable=False, reason=str(error), fix=fix)


def _scope(zone: _Zone) -> Scope | None:
    return Scope.PACKAGE if _PACKAGE.fullmatch(zone.name) else _SCOPES.get(zone.name)


def _channel(tree: Tree, zone: _Zone, scope: Scope, zones: Sequence[_Zone]) -> Channel:
    read, close = tree.meter(zone.folder / "energy_uj", _MICRO)
    step_j, range_j = _range(tree, zone)
    notes: tuple[str, ...] = () if range_j is not None else (_NO_RANGE,)
    die = _PACKAGE.fullmatch(zone.name)
    if die and die[2] is not None:
        notes += ("a zone per die: some processors show their whole socket in each",)
    return Channel(
        key=zone.key,
        component=_component(zone, zones),
        scope=scope,
        quantity=Quantity.ENERGY,
        read=read,
        source=NAME,
        step_j=step_j,
        range_j=range_j,
        range_is_known=range_j is not None,
        limit_w=_limit_w(tree, zone),
        inside=_inside(zone, scope, zones),
        twin=_twin(zone, zones),
        notes=notes,
        close=close,
    )


def _range(tree: Tree, zone: _Zone) -> tuple[float, float | None]:
    """Return (step [J], where the counter wraps [J]); (0, None) where the file is missing, 0 or not believable."""
    largest = tree.count_or(zone.folder / "max_energy_range_uj")
    step_j = (largest or 0) * _MICRO / _COUNTS
    if largest is None or not _STEP_J[0] <= step_j <= _STEP_J[1]:
        return 0.0, None
    return step_j, largest * _MICRO + step_j


def _limit_w(tree: Tree, zone: _Zone) -> float:
    """Return the power that this zone cannot exceed [W]: half as much again as its own limit, at least 2 kW."""
    files = (name for name in tree.names(zone.folder) if re.fullmatch(r"constraint_\d_max_power_uw", name))
    limits = [(tree.count_or(zone.folder / name) or 0) * _MICRO for name in files]
    believable = [limit for limit in limits if limit < 10 * _LIMIT_W]
    return max([_LIMIT_W, *(1.5 * limit for limit in believable)])


def _parent(zone: _Zone, zones: Sequence[_Zone]) -> _Zone | None:
    return next((other for other in zones if other.ident == zone.parent), None) if zone.parent else None


def _inside(zone: _Zone, scope: Scope, zones: Sequence[_Zone]) -> tuple[str, ...]:
    """Return the keys that contain this zone: core and uncore their package (each of its faces), all the platform."""
    if scope is Scope.PLATFORM:
        return ()
    keys = [other.key for other in zones if _scope(other) is Scope.PLATFORM]
    parent = _parent(zone, zones)
    if parent and scope in (Scope.CORE, Scope.UNCORE):
        twin = _twin(parent, zones)
        keys = [other.key for other in zones if _twin(other, zones) == twin] + keys
    return tuple(keys)


def _twin(zone: _Zone, zones: Sequence[_Zone]) -> str:
    """Return what a zone has in common with its other faces (MSR, MMIO, perf): "rapl:package-0:dram"."""
    parent = _parent(zone, zones)
    same = [other.ident for other in zones if (other.control, other.parent, other.name) == _place(zone)]
    twin = f"{_twin(parent, zones) if parent else 'rapl'}:{zone.name}"
    return twin if same[0] == zone.ident else f"{twin}#{same.index(zone.ident)}"


def _place(zone: _Zone) -> tuple[str, str, str]:
    return zone.control, zone.parent, zone.name


def _component(zone: _Zone, zones: Sequence[_Zone]) -> str:
    """Return the name for people: "cpu 0", "cpu 0 die 1", "cpu 0 memory", "platform"."""
    if zone.name == "psys":
        return "platform"
    parent = _parent(zone, zones)
    package = _PACKAGE.fullmatch(parent.name if parent else zone.name)
    if package is None:
        return f"{zone.name} ({zone.ident})"
    words = f"cpu {package[1]}" + (f" die {package[2]}" if package[2] is not None else "")
    return f"{words} {_WORDS.get(zone.name, zone.name)}" if parent else words
