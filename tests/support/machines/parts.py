"""Parts of machines: RAPL zones as the kernel lays them out, perf events, hwmon devices, rails, batteries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.support.machines.simulation import STEP_61_NJ, Dial, Power, Simulation, range_uj

CLASS = "sys/class/powercap"
DEVICES = "sys/devices/virtual/powercap"
PERF = "sys/bus/event_source/devices/power"
PER_COUNT_J = 2.0**-32


def zone(
    machine: Simulation,
    ident: str,
    name: str,
    power: Power,
    *,
    step_nj: int = STEP_61_NJ,
    start_j: float = 0.0,
    at: str = "",
) -> str:
    """Add "intel-rapl:0" or its sub-zone "intel-rapl:0:1": the folder below /sys/devices, and the link in the class."""
    control, *numbers = ident.split(":")
    parent = f"{control}:{numbers[0]}/" if len(numbers) > 1 else ""
    folder = f"{at}{DEVICES}/{control}/{parent}{ident}"
    machine.file(f"{folder}/name", name)
    machine.file(f"{folder}/max_energy_range_uj", range_uj(step_nj))
    machine.rapl(f"{folder}/energy_uj", power, step_nj=step_nj, start_j=start_j)
    machine.link(f"{at}{CLASS}/{ident}", folder)
    return folder


def processor(machine: Simulation, vendor: str = "GenuineIntel", flags: str = "fpu vme") -> None:
    """Add /proc/cpuinfo."""
    machine.file("proc/cpuinfo", f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: {flags}")


def package_of(machine: Simulation, cpu: int, package: int, die: int = 0) -> None:
    """Say which package a processor belongs to."""
    folder = f"sys/devices/system/cpu/cpu{cpu}/topology"
    machine.file(f"{folder}/physical_package_id", package)
    machine.file(f"{folder}/die_id", die)


@dataclass
class FakeEvent:
    """A perf event that counts the joules of a dial."""

    dial: Dial

    def read(self) -> int:
        return int(self.dial.energy_j / PER_COUNT_J)

    def close(self) -> None:
        """Nothing is held."""


def perf(machine: Simulation, cpumask: str, events: Mapping[str, int]) -> None:
    """Add the perf device with its events and their codes."""
    machine.file(f"{PERF}/type", 9)
    machine.file(f"{PERF}/cpumask", cpumask)
    for event, code in events.items():
        machine.file(f"{PERF}/events/{event}", f"event=0x{code:02x}")
        machine.file(f"{PERF}/events/{event}.scale", "2.3283064365386962890625e-10")
        machine.file(f"{PERF}/events/{event}.unit", "Joules")


def opener(dials: Mapping[tuple[int, int], Dial]) -> Callable[[int, int, int], FakeEvent]:
    """Return what opens the event (config, cpu) of the perf device, and fails as the kernel does for any other."""

    def open_event(kind: int, config: int, cpu: int) -> FakeEvent:
        if kind != 9 or (config, cpu) not in dials:
            raise OSError(22, "Invalid argument")
        return FakeEvent(dials[config, cpu])

    return open_event


def hwmon(machine: Simulation, number: int, name: str, device: str = "") -> str:
    """Add a hwmon device (on a PCI or platform device) and return its folder."""
    folder = f"sys/class/hwmon/hwmon{number}"
    machine.file(f"{folder}/name", name)
    if device:
        machine.file(f"sys/devices/{device}/uevent", "")
        machine.link(f"{folder}/device", f"sys/devices/{device}")
    return folder


def grace(machine: Simulation, number: int, words: str, power: Power) -> None:
    """Add an ACPI power meter as Grace has them: an older driver, with everything below device/."""
    folder = f"sys/class/hwmon/hwmon{number}"
    machine.file(f"{folder}/device/name", "power_meter")
    machine.file(f"{folder}/device/power1_oem_info", words)
    machine.file(f"{folder}/device/power1_average_interval", 50)
    machine.power(f"{folder}/device/power1_average", power)


def rail(machine: Simulation, folder: str, number: int, name: str, power_w: float) -> None:
    """Add a rail of the newer INA3221 driver: 5 V, and the current that makes ``power_w``."""
    machine.file(f"{folder}/in{number}_label", name)
    machine.file(f"{folder}/in{number}_input", 5000)
    machine.power(f"{folder}/curr{number}_input", power_w / 5, per_w=1000)
    machine.file(f"{folder}/in{number + 3}_input", 80)


def iio_rail(machine: Simulation, folder: str, number: int, name: str, power_w: float) -> None:
    """Add a rail of the older INA3221 driver of the Tegra kernels, in mW."""
    machine.file(f"{folder}/rail_name_{number}", name)
    machine.power(f"{folder}/in_power{number}_input", power_w, per_w=1000)


def battery(machine: Simulation, name: str, status: str, power_w: float, *, by_current: bool = False) -> None:
    """Add a battery of 50 Wh that is 40 Wh full."""
    folder = f"sys/class/power_supply/{name}"
    machine.file(f"{folder}/type", "Battery")
    machine.file(f"{folder}/status", status)
    machine.file(f"{folder}/energy_full", 50_000_000)
    machine.file(f"{folder}/energy_now", 40_000_000)
    if by_current:
        machine.file(f"{folder}/voltage_now", 12_000_000)
        machine.power(f"{folder}/current_now", power_w, per_w=-1e6 / 12)  # some drivers give it a minus sign
    else:
        machine.power(f"{folder}/power_now", power_w)
