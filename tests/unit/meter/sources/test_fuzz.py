"""Spoiled trees: no exception escapes, and no value is negative, infinite or a flag that is not a number."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.support.machines import FILE_SOURCES, MACHINES, Simulation
from tests.support.machines.fuzz import spoiled

from twentywatts.meter.accumulate import Accumulator, accumulator_of
from twentywatts.meter.assemble import open_channels
from twentywatts.meter.checks import Judge
from twentywatts.meter.contract import ReadError
from twentywatts.meter.sources import find_all

NAMES = sorted(name for name, machine in MACHINES.items() if machine.summed)


@pytest.fixture(params=range(200))
def simulation(request: pytest.FixtureRequest, tmp_path: Path) -> Simulation:
    root = tmp_path / "root"
    root.mkdir()
    return spoiled(MACHINES[NAMES[request.param % len(NAMES)]], root, request.param)


def test_nothing_escapes_from_a_spoiled_tree(simulation: Simulation) -> None:
    sources = find_all(root=simulation.root, only=FILE_SOURCES)
    for source in sources:
        assert source.findings()
        assert not any("does not work here" in finding.reason for finding in source.findings())
    assembly = open_channels(sources, judge=Judge(clock=simulation.clock, spin=simulation.advance))
    accumulators = [accumulator_of(channel) for channel in assembly.channels]
    for _ in range(5):
        for accumulator in accumulators:
            _feed(accumulator, simulation.clock())
        simulation.advance(2.0)
    for accumulator in accumulators:
        channel, state = accumulator.channel, accumulator.state
        assert channel.range_j is None or channel.range_j > channel.step_j
        assert channel.key.isascii()
        assert math.isfinite(state.energy_j)
        assert 0.0 <= state.energy_j <= channel.limit_w * (state.covered_s + 1.0)
        channel.close()


def _feed(accumulator: Accumulator, time_s: float) -> None:
    try:
        accumulator.add(time_s, accumulator.channel.read())
    except ReadError as error:
        accumulator.add(time_s, None, str(error))
