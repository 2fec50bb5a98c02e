"""What all faces of RAPL have in common (powercap, perf, amd_energy): names, scopes, and which counter holds which.

Every face of one physical counter has the same ``twin``: "rapl:package-0", "rapl:package-0:core", "rapl:psys". A core
or an uncore lies inside its package; dram stands beside it; psys, the platform, holds them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from twentywatts.meter.contract import Channel, Scope
from twentywatts.records import replace

__all__ = ["PLATFORM", "component", "nested", "scope_of"]

PLATFORM = "rapl:psys"
_SCOPES = {"core": Scope.CORE, "uncore": Scope.UNCORE, "dram": Scope.DRAM, "psys": Scope.PLATFORM}
_WORDS = {"core": "cores", "dram": "memory", "psys": "platform"}


def scope_of(name: str) -> Scope | None:
    """Return what a domain covers by its name ("package-0-die-1", "dram"), or None where the name is not known."""
    return Scope.PACKAGE if _package(name) else _SCOPES.get(name)


def component(name: str, package: str = "") -> str:
    """Return a domain's name for people: "cpu 0", "cpu 0 die 1", "cpu 0 memory", "platform"."""
    found = _package(package or name)
    if found is None:
        return _WORDS.get(name, name)
    words = f"cpu {found[0]}" + (f" die {found[1]}" if found[1] else "")
    return f"{words} {_WORDS.get(name, name)}" if package else words


def _package(name: str) -> tuple[str, str] | None:
    """Return the numbers of a package and its die (or empty) of "package-0-die-1"; None where it is no package."""
    head, _, rest = name.partition("package-")
    number, dash, die = rest.partition("-die-")
    return (number, die) if not head and number.isdecimal() and (die.isdecimal() or not dash) else None


def nested(channels: Sequence[Channel]) -> list[Channel]:
    """Return the channels with ``inside`` filled in for all that are RAPL, each face of a container included."""
    keys: dict[str, list[str]] = {}
    for channel in channels:
        keys.setdefault(channel.twin, []).append(channel.key)
    return [_nest(channel, keys) for channel in channels]


def _nest(channel: Channel, keys: dict[str, list[str]]) -> Channel:
    if not channel.twin.startswith("rapl:") or channel.twin == PLATFORM:
        return channel
    above, _, last = channel.twin.rpartition(":")
    holders = [above, PLATFORM] if above != "rapl" and last.partition("#")[0] != "dram" else [PLATFORM]
    inside = [key for twin in holders for key in keys.get(twin, ())]
    return replace(channel, inside=tuple(dict.fromkeys((*channel.inside, *inside))))
