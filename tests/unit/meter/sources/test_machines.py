"""Every fixture machine: what is found, what is summed, what is thrown out, and the joules of a long window."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.machines import MACHINES, Installed

from twentywatts.meter.accumulate import accumulator_of
from twentywatts.meter.assemble import Assembly, open_channels
from twentywatts.meter.checks import Judge
from twentywatts.meter.contract import Channel, Quantity
from twentywatts.meter.sampler import poll_period_s

WINDOW_S = 600.0


@pytest.fixture(params=MACHINES.values(), ids=lambda machine: machine.name)
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Installed:
    root = tmp_path / "root"
    root.mkdir()
    return request.param.at(root)


def _assembly(installed: Installed) -> Assembly:
    simulation = installed.simulation
    return open_channels(installed.sources(), judge=Judge(clock=simulation.clock, spin=simulation.advance))


def test_there_are_enough_of_them() -> None:
    assert len(MACHINES) >= 50
    assert sum(bool(machine.summed) for machine in MACHINES.values()) >= 20


def test_what_can_be_read_is_found(installed: Installed) -> None:
    found = {channel.key: channel.scope for source in installed.sources() for channel in source.channels()}
    assert found == installed.machine.channels


def test_every_source_says_something_and_every_channel_is_said(installed: Installed) -> None:
    for source in installed.sources():
        findings = source.findings()
        assert findings
        readable = [finding.what for finding in findings if finding.readable]
        assert readable == [channel.key for channel in source.channels()]
        for finding in findings:
            assert finding.source == source.name
            assert finding.readable or finding.reason
            assert not (finding.readable and finding.fix)
            assert "does not work here" not in finding.reason


def test_the_reasons_and_the_fixes_are_said(installed: Installed) -> None:
    findings = [finding for source in installed.sources() for finding in source.findings()]
    text = "\n".join("\n".join((finding.reason, *finding.fix)) for finding in findings)
    assert not [words for words in installed.machine.says if words not in text], text


def test_overlapping_counters_are_not_summed_and_dead_ones_thrown_out(installed: Installed) -> None:
    assembly = _assembly(installed)
    assert set(assembly.summed) == installed.machine.summed
    assert {channel.key for channel, _ in assembly.rejected} == installed.machine.rejected


def _longest_poll_s(channel: Channel) -> float:
    """Half the shortest wrap; the power of these machines is constant, so a sensor may be read seldom."""
    return (poll_period_s(channel) if channel.quantity is Quantity.ENERGY else None) or WINDOW_S


def test_a_long_window_is_right(installed: Installed) -> None:
    """Polled as slowly as is allowed, over wraps, the sum is right to a step for each counter."""
    assembly, simulation = _assembly(installed), installed.simulation
    channels = [assembly.channel(key) for key in assembly.summed]
    accumulators = [accumulator_of(channel) for channel in channels]
    is_power = any(channel.quantity is Quantity.POWER for channel in channels)
    poll_s = min([2.5 if is_power else 60.0, *(_longest_poll_s(channel) for channel in channels)])
    passed_s = 0.0
    while passed_s < (WINDOW_S / 10 if is_power else WINDOW_S):
        for channel, accumulator in zip(channels, accumulators, strict=True):
            accumulator.add(simulation.clock(), channel.read())
        simulation.advance(poll_s)
        passed_s += poll_s
    total_j = sum(
        accumulator.add(simulation.clock(), channel.read())
        for channel, accumulator in zip(channels, accumulators, strict=True)
    )
    step_j = sum(channel.step_j or 1e-4 for channel in channels if channel.quantity is Quantity.ENERGY)
    assert total_j == pytest.approx(installed.machine.power_w * passed_s, rel=1e-5, abs=2 * step_j)


def test_the_keys_that_hold_another_exist(installed: Installed) -> None:
    channels = [channel for source in installed.sources() for channel in source.channels()]
    keys = {channel.key for channel in channels}
    assert len(keys) == len(channels)
    for channel in channels:
        assert set(channel.inside) <= keys - {channel.key}
        assert channel.limit_w >= 2000.0
        assert channel.period_s > 0.0
