"""Attribution: a program's part of what its whole processor drew, by processor time over an idle baseline.

    share = processor time of the program / busy time of all processors          (/proc, or its cgroup in a container)
    program = share · (E − idle power · T),    idle = idle power · T, told apart

Processor time is a stand-in for joules: a thread with wide vector instructions draws more than its share says, and one
that waits for memory less. The evidence stays that of the reading, ``how`` becomes attributed.
"""

from __future__ import annotations

import os

from twentywatts.errors import InputError
from twentywatts.meter.contract import How, Reading
from twentywatts.meter.place import ROOT, Place, place_of
from twentywatts.meter.processes import descendants
from twentywatts.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["CpuTimes", "attribute", "busy_s", "cpu_times", "group_s", "share_frac"]

_BUSY = (0, 1, 2, 5, 6)  # user nice system irq softirq of /proc/stat; steal is other machines' time


@record()
class CpuTimes:
    """Processor time up to a moment [s]: of the program (None: not known), and of everything on the host."""

    program_s: float | None
    busy_s: float | None


def cpu_times(pid: int | None = None, *, root: Root = ROOT, whole_group: bool | None = None) -> CpuTimes:
    """Return the processor times of a process tree and of its host now.

    pid: top of the tree (default: this process). whole_group: count the tree's control group instead, which misses no
    process that ended unseen; None does so in a container, where the group holds nothing else.
    """
    pid = os.getpid() if pid is None else pid
    group = group_s(pid, root=root) if whole_group in (True, None) else None
    if whole_group is None and not _is_container(pid, root):
        group = None
    return CpuTimes(program_s=_tree_s(pid, place_of(root) / "proc") if group is None else group, busy_s=busy_s(root))


def share_frac(first: CpuTimes, last: CpuTimes) -> float | None:
    """Return the program's share of the busy time between two moments, 0 to 1; None where it is not known."""
    if first.program_s is None or last.program_s is None or first.busy_s is None or last.busy_s is None:
        return None
    busy, program = last.busy_s - first.busy_s, last.program_s - first.program_s
    return min(max(program / busy, 0.0), 1.0) if busy > 0 else None


def attribute(reading: Reading, share: float, *, idle_w: float | None = None) -> tuple[Reading, Reading | None]:
    """Return the program's reading and the idle one; None for idle where its power was not measured.

    share: of the busy time, 0 to 1. idle_w: what this channel draws while nothing runs. Without it the idle joules are
    shared out too, and the lower bound allows for all of the reading being idle. Raises InputError.
    """
    if not 0 <= share <= 1 or (idle_w is not None and not 0 <= idle_w < float("inf")):
        raise InputError(f"attribution needs a share of 0 to 1 and an idle power in watts, got {share!r}, {idle_w!r}")
    if reading.energy_j is None or reading.low_j is None or reading.high_j is None:
        return replace(reading, key=f"{reading.key}#program"), None
    idle_j = min((idle_w or 0.0) * reading.duration_s, reading.energy_j)
    tick = _tick_frac(reading, share)
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


def _tick_frac(reading: Reading, share: float) -> float:
    """Return how far two clock ticks can move the share."""
    return min(1.0, 2 / _ticks_per_s() / reading.duration_s) if reading.duration_s > 0 and share > 0 else 0.0


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


def _tree_s(pid: int, proc: Place) -> float | None:
    """Return the processor time of a process and everything below it, ended children included [s]."""
    try:
        fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        own = sum(int(field) for field in fields[11:15]) / _ticks_per_s()
    except (OSError, ValueError, IndexError):
        return None
    return own + sum(process.cpu_time_s for process in descendants(pid, proc=proc))


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
