"""RAPL: ranges and steps, layouts of zones, faces of one counter, events of perf."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.machines import STEP_15_NJ, STEP_61_NJ, Simulation, parts, range_uj

from twentywatts.meter.checks import Judge
from twentywatts.meter.contract import Channel, Scope
from twentywatts.meter.sources import find_all, perf, powercap
from twentywatts.meter.sources.perf_open import open_event

PMU = Path("/sys/bus/event_source/devices/power/events")


def _channels(root: Path) -> dict[str, Channel]:
    return {channel.key.removeprefix("powercap:"): channel for channel in powercap.find(root=root).channels()}


@pytest.mark.parametrize(
    ("step_nj", "printed_uj", "step_j"), [(STEP_61_NJ, 262143328850, 2**-14), (STEP_15_NJ, 65532610987, 2**-16)]
)
def test_the_range_gives_the_step_and_where_it_wraps(
    step_nj: int, printed_uj: int, step_j: float, tmp_path: Path
) -> None:
    """The ranges are those that kernels print on machines with 2^-14 J and 2^-16 J units."""
    assert range_uj(step_nj) == printed_uj
    parts.zone(Simulation(tmp_path), "intel-rapl:0", "package-0", 1.0, step_nj=step_nj)
    channel = _channels(tmp_path)["intel-rapl:0"]
    assert channel.step_j == pytest.approx(step_j, rel=1e-4)
    assert channel.range_j == pytest.approx(2**32 * channel.step_j, rel=1e-12)
    assert channel.range_is_known


def test_a_wrap_is_exact_to_a_step(tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    parts.zone(machine, "intel-rapl:0", "package-0", 100.0, start_j=262_143.0)
    channel = _channels(tmp_path)["intel-rapl:0"]
    before = channel.read()
    machine.advance(1.0)
    after = channel.read()
    assert after < before
    assert after - before + (channel.range_j or 0.0) == pytest.approx(100.0, abs=channel.step_j + 1e-6)


def test_sub_zones_that_stand_in_their_package_alone_are_found(tmp_path: Path) -> None:
    """Some containers show real folders in the class, without the links beside them."""
    machine = Simulation(tmp_path)
    for ident, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0/intel-rapl:0:0", "dram")):
        machine.file(f"{parts.CLASS}/intel-rapl/{ident}/name", name)
        machine.energy(f"{parts.CLASS}/intel-rapl/{ident}/energy_uj", 5.0)
    found = _channels(tmp_path)
    assert {key: channel.scope for key, channel in found.items()} == {
        "intel-rapl:0": Scope.PACKAGE,
        "intel-rapl:0:0": Scope.DRAM,
    }
    assert found["intel-rapl:0:0"].component == "cpu 0 memory"


def test_two_zones_of_one_name_are_two_counters(tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    for number in (0, 1):
        parts.zone(machine, f"intel-rapl:{number}", "package-0", 10.0 + number)
        parts.zone(machine, f"intel-rapl:{number}:0", "core", 1.0 + number)
    twins = {channel.twin for channel in _channels(tmp_path).values()}
    assert len(twins) == 4
    assert _channels(tmp_path)["intel-rapl:1:0"].inside == ("powercap:intel-rapl:1",)


def test_containment_crosses_the_sources(tmp_path: Path) -> None:
    """psys by perf holds the packages by powercap; a core by perf lies in the package by powercap."""
    machine = Simulation(tmp_path)
    parts.zone(machine, "intel-rapl:0", "package-0", 10.0)
    parts.perf(machine, "0", {"energy-psys": 5, "energy-cores": 1})
    dials = {(5, 0): machine.unseen("psys", 30.0), (1, 0): machine.unseen("cores", 3.0)}
    sources = find_all(
        root=tmp_path, only=("powercap", "perf", "hwmon"), options={"perf": {"opener": parts.opener(dials)}}
    )
    inside = {channel.key: set(channel.inside) for source in sources for channel in source.channels()}
    psys = "perf:energy-psys:cpu0"
    assert inside["powercap:intel-rapl:0"] == {psys}
    assert inside["perf:energy-cores:cpu0"] == {"powercap:intel-rapl:0", psys}


def test_a_zone_may_allow_itself_more_than_two_kilowatts(tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    folder = parts.zone(machine, "intel-rapl:0", "package-0", 10.0)
    machine.file(f"{folder}/constraint_0_max_power_uw", 65_000_000)
    assert _channels(tmp_path)["intel-rapl:0"].limit_w == 2000.0
    machine.file(f"{folder}/constraint_1_max_power_uw", 2_000_000_000)
    assert _channels(tmp_path)["intel-rapl:0"].limit_w == 3000.0
    machine.file(f"{folder}/constraint_1_max_power_uw", 2**63)
    assert _channels(tmp_path)["intel-rapl:0"].limit_w == 2000.0


def test_the_fix_never_lets_everybody_read(tmp_path: Path) -> None:
    def reader(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return path.read_text()

    parts.zone(Simulation(tmp_path), "intel-rapl:0", "package-0", 10.0)
    (finding,) = powercap.find(root=tmp_path, reader=reader).findings()
    text = "\n".join(finding.fix)
    assert "0440" in text
    assert "444 " not in text.replace("0440", "")
    assert "o+r" not in text
    assert "a+r" not in text


def test_a_mask_of_processors_is_read(tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    parts.perf(machine, "0,2-3", {"energy-pkg": 2})
    for place, cpu in enumerate((0, 2, 3)):
        parts.package_of(machine, cpu, place // 2, place % 2)
    dials = {(2, cpu): machine.unseen(str(cpu), 5.0) for cpu in (0, 2, 3)}
    found = perf.find(root=tmp_path, opener=parts.opener(dials)).channels()
    assert [channel.component for channel in found] == ["cpu 0 die 0", "cpu 0 die 1", "cpu 1 die 0"]
    assert [channel.twin for channel in found] == [
        "rapl:package-0-die-0",
        "rapl:package-0-die-1",
        "rapl:package-1-die-0",
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("energy-pkg.scale", "-1"),
        ("energy-pkg.scale", "nan"),
        ("energy-pkg.scale", "1e99"),
        ("energy-pkg.unit", "Watts"),
        ("energy-pkg", "event=2,umask=1"),
        ("../type", "x"),
    ],
)
def test_an_event_that_is_not_understood_is_not_used(file: str, text: str, tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    parts.perf(machine, "0", {"energy-pkg": 2})
    machine.file(f"{parts.PERF}/events/{file}", text)
    source = perf.find(root=tmp_path, opener=parts.opener({(2, 0): machine.unseen("x", 1.0)}))
    assert source.channels() == []
    assert source.findings()[0].reason


def test_an_event_is_opened_once_and_given_back(tmp_path: Path) -> None:
    machine, opened, closed = Simulation(tmp_path), [], []
    parts.perf(machine, "0", {"energy-pkg": 2})

    class Event:
        def read(self) -> int:
            return 2**32

        def close(self) -> None:
            closed.append(self)

    def opener(kind: int, config: int, cpu: int) -> Event:
        opened.append((kind, config, cpu))
        return Event()

    (channel,) = perf.find(root=tmp_path, opener=opener).channels()
    assert [channel.read(), channel.read()] == [1.0, 1.0]
    assert opened == [(9, 2, 0)]
    channel.close()
    channel.close()
    assert len(closed) == 1


def test_the_system_call_counts() -> None:
    """The software clock of one processor (type 1, event 0) is there wherever perf is."""
    try:
        event = open_event(1, 0, 0)
    except OSError as error:
        pytest.skip(f"no perf events here: {error}")
    first, end_s = event.read(), time.monotonic() + 60
    while event.read() <= first:  # some kernels let this clock go on in ticks
        assert time.monotonic() < end_s
    event.close()
    event.close()
    with pytest.raises(OSError, match=r"."):
        event.read()
    with pytest.raises(OSError, match=r"."):
        open_event(0xFFFF, 0, 0)


@pytest.mark.skipif(not PMU.is_dir(), reason="this machine has no energy events")
def test_the_energy_events_of_this_machine_are_readable_and_judged() -> None:
    source = perf.find()
    assert source.findings()
    channels = source.channels()
    before = [channel.read() for channel in channels]
    assert min(before, default=0.0) >= 0.0
    verdicts = Judge()(channels)
    for channel, first in zip(channels, before, strict=True):
        if channel.read() == first:  # as those that a hypervisor advertises are
            assert "frozen" in verdicts[channel.key]
