"""What a fixture machine is: how its folder is made, and what must be found in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.machines.simulation import Simulation

from twentywatts.meter.contract import Reader, Scope, Source
from twentywatts.meter.sources import find_all
from twentywatts.meter.sources.files import read_text

FILE_SOURCES = ("powercap", "perf", "hwmon", "jetson", "battery")

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A named machine.

    build: writes it into the folder of a simulation; may return options of sources (an opener for perf). reader: wraps
    the reading of files (a permission that is missing, a driver without data). channels: key and scope of all that can
    be read. summed: keys that make the total, after the probe. rejected: keys that the probe or the twins throw out.
    power_w: true watts of the sum. says: words that must stand in a finding's reason or fix.
    """

    name: str
    build: Callable[[Simulation], Options | None]
    channels: Mapping[str, Scope] = field(default_factory=dict)
    summed: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()
    power_w: float = 0.0
    says: tuple[str, ...] = ()
    reader: Reader = read_text

    def at(self, folder: Path) -> Installed:
        """Build the machine in an empty folder."""
        simulation = Simulation(folder)
        options = self.build(simulation)
        return Installed(self, simulation, options or {})


@dataclass(frozen=True)
class Installed:
    """A machine in its folder, with its clock."""

    machine: Machine
    simulation: Simulation
    options: Options

    def sources(self) -> list[Source]:
        """Return what the sources that read files find."""
        root, reader = self.simulation.root, self.machine.reader
        return find_all(root=root, reader=reader, only=FILE_SOURCES, options=self.options)
