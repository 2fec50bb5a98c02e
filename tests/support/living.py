"""A fixture machine that lives: its counters move with the real clock, for commands that run in other processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.machines import MACHINES
from tests.support.machines.simulation import Dial, Simulation

from twentywatts.meter.sources import files

_TICK_S = 0.002


@contextmanager
def living(name: str, folder: Path) -> Iterator[Simulation]:
    """Build a machine and let its counters move; each file is replaced whole, so no reader meets an empty one.

    A thread moves them for other processes, and every reading of this one: it finds the counter where it stands at that
    moment, however long a busy machine keeps the thread waiting.
    """
    simulation = MACHINES[name].at(folder).simulation
    stop, lock, last_s = threading.Event(), threading.Lock(), time.monotonic()

    def move() -> None:
        nonlocal last_s
        with lock:
            now_s = time.monotonic()
            for dial in simulation.dials.values():
                dial.advance(simulation.now_s, now_s - last_s)
                _replace(dial)
            simulation.now_s += now_s - last_s
            last_s = now_s

    def run() -> None:
        while not stop.wait(_TICK_S):
            move()

    thread = threading.Thread(target=run, daemon=True)
    with patch.object(files, "os", _Opening(move)):
        thread.start()
        try:
            yield simulation
        finally:
            stop.set()
            thread.join()


class _Opening:
    """The module ``os``, but something is done before a file is opened."""

    def __init__(self, first: Callable[[], None]) -> None:
        self._first = first

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, *given: Any) -> int:
        self._first()
        return os.open(*given)


def _replace(dial: Dial) -> None:
    if dial.path is not None:
        draft = dial.path.with_name(f".{dial.path.name}.new")
        draft.write_text(dial.show(dial) + "\n", encoding="ascii")
        os.replace(draft, dial.path)
