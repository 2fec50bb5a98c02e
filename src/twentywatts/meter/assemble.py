"""Which channels may be summed: what is read, what is shown apart, what is refused, and why.

Scopes that overlap are never summed. A module holds its rails; a package holds its cores; the platform, a battery, a
node's own meter and a wall meter hold everything and stand apart, unless there is nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from twentywatts.meter.contract import Channel, Quantity, Scope, Source
from twentywatts.records import record, replace

__all__ = ["Assembly", "noted", "open_channels", "without"]

# the first group that is present is summed (memory beside it); what stands in a later group is part of it or in doubt
_GROUPS = (
    (Scope.MODULE,),
    (Scope.PACKAGE, Scope.SOC),
    (Scope.RAIL,),
    (Scope.CORE, Scope.UNCORE),
    (Scope.DRAM,),
)
_OUTER = (Scope.PLATFORM, Scope.BATTERY, Scope.HOST, Scope.WALL)
_PARTS = (Scope.GPU, Scope.GPU_PARTITION)  # several sources may each bring boards of their own; others may not

Verdicts = dict[str, str]  # key: why it is refused
Rejected = tuple[tuple[Channel, str], ...]


@record()
class Assembly:
    """What a meter reads.

    channels: everything that is read and shown. summed: keys of those that make the total. apart: shown but not
    summed, with the reason. rejected: not read (dead, a twin, a mirror), with the reason. elsewhere: would be summed,
    but another rank of this job counts it.
    """

    channels: tuple[Channel, ...] = ()
    summed: tuple[str, ...] = ()
    apart: Rejected = ()
    rejected: Rejected = ()
    elsewhere: Rejected = ()

    def channel(self, key: str) -> Channel:
        """Return a channel by its key."""
        return next(channel for channel in self.channels if channel.key == key)


def open_channels(
    sources: Iterable[Source], *, judge: Callable[[list[Channel]], Verdicts] | None = None, close: bool = True
) -> Assembly:
    """Return what of these sources can be measured.

    judge: gives a reason for each channel that must not be trusted (checks.Judge: liveness, plausibility, mirrors);
    None trusts all. close: give back the descriptors of what is refused.
    """
    found = [channel for source in sources for channel in _channels(source)]
    refused: dict[str, str] = {}
    kept: list[Channel] = []
    for channel in found:
        if any(channel.key == other.key for other in kept):
            continue
        kept.append(channel)
    refused |= judge(kept) if judge is not None else {}
    alive = [channel for channel in kept if channel.key not in refused]
    refused |= _twins(alive)
    alive = [channel for channel in alive if channel.key not in refused]
    apart = _apart(alive)
    rejected = tuple((channel, refused[channel.key]) for channel in kept if channel.key in refused)
    if close:
        for channel, _ in rejected:
            channel.close()
    return Assembly(
        channels=tuple(alive),
        summed=tuple(channel.key for channel in alive if channel.key not in apart),
        apart=tuple((channel, apart[channel.key]) for channel in alive if channel.key in apart),
        rejected=rejected,
    )


def without(assembly: Assembly, elsewhere: Mapping[str, str]) -> Assembly:
    """Return an assembly whose total leaves out what another rank counts (key: reason)."""
    left = tuple(key for key in assembly.summed if key not in elsewhere)
    lost = tuple((assembly.channel(key), elsewhere[key]) for key in assembly.summed if key in elsewhere)
    return replace(assembly, summed=left, elsewhere=lost)


def noted(assembly: Assembly, note: str) -> Assembly:
    """Return an assembly whose summed channels carry one more note."""
    channels = tuple(
        replace(channel, notes=(*channel.notes, note)) if channel.key in assembly.summed else channel
        for channel in assembly.channels
    )
    return replace(assembly, channels=channels)


def _channels(source: Source) -> list[Channel]:
    try:
        return list(source.channels())
    except Exception:  # a broken source must not take the others with it; its findings say what is wrong
        return []


def _twins(channels: list[Channel]) -> Verdicts:
    """Return the channels that show a physical counter a second time: energy is kept before power, then the earlier."""
    kept: dict[str, Channel] = {}
    refused: Verdicts = {}
    for channel in sorted(channels, key=lambda channel: channel.quantity is Quantity.POWER):
        if not channel.twin:
            continue
        first = kept.setdefault(channel.twin, channel)
        if first is not channel:
            refused[channel.key] = f"the same counter as {first.key}"
    return refused


def _apart(channels: list[Channel]) -> Verdicts:
    """Return why each channel that is not summed is not."""
    present = {channel.key for channel in channels if channel.scope not in _OUTER}
    group = next((group for group in _GROUPS if any(channel.scope in group for channel in channels)), ())
    outer = _outermost(channels) if not group and not _has_gpu(channels) else None
    wanted: dict[Scope, str] = {}
    apart: Verdicts = {}
    for channel in channels:
        reason = _reason(channel, present, group, outer)
        if not reason and channel.scope not in _PARTS:
            route = wanted.setdefault(channel.scope, channel.source)
            reason = "" if route == channel.source else f"{route} already counts the {channel.scope}"
        if reason:
            apart[channel.key] = reason
    return apart


def _reason(channel: Channel, present: set[str], group: tuple[Scope, ...], outer: Scope | None) -> str:
    holders = [key for key in channel.inside if key in present]
    if channel.scope in _OUTER:
        if channel.scope is outer and not channel.inside:
            return ""
        return f"the {channel.scope} meter holds what the others count: shown apart, never added to them"
    if holders:
        return f"already counted by {holders[0]}"
    if channel.scope is Scope.GPU_PARTITION:
        return "a partition of a board that is counted whole, or of which nothing is known"
    if channel.scope is Scope.GPU:
        in_doubt = Scope.MODULE in group and not channel.inside
        return "the module may hold this board: not added to it" if in_doubt else ""
    beside = channel.scope is Scope.DRAM and Scope.MODULE not in group
    return "" if beside or channel.scope in group else f"part of what the {' and '.join(group)} counters count"


def _has_gpu(channels: list[Channel]) -> bool:
    return any(channel.scope is Scope.GPU for channel in channels)


def _outermost(channels: list[Channel]) -> Scope | None:
    """Return the one outer scope that stands for the machine where nothing inside it is counted."""
    scopes = {channel.scope for channel in channels}
    return next((scope for scope in reversed(_OUTER) if scope in scopes), None)
