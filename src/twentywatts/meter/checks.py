"""The judge: which counters live. A counter that exists may be dead, or show its neighbour's joules a second time.

A short busy spin must move every energy counter, within plausible power, and two zones that stay equal over several
deltas are one. The verdicts are kept per boot in the user's cache, so only the first program after a start pays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise

from twentywatts.meter.contract import Channel, Clock, Quantity, Scope
from twentywatts.meter.place import ROOT, Place, place_of
from twentywatts.meter.reading import LEAST_W, slowest_tick_s
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["Judge", "boot_id", "cache_file", "can_be_probed", "mirrored"]

SHORTEST_S, LONGEST_S = 0.06, 0.25  # of the spin
PATIENT_S = 0.5  # where somebody asks for each counter: a board that is renewed every 100 ms is seen to move, too
_PASSES = 5  # readings of every channel during the spin: at least three deltas
_ALIVE = "alive"
_UNREAD = "it could not be read twice during the probe"  # this may pass, so it is not kept
_TWINNABLE = (Scope.PACKAGE, Scope.DRAM, Scope.SOC)
Pass = tuple[dict[str, float], dict[str, float]]  # every channel read twice in a row


def _spin(seconds: float) -> None:
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        pass


@record()
class Judge:
    """Says which channels must not be trusted, and why; call it with the channels.

    cache: file of the verdicts of this boot (None: nothing is kept). fresh: probe again what is in the cache.
    longest_s: of the spin [s]; slower counters are left to their windows.
    spin: keeps a processor busy for so many seconds. clock: monotonic seconds.
    """

    cache: Root | None = None
    fresh: bool = False
    longest_s: float = LONGEST_S
    clock: Clock = time.monotonic
    spin: Callable[[float], None] = _spin

    def __call__(self, channels: Sequence[Channel]) -> dict[str, str]:
        """Return a reason for each channel that is dead, implausible or a mirror."""
        known = {} if self.cache is None else _load(self.cache)
        asked = [channel for channel in channels if can_be_probed(channel, self.longest_s)]
        new = [channel for channel in asked if self.fresh or channel.key not in known]
        if new:
            # a mirror shows only beside its original, so one unknown counter has all of them read
            known = known | {channel.key: _ALIVE for channel in asked} | self.probe(asked)
            if self.cache is not None:
                _save(self.cache, known)
        return {channel.key: known[channel.key] for channel in asked if known[channel.key] != _ALIVE}

    def probe(self, channels: Sequence[Channel]) -> dict[str, str]:
        """Return a reason for each of these energy counters that a busy spin proves dead, implausible or mirrored."""
        length_s = min(max([SHORTEST_S, *(slowest_tick_s(channel) for channel in channels)]), self.longest_s)
        started_s, passes = self.clock(), []
        for turn in range(_PASSES):
            passes.append((_read(channels), _read(channels)))
            if turn < _PASSES - 1:
                self.spin(length_s / (_PASSES - 1))
        took_s = max(self.clock() - started_s, 1e-9)
        found = {}
        for channel in channels:
            reason = _dead(channel, [first.get(channel.key) for first, _ in passes], took_s)
            if reason:
                found[channel.key] = reason
        alive = [channel for channel in channels if channel.key not in found]
        return found | _mirrors(alive, passes, took_s)


def can_be_probed(channel: Channel, longest_s: float = LONGEST_S) -> bool:
    """Return whether it can move in time: a wall meter that counts in watt-hours is judged by its windows instead."""
    return channel.quantity is Quantity.ENERGY and slowest_tick_s(channel) <= longest_s


def _read(channels: Iterable[Channel]) -> dict[str, float]:
    found = {}
    for channel in channels:
        try:
            raw = float(channel.read())
        except Exception:  # foreign code; a counter that cannot be read now is judged by what it gives later
            continue
        if 0 <= raw < float("inf"):
            found[channel.key] = raw
    return found


def _dead(channel: Channel, values: Sequence[float | None], took_s: float) -> str:
    """Return why a counter is not alive, or an empty text."""
    read = [value for value in values if value is not None]
    if len(read) < 2:
        return _UNREAD
    if len(set(read)) == 1:
        return f"frozen: it did not move in {took_s:.2g} s of work"
    deltas_j = [_circular(channel, last - first) for first, last in pairwise(read)]
    moved_j = sum(deltas_j)
    if min(deltas_j) < 0 or moved_j > channel.limit_w * (took_s + 2 * channel.period_s) + channel.step_j:
        return ""  # a reset during the probe: it moves, and the windows will judge
    if moved_j + channel.step_j < LEAST_W * took_s:
        return f"not plausible: {moved_j / took_s:.2g} W under load"
    return ""


def _circular(channel: Channel, delta_j: float) -> float:
    return delta_j % channel.range_j if channel.range_j else delta_j


def _mirrors(channels: Sequence[Channel], passes: Sequence[Pass], took_s: float) -> dict[str, str]:
    """Return the channels that show the counter of an earlier one of the same kind."""
    found: dict[str, str] = {}
    for one, other in combinations(channels, 2):
        same_kind = one.scope is other.scope and one.source == other.source and one.scope in _TWINNABLE
        if same_kind and one.key not in found and other.key not in found and mirrored(one, other, passes, took_s):
            found[other.key] = f"a mirror of {one.key}: the same joules in every reading"
    return found


def mirrored(one: Channel, other: Channel, passes: Sequence[Pass], took_s: float) -> bool:
    """Return whether two counters are one: the value of ``other`` lies between two readings of ``one`` around it.

    It must do so in every pass, over at least three deltas in which the counter moved; passes took ``took_s`` [s]. Two
    sockets that were reset together drift apart by more than the microseconds between the readings hold. Dies of one
    socket may show its counter up to two updates earlier or later, or each from the moment at which it was opened.
    """
    values = [(first.get(one.key), first.get(other.key), again.get(one.key)) for first, again in passes]
    seen = [value[0] for value in values if value[0] is not None]
    if len(values) < 4 or len(set(seen)) < 4:
        return False
    if _socket(one) != _socket(other) or not _socket(one):
        return all(_between(one, *value) for value in values)
    moved_j = sum(_circular(one, last - first) for first, last in pairwise(seen))
    late_j = 0.0 if one.range_j is None else 2 * one.period_s * moved_j / took_s  # None: it counts since it was opened
    return all(_between(one, *value, late_j=late_j) for value in values) or _mostly_as_far(one, values)


def _socket(channel: Channel) -> str:
    """Return the socket that a counter of one of its dies belongs to, empty where it is no die's."""
    socket, die, _ = channel.twin.partition("-die-")
    return socket if die else ""


