"""Attribution: a program's part of what its whole processor drew, by processor time over an idle baseline.

    share = processor time of the program / busy time of all processors          (/proc, or its cgroup in a container)
    program = share · (E − idle power · T),    idle = idle power · T, told apart

Processor time is a stand-in for joules: a thread with wide vector instructions draws more than its share says, and one
that waits for memory less. The evidence stays that of the reading, ``how`` becomes attributed.
"""

from __future__ import annotations

import os
import time

from twentywatts.errors import InputError
from twentywatts.meter.contract import How, Reading
from twentywatts.meter.place import ROOT, place_of
from twentywatts.meter.processes import tree_cpu_time_s
from twentywatts.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["attribute", "busy_s", "group_s", "program_s"]

_BUSY = (0, 1, 2, 5, 6)  # user nice system irq softirq of /proc/stat; steal is other machines' time


def program_s(*, whole_group: bool = True, root: Root = ROOT) -> float:
    """Return the processor time so far of this process and of everything below it, living or ended [s].

    whole_group: in a container take its control group instead, which holds nothing else and misses no process that
    ended unseen.
    """
    group = group_s(os.getpid(), root=root) if whole_group and _is_container(os.getpid(), root) else None
    return time.process_time() + tree_cpu_time_s() if group is None else group


def attribute(
    reading: Reading, share: float, *, busy_s: float, idle_w: float | None = None
) -> tuple[Reading, Reading | None]:
    """Return the program's reading and the idle one; None for idle where its power was not measured.

    share: of the busy time, 0 to 1. busy_s: that time [s], in which clock ticks are counted. idle_w: what this channel
    draws while nothing runs. Without it the idle joules are shared out too, and the lower bound allows for all of the
    reading being idle. Raises InputError.
    """
    if not 0 <= share <= 1 or (idle_w is not None and not 0 <= idle_w < float("inf")):
        raise InputError(f"attribution needs a share of 0 to 1 and an idle power in watts, got {share!r}, {idle_w!r}")
    if reading.energy_j is None or reading.low_j is None or reading.high_j is None:
        return replace(reading, key=f"{reading.key}#program"), None
    idle_j = min((idle_w or 0.0) * reading.duration_s, reading.energy_j)
    tick = _tick_frac(busy_s, share)
    program = replace(
        reading,
        key=f"{reading.key}#program",
        component=f"{reading.component} (this program)",
        how=How.ATTRIBUTED,
        energy_j=share * (reading.energy_j - idle_j),
        low_j=0.0 if idle_w is None else max(0.0, share - tick) * max(0.0, reading.low_j - idle_j),
        high_j=min(1.0, share + tick) * (reading.high_j - idle_j),
        notes=(f"{share:.0%} of the busy processor time", _NO_IDLE if idle_w is None else _IDLE, *reading.notes),
    )
    if idle_w is None:
        return program, None
    idle = replace(
        reading,
        key=f"{reading.key}#idle",
        component=f"{reading.component} (idle)",
        how=How.ATTRIBUTED,
        energy_j=idle_j,
        low_j=min(idle_j, reading.low_j),
        high_j=max(idle_j, min((idle_w or 0.0) * reading.duration_s, reading.high_j)),
        notes=("drawn whether this program runs or not",),
    )
    return program, idle


_IDLE = "above idle; the idle joules are told apart"
_NO_IDLE = "idle power was not measured: idle joules are shared out too"


def _tick_frac(busy_s: float, share: float) -> float:
    """Return how far two clock ticks can move a share of the busy time: on an idle machine, far."""
    return min(1.0, 2 / _ticks_per_s() / busy_s) if busy_s > 0 and share > 0 else 0.0


def _ticks_per_s() -> float:
    try:
        return float(os.sysconf("SC_CLK_TCK"))
    except (AttributeError, ValueError, OSError):
        return 100.0


def busy_s(root: Root = ROOT) -> float | None:
    """Return the busy time of all processors of the host since boot [s]; None where it does not tell."""
    try:
        with open(place_of(root) / "proc/stat", "rb") as file:
            fields = file.readline(512).split()
        return sum(int(fields[1 + index]) for index in _BUSY) / _ticks_per_s() if fields[0] == b"cpu" else None
    except (OSError, ValueError, IndexError):
        return None


def _group_path(pid: int, root: Root) -> str | None:
    """Return the path of a process in the unified control group tree, "/" in a container; None where there is none."""
    try:
        lines = (place_of(root) / "proc" / str(pid) / "cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return None
    found = next((line[3:] for line in lines if line.startswith("0::/")), None)
    return None if found is None or ".." in found.split("/") else found


def group_s(pid: int, *, root: Root = ROOT) -> float | None:
    """Return the processor time of a process's control group (version 2) [s]; None where there is none."""
    path = _group_path(pid, root)
    if path is None:
        return None
    try:
        text = (place_of(root) / "sys/fs/cgroup" / path.lstrip("/") / "cpu.stat").read_text()
        usage = next(line.split()[1] for line in text.splitlines() if line.startswith("usage_usec "))
        return int(usage) / 1e6
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _is_container(pid: int, root: Root) -> bool:
    """Return whether the control group tree starts at this process's own group (the host's root has no events file)."""
    try:
        return _group_path(pid, root) == "/" and os.path.exists(place_of(root) / "sys/fs/cgroup/cgroup.events")
    except OSError:
        return False
