"""Machines where something is missing, dead, forbidden or broken; nothing of it may raise or become a joule."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tests.support.machines import parts
from tests.support.machines.record import Machine, Options
from tests.support.machines.simulation import Simulation

from twentywatts.meter.contract import Reader, Scope
from twentywatts.meter.sources.files import read_text

ZONE = "powercap:intel-rapl:0"


def _failing(code: int, *names: str) -> Reader:
    """Return a reader that fails for files of these names, as a kernel does (root passes a chmod, but not this)."""

    def reader(path: Path) -> str:
        if path.name in names:
            raise OSError(code, os.strerror(code), str(path))
        return read_text(path)

    return reader


def _one_zone(machine: Simulation) -> None:
    parts.processor(machine)
    parts.zone(machine, "intel-rapl:0", "package-0", 40.0)


def _cloud(machine: Simulation) -> Options:
    parts.processor(machine, flags="fpu hypervisor")
    parts.perf(machine, "0", {"energy-psys": 5})
    return {"perf": {"opener": parts.opener({(5, 0): machine.unseen("psys", 0.0)})}}


def _denied_perf(machine: Simulation) -> Options:
    parts.perf(machine, "0", {"energy-pkg": 2})

    def opener(kind: int, config: int, cpu: int) -> parts.FakeEvent:
        raise PermissionError(errno.EACCES, "Permission denied")

    return {"perf": {"opener": opener}}


def _container(machine: Simulation) -> None:
    machine.file(".dockerenv", "")
    machine.file("proc/stat", "cpu 1 2 3")


def _masked(machine: Simulation) -> None:
    machine.file(".dockerenv", "")
    parts.processor(machine)
    (machine.root / parts.DEVICES).mkdir(parents=True)
    machine.link(f"{parts.CLASS}/intel-rapl:0", f"{parts.DEVICES}/intel-rapl/intel-rapl:0")


def _host_mounted(machine: Simulation) -> None:
    machine.file(".dockerenv", "")
    machine.file("sys/kernel/notes", "")
    parts.zone(machine, "intel-rapl:0", "package-0", 70.0, at="host/")


def _frozen(machine: Simulation) -> None:
    parts.processor(machine)
    parts.zone(machine, "intel-rapl:0", "package-0", 0.0, start_j=5.0)
    parts.zone(machine, "intel-rapl:1", "package-1", 33.0)


def _without_range(machine: Simulation) -> None:
    _one_zone(machine)
    (machine.root / parts.DEVICES / "intel-rapl/intel-rapl:0/max_energy_range_uj").unlink()


def _range_of(text: str) -> Machine:
    def build(machine: Simulation) -> None:
        _one_zone(machine)
        machine.file(f"{parts.DEVICES}/intel-rapl/intel-rapl:0/max_energy_range_uj", text)

    return _alive(f"range-{text.strip('-') or 'empty'}", build, "a wrap looks like a reset")


def _alive(name: str, build: object, *says: str) -> Machine:
    assert callable(build)
    return Machine(
        name=name, build=build, channels={ZONE: Scope.PACKAGE}, summed=frozenset({ZONE}), power_w=40.0, says=says
    )


def _counter_of(name: str, text: str) -> Machine:
    def build(machine: Simulation) -> None:
        parts.processor(machine)
        folder = f"{parts.DEVICES}/intel-rapl/intel-rapl:0"
        machine.file(f"{folder}/name", "package-0")
        machine.file(f"{folder}/max_energy_range_uj", 262143328850)
        (machine.root / folder / "energy_uj").write_bytes(text.encode("utf-8", "surrogateescape"))
        machine.link(f"{parts.CLASS}/intel-rapl:0", folder)

    return Machine(name=f"counter-{name}", build=build, says=("an empty file" if not text.strip() else "not a count",))


def _looping(machine: Simulation) -> None:
    _one_zone(machine)
    machine.link(f"{parts.DEVICES}/intel-rapl/intel-rapl:0/intel-rapl:0:0", f"{parts.DEVICES}/intel-rapl/intel-rapl:0")
    machine.link(f"{parts.CLASS}/intel-rapl:7", f"{parts.CLASS}/intel-rapl:8")
    machine.link(f"{parts.CLASS}/intel-rapl:8", f"{parts.CLASS}/intel-rapl:7")
    machine.link("sys/class/hwmon/hwmon0/device", "sys/class/hwmon/hwmon0")
    machine.file("sys/class/hwmon/hwmon0/name", "amdgpu")


def _escaping(machine: Simulation) -> None:
    """Links that lead to another machine's counters, which stand beside the root."""
    other = Simulation(machine.root.parent / f"{machine.root.name}-outside")
    _one_zone(other)
    outside = other.root / parts.DEVICES / "intel-rapl/intel-rapl:0"
    machine.link(f"{parts.CLASS}/intel-rapl:0", str(outside))
    machine.file(f"{parts.CLASS}/intel-rapl:1/name", "package-1")
    machine.link(f"{parts.CLASS}/intel-rapl:1/energy_uj", str(outside / "energy_uj"))
    machine.link("sys/class/power_supply", str(other.root))