def _between(
    channel: Channel, before: float | None, value: float | None, after: float | None, *, late_j: float = 0.0
) -> bool:
    if before is None or value is None or after is None:
        return False
    slack_j = channel.step_j / 2 + 1e-9 + late_j
    return _circular(channel, value - before + slack_j) <= _circular(channel, after - before) + 2 * slack_j and (
        channel.range_j is not None or value >= before - slack_j
    )


def _mostly_as_far(channel: Channel, values: Sequence[tuple[float | None, ...]]) -> bool:
    """Return whether two counters are equally far apart in most passes, to the last count: two dies' joules are not."""
    gaps = [other - one for one, other, _ in values if one is not None and other is not None]
    slack_j = channel.step_j / 2 + 1e-9
    return any(sum(abs(gap - like) <= slack_j for gap in gaps) > len(values) / 2 for like in gaps)


def boot_id(root: Root = ROOT) -> str:
    """Return what names this boot of the machine, empty where the system does not tell."""
    try:
        return (place_of(root) / "proc/sys/kernel/random/boot_id").read_text().strip()[:64]
    except (OSError, ValueError):
        return ""


def cache_file() -> Place | None:
    """Return the file of this boot's verdicts in the user's cache, None where there is no boot id or no home."""
    boot = boot_id()
    if not boot:
        return None
    try:
        folder = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    except (KeyError, OSError):
        return None
    return Place(folder) / "twentywatts" / f"counters-{boot}" if os.path.isabs(folder) else None


def _load(path: Root) -> dict[str, str]:
    """Return the verdicts of a cache file; nothing where it cannot be read or is damaged."""
    try:
        lines = place_of(path).read_text().splitlines()
    except (OSError, ValueError):
        return {}
    parts = (line.split("\t") for line in lines)
    return {part[0]: part[1] for part in parts if len(part) == 2 and part[1]}


def _save(path: Root, verdicts: dict[str, str]) -> None:
    """Write the verdicts in one step; a read-only or full home is no reason to fail."""
    lasting = {key: reason for key, reason in verdicts.items() if "\t" not in key and reason != _UNREAD}
    text = "".join(f"{key}\t{' '.join(reason.split())}\n" for key, reason in lasting.items())
    draft = f"{os.fspath(path)}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError:
        return
