"""A machine whose counters follow a power trace and a clock of its own: watts in, counters with step and wrap out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.living_site.living_counters import Counts

Power = float | Callable[[float], float]  # watts, constant or at a time [s] since the start
STEP_61_NJ, STEP_15_NJ = 61_035, 15_258  # one count of RAPL in nJ, as the kernel rounds 2^-14 J and 2^-16 J
_COUNTS = 2**32
_SLICES = 64  # of one advance, where the power is a function of time


def range_uj(step_nj: int) -> int:
    """Return what the kernel writes into max_energy_range_uj."""
    return (_COUNTS - 1) * step_nj // 1000


@dataclass
class Dial:
    """One counter or sensor. energy_j: the truth since the start. show: the text of its file now (None: not a file)."""

    path: Path | None
    power: Power
    show: Callable[[Dial], str]
    energy_j: float = 0.0
    power_w: float = 0.0

    def advance(self, now_s: float, seconds: float) -> None:
        """Let ``seconds`` pass from ``now_s`` on; the trapezoid rule where the power changes with time."""
        if callable(self.power):
            slice_s = seconds / _SLICES
            edges = [self.power(now_s + slice_s * number) for number in range(_SLICES + 1)]
            self.energy_j += slice_s * (sum(edges) - (edges[0] + edges[-1]) / 2)
            self.power_w = edges[-1]
        else:
            self.energy_j += self.power * seconds
            self.power_w = self.power

    def write(self) -> None:
        if self.path is not None:
            self.path.write_text(self.show(self) + "\n", encoding="ascii")


@dataclass
class Simulation:
    """A folder that is a machine. ``clock`` and ``advance`` go where a clock and a sleep (or a spin) are injected."""

    root: Path
    now_s: float = 1000.0
    dials: dict[str, Dial] = field(default_factory=dict)

    def clock(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass: every counter moves, and its file is written anew."""
        for dial in self.dials.values():
            dial.advance(self.now_s, seconds)
        self.now_s += seconds
        self.write()

    def write(self) -> None:
        for dial in self.dials.values():
            dial.write()

    def file(self, path: str, text: object) -> Path:
        """Write a plain file below the root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n", encoding="utf-8")
        return place

    def link(self, path: str, target: str) -> None:
        """Make a link below the root; a target that begins with "sys/" is in this machine, and the link relative."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        inside = target.startswith(("sys/", "host/"))
        place.symlink_to(os.path.relpath(self.root / target, place.parent) if inside else target)

    def rapl(self, path: str, power: Power, *, step_nj: int = STEP_61_NJ, start_j: float = 0.0) -> None:
        """Add a counter of 32 bits as powercap shows it: counts of ``step_nj``, printed in whole µJ."""
        counts = Counts(start_nj=int(start_j * 1e9), step_nj=step_nj, steps=_COUNTS)
        self._add(path, Dial(self.file(path, 0), power, counts))

    def energy(self, path: str, power: Power, *, start_j: float = 0.0) -> None:
        """Add a counter of 64 bits in µJ."""
        self._add(path, Dial(self.file(path, 0), power, lambda dial: str(int((start_j + dial.energy_j) * 1e6))))

    def power(self, path: str, power: Power, *, per_w: float = 1e6) -> None:
        """Add a sensor: watts times ``per_w`` (1e6 for µW)."""
        self._add(path, Dial(self.file(path, 0), power, lambda dial: str(round(dial.power_w * per_w))))

    def unseen(self, name: str, power: Power) -> Dial:
        """Add a counter without a file (a perf event)."""
        return self._add(name, Dial(None, power, lambda dial: ""))

    def _add(self, name: str, dial: Dial) -> Dial:
        self.dials[name] = dial
        dial.advance(self.now_s, 0.0)
        dial.write()
        return dial
