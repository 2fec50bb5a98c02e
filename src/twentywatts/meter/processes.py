"""The processes below one process, from /proc: what they are called and the CPU time they used."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from twentywatts.meter.place import Place, place_of
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["Process", "descendants", "ended_cpu_time_s", "own_cpu_time_s", "tree_cpu_time_s"]


@record()
class Process:
    """One process. cpu_time_s: its own and that of its children that ended and were waited for [s]."""

    pid: int
    parent: int
    name: str
    cpu_time_s: float


def descendants(pid: int, *, proc: Root = "/proc") -> list[Process]:
    """Return the living processes below ``pid``, parents first; none where there is no /proc."""
    below: dict[int, list[Process]] = {}
    for process in _all(place_of(proc)):
        below.setdefault(process.parent, []).append(process)
    found, waiting = [], [pid]
    while waiting:
        children = below.pop(waiting.pop(0), [])
        found += children
        waiting += [child.pid for child in children]
    return found


def ended_cpu_time_s() -> float:
    """Return the CPU time of this process's children that ended and were waited for, theirs included [s]."""
    try:
        import resource
    except ImportError:  # Windows, which tells nothing of ended children
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # in microseconds; os.times counts whole ticks
    return used.ru_utime + used.ru_stime


def own_cpu_time_s() -> float:
    """Return the CPU time of this process and of its children that ended and were waited for [s]."""
    return time.process_time() + ended_cpu_time_s()


def tree_cpu_time_s() -> float:
    """Return the CPU time of everything below this process, living or ended [s]."""
    return ended_cpu_time_s() + sum(process.cpu_time_s for process in descendants(os.getpid()))


def _all(proc: Place) -> Iterator[Process]:
    try:
        names = os.listdir(proc)
    except OSError:
        return
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    for name in names:
        if name.isdigit():
            process = _parse(proc / name / "stat", tick_s)
            if process is not None:
                yield process


def _parse(path: Place, tick_s: float) -> Process | None:
    """Return a process, or None where it is gone, a zombie, or not readable."""
    try:
        head, _, tail = path.read_bytes().rpartition(b")")  # the name may hold spaces and brackets
        pid, _, name = head.partition(b" (")
        fields = tail.split()
        if fields[0] in (b"Z", b"X"):
            return None
        ticks = sum(int(field) for field in fields[11:15])  # utime stime cutime cstime
        text = "".join(letter for letter in name.decode("utf-8", "replace") if letter.isprintable())
        return Process(pid=int(pid), parent=int(fields[1]), name=text, cpu_time_s=ticks * tick_s)
    except (OSError, ValueError, IndexError):
        return None
