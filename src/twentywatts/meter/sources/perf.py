"""RAPL by perf events: /sys/bus/event_source/devices/power, one counter per package by ``perf_event_open``.

The kernel keeps 64 bits and never wraps. A virtual machine may advertise an event that stays 0 for ever: it can be
opened and read here, and only the probe under load finds it dead. ``opener`` is injectable, so that tests need no
system call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.place import ROOT, Place
from twentywatts.meter.sources import advice, rapl
from twentywatts.meter.sources.files import DeniedError, FoundSource, Tree, gather, read_text
from twentywatts.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from twentywatts.meter.place import Root
else:
    Protocol = object

__all__ = ["Event", "Opener", "find"]

NAME = "perf"
_DOMAINS = {"cores": "core", "gpu": "uncore", "ram": "dram", "psys": "psys"}
_CPUS = 65536  # no mask names more processors


class Event(Protocol):
    """An open event: ``read`` gives its count or raises OSError."""

    def read(self) -> int:
        """Return the count now."""
        ...

    def close(self) -> None:
        """Give the descriptor back."""
        ...


Opener = Callable[[int, int, int], Event]  # (type of the device, config, processor); raises OSError


def find(*, root: Root = ROOT, reader: Reader = read_text, opener: Opener | None = None) -> Source:
    """Return the energy events of the machine in ``root``; where that is not "/", ``opener`` opens them."""
    tree = Tree(root, reader)
    device = tree.at("sys", "bus", "event_source", "devices", "power")
    if not tree.names(device / "events"):
        return _none("there is no perf device for energy (it needs RAPL and the kernel's intel_rapl_perf)")
    if opener is None and tree.root == ROOT:
        from twentywatts.meter.sources.perf_open import open_event as opener
    if opener is None:
        return _none("events of a machine in a folder cannot be opened")
    kind = tree.count_or(device / "type")
    if kind is None:
        return _none("the perf device for energy does not say its type", found=True)
    cpus = _cpus(tree.text_or(device / "cpumask", "0")) or [0]
    candidates = [
        _channel(wanted, _Counter(opener, (kind, wanted.config, wanted.cpu)))
        for wanted in _wanted(tree, device / "events", cpus)
    ]
    if not candidates:
        return _none("the perf device for energy names no event that is known", found=True)
    source = gather(NAME, candidates, advise=_advise)
    source.found = tuple(rapl.nested(source.found))
    return source


def _none(reason: str, *, found: bool = False) -> Source:
    said = Finding(source=NAME, what="energy events", found=found, readable=False, reason=reason)
    return FoundSource(name=NAME, said=(said,))


def _advise(channel: Channel, error: ReadError) -> tuple[str, ...]:
    return advice.perf_permission() if isinstance(error, DeniedError) else ()


class _Wanted(NamedTuple):
    """One event on one processor. domain: "package-0", "core" and so on; package: what holds it, or empty."""

    event: str
    config: int
    cpu: int
    scale: float
    domain: str
    package: str


def _wanted(tree: Tree, events: Place, cpus: list[int]) -> Iterator[_Wanted]:
    """Yield every event that counts joules, on each package's processor; psys on the first alone."""
    packages = _packages(tree, cpus)
    for event in tree.names(events):
        domain = "package" if event == "energy-pkg" else _DOMAINS.get(event.removeprefix("energy-"), "")
        config, scale = _config(tree.text_or(events / event)), _scale(tree, events, event)
        if not domain or "." in event or config is None or scale is None:
            continue
        for cpu, package in packages.items():
            name, holder = (package, "") if domain == "package" else (domain, package)
            if domain != "psys":
                yield _Wanted(event, config, cpu, scale, name, holder)
            elif cpu == cpus[0]:
                yield _Wanted(event, config, cpu, scale, name, "")


def _packages(tree: Tree, cpus: list[int]) -> dict[int, str]:
    """Return the package of each processor as powercap names it; with dies where several of them share a package."""
    topology = [tree.at("sys", "devices", "system", "cpu", f"cpu{cpu}", "topology") for cpu in cpus]
    packages = [tree.count_or(path / "physical_package_id", place) for place, path in enumerate(topology)]
    dies = [tree.count_or(path / "die_id", place) for place, path in enumerate(topology)]
    shared = len(set(packages)) < len(packages)
    names = [f"package-{package}" + f"-die-{die}" * shared for package, die in zip(packages, dies, strict=True)]
    return dict(zip(cpus, names, strict=True))


def _cpus(mask: str) -> list[int]:
    """Return the processors in a list such as "0,18" or "0-3"; none where it is not such a list."""
    if not re.fullmatch(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*", mask):
        return []
    cpus: list[int] = []
    for part in mask.split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), min(int(last or first), _CPUS) + 1)
    return sorted(set(cpus))[:1024]


def _config(text: str) -> int | None:
    found = re.fullmatch(r"event=(0x[0-9a-fA-F]{1,4}|\d{1,5})", text)
    return int(found[1], 0) if found else None


def _scale(tree: Tree, events: Place, event: str) -> float | None:
    """Return joules per count, or None where the event does not count joules."""
    text = tree.text_or(events / f"{event}.scale")
    unit = tree.text_or(events / f"{event}.unit", "Joules")
    if unit != "Joules" or not re.fullmatch(r"\d+(\.\d+)?([eE][-+]?\d{1,2})?", text):
        return None
    scale = float(text)
    return scale if 0.0 < scale <= 1.0 else None


class _Counter:
    """An event that is opened at the first read and stays open."""

    __slots__ = ("arguments", "event", "opener")

    def __init__(self, opener: Opener, arguments: tuple[int, int, int]) -> None:
        self.opener, self.arguments = opener, arguments
        self.event: Event | None = None

    def read(self) -> int:
        try:
            if self.event is None:
                self.event = self.opener(*self.arguments)
            return self.event.read()
        except PermissionError as error:
            raise DeniedError("no permission to open an event of the whole processor") from error
        except (OSError, ValueError, OverflowError) as error:
            raise ReadError(f"the event cannot be read: {error}") from error

    def close(self) -> None:
        event, self.event = self.event, None
        if event is not None:
            event.close()


def _channel(wanted: _Wanted, counter: _Counter) -> Channel:
    scope = rapl.scope_of(wanted.domain)
    twin = f"rapl:{wanted.package}:{wanted.domain}" if wanted.package else f"rapl:{wanted.domain}"
    return Channel(
        key=f"{NAME}:{wanted.event}:cpu{wanted.cpu}",
        component=rapl.component(wanted.domain, wanted.package),
        scope=scope or Scope.PACKAGE,
        quantity=Quantity.ENERGY,
        read=lambda: counter.read() * wanted.scale,
        source=NAME,
        step_j=wanted.scale,
        twin=twin,
        close=counter.close,
    )
