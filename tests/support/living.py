"""A fixture machine that lives: its counters move with the real clock, for commands that run in other processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.machines import MACHINES
from tests.support.machines.simulation import Dial, Simulation

_TICK_S = 0.002


@contextmanager
def living(name: str, folder: Path) -> Iterator[Simulation]:
    """Build a machine and let its counters move; each file is replaced whole, so no reader meets an empty one."""
    simulation = MACHINES[name].at(folder).simulation
    stop = threading.Event()

    def run() -> None:
        last_s = time.monotonic()
        while not stop.wait(_TICK_S):
            now_s = time.monotonic()
            for dial in simulation.dials.values():
                dial.advance(simulation.now_s, now_s - last_s)
                _replace(dial)
            simulation.now_s += now_s - last_s
            last_s = now_s

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield simulation
    finally:
        stop.set()
        thread.join()


def _replace(dial: Dial) -> None:
    if dial.path is not None:
        draft = dial.path.with_name(f".{dial.path.name}.new")
        draft.write_text(dial.show(dial) + "\n", encoding="ascii")
        os.replace(draft, dial.path)
