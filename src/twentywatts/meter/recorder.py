"""A recorder: one window over a running command with its marks, written to a journal as it goes.

Every edge is taken in one pass of the sampler, and the journal tells which pass it was: a journal read again gives the
same edges, hence the same joules.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from twentywatts.meter.accumulate import State
from twentywatts.meter.assemble import Assembly
from twentywatts.meter.attribution import busy_s
from twentywatts.meter.checks import boot_id
from twentywatts.meter.contract import Clock
from twentywatts.meter.processes import ended_cpu_time_s, tree_cpu_time_s
from twentywatts.meter.sampler import Sample, Sampler
from twentywatts.meter.window import Edge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.journal import Journal

__all__ = ["MOST_MARKS", "Recorder", "journal_header", "node_name"]

MOST_MARKS = 5000  # further ones are counted, not kept: each holds the state of every channel

Edges = list[tuple[str, Edge]]


class Recorder:
    """Measures from ``start`` to ``stop`` with everything below this process as the program.

    interval_s: take samples this often (None: only what the counters need). edges: "start", then marks, then "stop".
    dropped: marks beyond the most that are kept. has_children: whether living processes must be asked for their time.
    """

    def __init__(
        self, assembly: Assembly, *, interval_s: float | None, journal: Journal | None, clock: Clock = time.monotonic
    ) -> None:
        self.assembly, self.edges, self.dropped = assembly, Edges(), 0
        self.has_children = False
        self._journal, self._clock = journal, clock
        self._sampler = Sampler(
            assembly.channels, clock, self._write if journal is not None else None, period_s=interval_s
        )
        self._lock = threading.Lock()
        self._taking = (0, -1)  # thread that takes an edge now, number of the edge
        self._slept_s = 0.0

    def start(self) -> Edge:
        """Open the window."""
        return self._edge("start", self._sampler.begin)

    def mark(self, name: str, time_s: float = 0.0) -> None:
        """Take an edge with this name; the time that the command tells is not needed, the pass has its own."""
        if len(self.edges) > MOST_MARKS:
            self.dropped += 1
        else:
            self._edge(name, self._sampler.states)

    def now(self) -> Edge:
        """Read everything once, for the live line; this is no edge of the window."""
        time_s, states = self._sampler.states()
        return Edge(time_s, states, self._cpu_s(), busy_s())

    def tick(self) -> None:
        """Write a sign of life, and bring the journal to the disk when it is time."""
        if self._journal is not None:
            self._journal.write({"tick": self._clock(), "cpu": self._cpu_s(), "busy": busy_s()})
            self._journal.sync()

    def stop(self) -> Edge:
        """Close the window and give the counters back."""
        edge = self._edge("stop", self._sampler.end)
        self._sampler.close()
        return edge

    def _edge(self, name: str, take: Any) -> Edge:
        with self._lock:
            cpu_s, busy, number = self._cpu_s(), busy_s(), len(self.edges)
            self._taking = (threading.get_ident(), number)
            pair: tuple[float, dict[str, State]] = take()
            self._taking = (0, -1)
            edge = Edge(pair[0], pair[1], cpu_s, busy)
            self.edges.append((name, edge))
            if self._journal is not None:
                self._journal.write({"edge": name, "n": number, "t": edge.time_s, "cpu": cpu_s, "busy": busy})
        return edge

    def _cpu_s(self) -> float:
        return tree_cpu_time_s() if self.has_children else ended_cpu_time_s()

    def _write(self, samples: list[Sample]) -> None:
        """Take what one pass gave; it runs inside the pass, in whichever thread makes it."""
        assert self._journal is not None
        extra: dict[str, Any] = {}
        slept_s = self._sampler.suspended_s
        if slept_s > self._slept_s:
            extra["z"] = self._slept_s = slept_s
        if self._taking[0] == threading.get_ident():
            extra["edge"] = self._taking[1]
        self._journal.samples(samples, extra)


def node_name() -> str:
    """Return what this machine calls itself; empty where the system does not tell."""
    import os

    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def journal_header(assembly: Assembly, command: Mapping[str, Any], *, interval_s: float | None) -> dict[str, Any]:
    """Return the first line of a journal: the machine and boot, the command, the channels."""
    import os

    from twentywatts.meter.journal import describe

    return {
        "boot_id": boot_id(),
        "host": node_name(),
        "pid": os.getpid(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "monotonic_s": time.monotonic(),
        "interval_s": interval_s,
        **command,
        **describe(assembly),
    }
