"""Fixture machines: folders of plain files that are machines, built by name, with what must be found in them as data.

installed = MACHINES["two-socket-xeon"].at(tmp_path)
sources = installed.sources()
installed.simulation.advance(10.0)    # ten seconds pass, the counter files move
"""

from tests.support.machines.broken import BROKEN
from tests.support.machines.intact import INTACT
from tests.support.machines.record import FILE_SOURCES, Installed, Machine
from tests.support.machines.simulation import STEP_15_NJ, STEP_61_NJ, Simulation, range_uj

__all__ = [
    "FILE_SOURCES",
    "MACHINES",
    "STEP_15_NJ",
    "STEP_61_NJ",
    "Installed",
    "Machine",
    "Simulation",
    "range_uj",
]

MACHINES = {machine.name: machine for machine in (*INTACT, *BROKEN)}
