"""hwmon, Jetson, battery and find_all: what the fixture machines do not show by themselves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support.machines import MACHINES, Simulation, parts

from twentywatts import plugins
from twentywatts.meter.contract import Channel, ReadError, Scope
from twentywatts.meter.sources import NAMES, battery, find_all, hwmon, jetson


def _one(channels: list[Channel]) -> Channel:
    (channel,) = channels
    return channel


def test_an_average_is_taken_before_a_momentary_value_with_its_interval(tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    folder = parts.hwmon(machine, 0, "amdgpu")
    machine.power(f"{folder}/power1_input", 99.0)
    assert _one(hwmon.find(root=tmp_path).channels()).read() == pytest.approx(99.0)
    machine.power(f"{folder}/power1_average", 80.0)
    machine.file(f"{folder}/power1_average_interval", 250)
    channel = _one(hwmon.find(root=tmp_path).channels())
    assert channel.read() == pytest.approx(80.0)
    assert channel.period_s == 0.25


@pytest.mark.parametrize(("stated", "error_frac"), [("1.50%", 0.015), ("0%", 0.0), ("99%", 0.0), ("good", 0.0)])
def test_the_error_that_a_meter_states_is_taken_if_believable(stated: str, error_frac: float, tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    folder = parts.hwmon(machine, 0, "power_meter")
    machine.power(f"{folder}/power1_average", 200.0)
    machine.file(f"{folder}/power1_accuracy", stated)
    source = hwmon.find(root=tmp_path)
    assert _one(source.channels()).error_frac == pytest.approx(error_frac)
    assert ("as the device says" in source.findings()[0].accuracy) == (error_frac > 0)


def test_a_gpu_has_the_twin_that_other_sources_give_it(tmp_path: Path) -> None:
    MACHINES["two-amd-gpus"].at(tmp_path)
    twins = [channel.twin for channel in hwmon.find(root=tmp_path).channels()]
    assert twins == ["gpu:0000:03:00.0", "gpu:0000:04:00.0"]


def test_a_gpu_that_sleeps_is_no_question_of_permission(tmp_path: Path) -> None:
    def reader(path: Path) -> str:
        if path.name == "power1_average":
            raise PermissionError(1, "Operation not permitted")
        return path.read_text()

    MACHINES["two-amd-gpus"].at(tmp_path)
    findings = hwmon.find(root=tmp_path, reader=reader).findings()
    assert [finding.fix for finding in findings] == [(), ()]


def test_sockets_that_are_numa_nodes_are_no_twins_of_packages(tmp_path: Path) -> None:
    """One package with two NUMA nodes: the driver shows it twice, and the judge must find the mirror."""
    MACHINES["epyc-amd-energy"].at(tmp_path)
    (tmp_path / "sys/devices/system/cpu/cpu1/topology/physical_package_id").write_text("0\n")
    assert [channel.twin for channel in hwmon.find(root=tmp_path).channels()] == ["", ""]


def test_cores_are_shown_where_there_is_no_socket(tmp_path: Path) -> None:
    machine = Simulation(tmp_path)
    folder = parts.hwmon(machine, 0, "amd_energy")
    machine.file(f"{folder}/energy1_label", "Ecore000")
    machine.energy(f"{folder}/energy1_input", 2.0)
    channel = _one(hwmon.find(root=tmp_path).channels())
    assert (channel.scope, channel.component) == (Scope.CORE, "Ecore000")


def test_the_parts_of_a_grace_module_lie_inside_it(tmp_path: Path) -> None:
    MACHINES["grace-hopper"].at(tmp_path)
    inside = {channel.component: channel.inside for channel in hwmon.find(root=tmp_path).channels()}
    module, grace = (f"hwmon:power_meter:hwmon{number}:power1" for number in (1, 2))
    assert inside == {"Module 0": (), "Grace 0": (module,), "CPU 0": (grace, module), "SysIO 0": (grace, module)}


def test_rails_lie_inside_what_feeds_them(tmp_path: Path) -> None:
    MACHINES["jetson-tx2"].at(tmp_path)
    channels = jetson.find(root=tmp_path).channels()
    inside = {channel.key.rpartition(":")[2]: channel.inside for channel in channels}
    total, carrier = "jetson:0-0041:VDD_IN", "jetson:0-0042:VDD_MUX"
    assert inside["VDD_SYS_CPU"] == inside["VDD_SYS_DDR"] == (total,)
    assert inside["VDD_5V0_IO_SYS"] == inside["VDD_3V3_SYS"] == (carrier,)
    assert inside["VDD_IN"] == inside["VDD_MUX"] == ()


def test_a_rail_is_volts_times_amperes(tmp_path: Path) -> None:
    machine = MACHINES["jetson-orin-nx"].at(tmp_path)
    total = next(channel for channel in jetson.find(root=tmp_path).channels() if channel.scope is Scope.MODULE)
    assert total.read() == pytest.approx(14.0)
    assert total.period_s == pytest.approx(0.035)
    (machine.simulation.root / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/in1_input").unlink()
    with pytest.raises(ReadError, match="not there"):
        total.read()


def test_one_battery_hands_over_to_the_other(tmp_path: Path) -> None:
    machine = MACHINES["laptop-with-two-batteries"].at(tmp_path).simulation
    power = battery.find(root=tmp_path).channels()[0]
    assert power.component == "2 batteries"
    assert power.read() == pytest.approx(13.2)
    machine.file("sys/class/power_supply/BAT1/status", "Not charging")
    with pytest.raises(ReadError, match="mains"):
        power.read()
    machine.file("sys/class/power_supply/BAT0/status", "Discharging")
    machine.file("sys/class/power_supply/BAT0/power_now", 7_000_000)
    assert power.read() == pytest.approx(7.0)


def test_the_charge_is_a_coarse_counter_inside_the_power(tmp_path: Path) -> None:
    machine = MACHINES["laptop-on-battery"].at(tmp_path).simulation
    power, charge = battery.find(root=tmp_path).channels()
    assert charge.inside == (power.key,)
    assert charge.read() == pytest.approx(10 * 3600.0)
    machine.file("sys/class/power_supply/BAT0/energy_now", 39_990_000)
    assert charge.read() == pytest.approx(10 * 3600.0 + charge.step_j)


def test_every_source_is_asked_and_none_takes_another_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(**arguments: object) -> None:
        raise RuntimeError("a broken source")

    monkeypatch.setattr(hwmon, "find", broken)
    MACHINES["client"].at(tmp_path)
    sources = {source.name: source for source in find_all(root=tmp_path, only=("powercap", "hwmon", "nonsense"))}
    assert len(sources["powercap"].channels()) == 4
    assert "RuntimeError: a broken source" in sources["hwmon"].findings()[0].reason
    assert "no source is named 'nonsense'" in sources["nonsense"].findings()[0].reason


def test_a_plug_in_is_a_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = SimpleNamespace(name="lab-meter", channels=list, findings=list)
    monkeypatch.setattr(plugins, "find", lambda kind, name: (lambda **arguments: made) if kind == "meters" else None)
    assert find_all(root=tmp_path, only=("lab-meter",)) == [made]


def test_the_names_are_the_modules() -> None:
    folder = Path(hwmon.__file__).parent
    for name in NAMES:
        assert (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file(), name