def _raspberry(machine: Simulation) -> None:
    machine.file("proc/cpuinfo", "processor\t: 0\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0")
    folder = parts.hwmon(machine, 0, "cpu_thermal")
    machine.file(f"{folder}/temp1_input", 48_000)
    machine.file(f"{parts.hwmon(machine, 1, 'rpi_volt')}/in0_lcrit_alarm", 0)


def _macos(machine: Simulation) -> None:
    machine.file("System/Library/CoreServices/SystemVersion.plist", "<plist/>")


def _unknown_sensors(machine: Simulation) -> None:
    machine.power(f"{parts.hwmon(machine, 0, 'ltc2945')}/power1_input", 30.0)
    parts.battery(machine, "BAT0", "Full", 0.0)
    machine.power(f"{parts.hwmon(machine, 1, 'BAT0')}/power1_input", 5.0)
    parts.rail(machine, "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon2", 1, "MY_RAIL", 3.0)


def _garbage(machine: Simulation) -> None:
    noise = "\x00\xff\u2603 NaN -1 1e999 " * 50
    files = (
        f"{parts.CLASS}/intel-rapl:0/name {parts.CLASS}/intel-rapl:1/energy_uj {parts.CLASS}/intel-rapl:0:0:0:0/name "
        f"{parts.PERF}/type {parts.PERF}/cpumask {parts.PERF}/events/energy-pkg sys/class/hwmon/hwmon0/name "
        "sys/class/hwmon/hwmon0/energy1_input sys/class/hwmon/hwmon1/power1_average sys/class/power_supply/BAT0/status "
        "sys/class/power_supply/BAT0/power_now sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon0/in1_label "
        "sys/bus/i2c/drivers/ina3221x/1-0040/iio:device0/rail_name_0 proc/cpuinfo"
    )
    for path in files.split():
        machine.file(path, noise)
    machine.file("sys/class/hwmon/hwmon1/name", "amdgpu")
    (machine.root / "sys/class/hwmon/hwmon2/name").mkdir(parents=True)
    os.mkfifo(machine.root / f"{parts.CLASS}/intel-rapl:0/energy_uj")


def _files_for_folders(machine: Simulation) -> None:
    for path in ("sys/class/powercap", "sys/class/hwmon", "sys/class/power_supply", f"{parts.PERF}/events"):
        machine.file(path, "a file")


BROKEN = (
    Machine(
        name="cloud-dead-perf-event",
        build=_cloud,
        channels={"perf:energy-psys:cpu0": Scope.PLATFORM},
        rejected=frozenset({"perf:energy-psys:cpu0"}),
        says=("this is a virtual machine",),
    ),
    Machine(name="perf-denied", build=_denied_perf, says=("no permission", "kernel.perf_event_paranoid=0")),
    Machine(name="container-without-sysfs", build=_container, says=("there is no /sys here", "/host/sys")),
    Machine(name="container-masked", build=_masked, says=("cannot be seen from here", "/host/sys")),
    Machine(
        name="container-with-host-sys",
        build=_host_mounted,
        channels={ZONE: Scope.PACKAGE},
        summed=frozenset({ZONE}),
        power_w=70.0,
    ),
    Machine(
        name="permission-denied",
        build=_one_zone,
        reader=_failing(errno.EACCES, "energy_uj"),
        says=("no permission to read", "sudo groupadd --force energy", "udev/rules.d", "0440"),
    ),
    Machine(name="no-data", build=_one_zone, reader=_failing(errno.ENODATA, "energy_uj"), says=("no data",)),
    Machine(name="io-error", build=_one_zone, reader=_failing(errno.EIO, "energy_uj"), says=("does not answer",)),
    Machine(name="gone", build=_one_zone, reader=_failing(errno.ENODEV, "energy_uj"), says=("is gone",)),
    Machine(
        name="everything-denied",
        build=_one_zone,
        reader=_failing(errno.EACCES, "energy_uj", "name", "max_energy_range_uj", "cpuinfo"),
        says=("its name cannot be read",),
    ),
    Machine(
        name="frozen-counter",
        build=_frozen,
        channels={ZONE: Scope.PACKAGE, "powercap:intel-rapl:1": Scope.PACKAGE},
        summed=frozenset({"powercap:intel-rapl:1"}),
        rejected=frozenset({ZONE}),
        power_w=33.0,
    ),
    _alive("without-range", _without_range, "a wrap looks like a reset"),
    _range_of("0"),
    _range_of("-5"),
    _range_of("12"),
    _range_of("99999999999999999999999"),
    _counter_of("empty", ""),
    _counter_of("negative", "-12\n"),
    _counter_of("huge", "9" * 4000),
    _counter_of("fraction", "12.5\n"),
    _counter_of("words", "n/a\n"),
    _counter_of("unicode-digits", "\u0663\u0664\n"),
    _counter_of("zeros", "\x00" * 100),
    _alive("looping-links", _looping),
    Machine(name="links-out-of-the-root", build=_escaping),
    Machine(name="raspberry-pi", build=_raspberry, says=("no RAPL zones", "no battery")),
    Machine(name="macos", build=_macos, says=("there is no /sys here",)),
    Machine(name="unknown-sensors", build=_unknown_sensors, says=("is not known: not used", "may be part of another")),
    Machine(name="garbage", build=_garbage),
    Machine(name="files-for-folders", build=_files_for_folders),
)
