"""Counters that stand, at each reading, where the clock of all processes says: no thread has to move them in time."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "LIVING_COUNTERS"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How a counter shows joules: from ``start_nj`` on in whole steps, from 0 again after so many; printed in µJ."""

    start_nj: int
    step_nj: int
    steps: int

    def __call__(self, dial: Any) -> str:
        return self.text(dial.energy_j)

    def text(self, energy_j: float) -> str:
        """Return what its file holds once ``energy_j`` has been drawn."""
        return str((self.start_nj + int(energy_j * 1e9)) // self.step_nj % self.steps * self.step_nj // 1000)


def told(counters: dict[str, tuple[Counts, float]]) -> str:
    """Return the text that tells other processes of counters that begin to live now: (how it shows, watts) by file."""
    rows = {os.path.realpath(path): (asdict(counts), power_w) for path, (counts, power_w) in counters.items()}
    return json.dumps({"began_s": time.monotonic(), "rows": rows})


class Opening:
    """The module ``os``, but a counter's file opens as it stands at this moment."""

    def __init__(self, text: str) -> None:
        found = json.loads(text)
        self._began_s = found["began_s"]
        self._rows = {path: (Counts(**counts), power_w) for path, (counts, power_w) in found["rows"].items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, *given: Any) -> int:
        found = self._rows.get(os.path.realpath(path))
        if found is None:
            return os.open(path, *given)
        counts, power_w = found
        reading, writing = os.pipe()
        os.write(writing, counts.text(power_w * (time.monotonic() - self._began_s)).encode("ascii") + b"\n")
        os.close(writing)
        return reading
