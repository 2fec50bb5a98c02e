"""Every fixture machine, through sampler and window: the true joules lie within the interval."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.machines import MACHINES, Installed

from twentywatts.meter.assemble import Assembly, open_channels
from twentywatts.meter.checks import Judge
from twentywatts.meter.sampler import Sampler
from twentywatts.meter.window import Edge, Span


def opened(installed: Installed) -> Assembly:
    simulation = installed.simulation
    return open_channels(installed.sources(), judge=Judge(clock=simulation.clock, spin=simulation.advance))


def measured(installed: Installed, assembly: Assembly, seconds: float, ticks: int) -> Span:
    simulation = installed.simulation
    sampler = Sampler(assembly.channels, simulation.clock, slept=lambda: 0.0)
    first = Edge(*sampler.states())
    for _ in range(ticks):
        simulation.advance(seconds / ticks)
        sampler.snapshot()
    span = Span(installed.machine.name, assembly, first, Edge(*sampler.states()), is_modelled=False)
    sampler.close()
    return span


@pytest.mark.parametrize("name", [name for name, machine in MACHINES.items() if machine.power_w])
def test_the_joules_are_true_within_their_interval(name: str, tmp_path: Path) -> None:
    installed = MACHINES[name].at(tmp_path)
    span = measured(installed, opened(installed), 20.0, 40)
    true_j = installed.machine.power_w * 20.0
    total = span.total
    assert total.energy_j == pytest.approx(true_j, rel=0.01, abs=0.1)
    assert total.low_j is not None
    assert total.high_j is not None
    assert total.low_j - 1e-6 * true_j <= true_j <= total.high_j + 1e-6 * true_j
    assert span.is_measured
