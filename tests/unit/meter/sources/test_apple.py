"""Apple silicon by a fake monitor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from twentywatts.meter.contract import Quantity, ReadError, Scope
from twentywatts.meter.reading import evidence_of
from twentywatts.meter.sources.apple import find


class Monitor:
    """Gives energies in millijoules, None for a part that the chip does not tell."""

    def __init__(self, **energies: Any) -> None:
        self.energies = dict.fromkeys(("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "ane_mj", "dram_mj")) | energies

    def get_cumulative_energy(self) -> SimpleNamespace:
        return SimpleNamespace(**self.energies)


def test_parts_that_are_told_are_channels_in_joules() -> None:
    monitor = Monitor(cpu_total_mj=1500, gpu_mj=250, dram_mj=0)
    channels = {channel.key: channel for channel in find(monitor=monitor).channels()}
    assert set(channels) == {"apple:cpu_total", "apple:gpu", "apple:dram"}
    assert channels["apple:cpu_total"].read() == pytest.approx(1.5)
    assert channels["apple:dram"].scope is Scope.DRAM
    monitor.energies["gpu_mj"] = 1250
    assert channels["apple:gpu"].read() == pytest.approx(1.25)


def test_it_is_a_model_and_says_so() -> None:
    (channel,) = find(monitor=Monitor(cpu_total_mj=1)).channels()
    assert channel.quantity is Quantity.ENERGY
    assert "model" in channel.notes[0]
    assert evidence_of(channel) == 1


@pytest.mark.parametrize("value", [None, -1, "3", float("nan"), True])
def test_what_is_no_energy_is_a_read_error(value: object) -> None:
    monitor = Monitor(cpu_total_mj=1)
    (channel,) = find(monitor=monitor).channels()
    monitor.energies["cpu_total_mj"] = value
    with pytest.raises(ReadError):
        channel.read()


def test_elsewhere_it_is_not_found() -> None:
    source = find(platform="linux")
    assert source.channels() == []
    assert source.findings()[0].reason == "not a Mac"


def test_a_mac_without_the_library_is_told_how_to_get_it() -> None:
    (finding,) = find(platform="darwin").findings()
    assert (finding.found, finding.readable) == (True, False)
    assert finding.fix


def test_a_monitor_that_breaks_is_a_finding() -> None:
    class Broken:
        def get_cumulative_energy(self) -> None:
            raise RuntimeError("no subscription")

    source = find(monitor=Broken())
    assert source.channels() == []
    assert "no subscription" in source.findings()[0].reason
    assert not find(monitor=Monitor()).channels()
