"""The sum set: overlapping scopes are never added."""

from __future__ import annotations

from tests.unit.meter.fakes import FakeSource, assembly, channel, power

from twentywatts.meter.assemble import open_channels, without
from twentywatts.meter.contract import Channel, Scope


def of(key: str, scope: Scope, *inside: str, twin: str = "") -> Channel:
    return channel(key=key, scope=scope, inside=inside, twin=twin)


PACKAGE = of("rapl:0", Scope.PACKAGE, "rapl:psys")
SECOND = of("rapl:1", Scope.PACKAGE, "rapl:psys")
DRAM = of("rapl:0:2", Scope.DRAM, "rapl:psys")
CORE = of("rapl:0:0", Scope.CORE, "rapl:0", "rapl:psys")
PSYS = of("rapl:psys", Scope.PLATFORM)
GPU = of("nvml:0", Scope.GPU)
MODULE = of("jetson:in", Scope.MODULE)
RAIL = of("jetson:cpu", Scope.RAIL, "jetson:in")
WALL, HOST, BATTERY = of("wall:a", Scope.WALL), of("redfish:a", Scope.HOST), of("bat:0", Scope.BATTERY)


def summed(*channels: Channel) -> set[str]:
    return set(assembly(*channels).summed)


def test_packages_memory_and_boards_are_added_but_not_cores_or_the_platform() -> None:
    assert summed(PSYS, CORE, PACKAGE, SECOND, DRAM, GPU) == {"rapl:0", "rapl:1", "rapl:0:2", "nvml:0"}


def test_every_channel_apart_has_its_reason() -> None:
    found = assembly(PSYS, CORE, PACKAGE, WALL, BATTERY)
    reasons = {channel.key: reason for channel, reason in found.apart}
    assert reasons.keys() == {"rapl:psys", "rapl:0:0", "wall:a", "bat:0"}
    assert reasons["rapl:0:0"] == "already counted by rapl:0"
    assert "never added" in reasons["wall:a"]
    assert len(found.channels) == 5


def test_a_module_stands_for_its_rails_and_chips() -> None:
    assert summed(RAIL, MODULE, PACKAGE, DRAM, GPU) == {"jetson:in"}
    assert summed(RAIL) == {"jetson:cpu"}


def test_a_board_outside_the_module_is_added_where_it_says_so() -> None:
    inside = of("nvml:1", Scope.GPU, "jetson:in")
    assert summed(MODULE, inside) == {"jetson:in"}


def test_cores_stand_in_where_no_package_lives() -> None:
    assert summed(CORE, DRAM) == {"rapl:0:0", "rapl:0:2"}


def test_outer_meters_are_summed_only_where_nothing_else_is_there_and_only_one() -> None:
    assert summed(BATTERY) == {"bat:0"}
    assert summed(BATTERY, HOST, WALL, PSYS) == {"wall:a"}
    assert summed(HOST, PSYS) == {"redfish:a"}
    assert summed(PSYS) == {"rapl:psys"}
    assert summed(PSYS, GPU) == {"nvml:0"}


def test_one_scope_comes_by_one_route() -> None:
    other = of("perf:package-0", Scope.PACKAGE)
    found = assembly(PACKAGE, SECOND, other)
    assert set(found.summed) == {"rapl:0", "rapl:1"}
    assert found.apart[0][1] == "rapl already counts the package"


def test_twins_are_read_once_and_energy_is_kept_before_power() -> None:
    closed: list[str] = []
    sensor = power(key="hwmon:0", scope=Scope.GPU, twin="pci:1", close=lambda: closed.append("hwmon:0"))
    counter = of("nvml:0", Scope.GPU, twin="pci:1")
    found = assembly(sensor, counter)
    assert [one.key for one in found.channels] == ["nvml:0"]
    assert [(one.key, reason) for one, reason in found.rejected] == [("hwmon:0", "the same counter as nvml:0")]
    assert closed == ["hwmon:0"]


def test_the_judge_is_obeyed_before_twins_are_sought() -> None:
    msr, mmio = of("rapl:msr", Scope.PACKAGE, twin="p0"), of("rapl:mmio", Scope.PACKAGE, twin="p0")
    found = open_channels([FakeSource([msr, mmio])], judge=lambda channels: {"rapl:msr": "frozen"})
    assert found.summed == ("rapl:mmio",)
    assert [(one.key, reason) for one, reason in found.rejected] == [("rapl:msr", "frozen")]


def test_a_source_that_breaks_takes_no_other_with_it() -> None:
    class Broken(FakeSource):
        def channels(self) -> list[Channel]:
            raise RuntimeError("driver")

    assert open_channels([Broken([]), FakeSource([PACKAGE])]).summed == ("rapl:0",)
    assert open_channels([]).summed == ()


def test_the_same_key_is_taken_once() -> None:
    assert len(assembly(PACKAGE, PACKAGE).channels) == 1


def test_what_another_rank_counts_leaves_the_total() -> None:
    found = without(assembly(PACKAGE, GPU), {"rapl:0": "rank 0"})
    assert found.summed == ("nvml:0",)
    assert [(one.key, reason) for one, reason in found.elsewhere] == [("rapl:0", "rank 0")]
    assert len(found.channels) == 2
