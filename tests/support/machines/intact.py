"""Machines as they are sold: everything there, everything readable."""

from __future__ import annotations

from tests.support.machines import parts
from tests.support.machines.record import Machine, Options
from tests.support.machines.simulation import STEP_15_NJ, Simulation

from twentywatts.meter.contract import Scope

GPU0, GPU1 = "pci0000:00/0000:03:00.0", "pci0000:00/0000:04:00.0"


def _client(machine: Simulation) -> None:
    parts.processor(machine)
    parts.zone(machine, "intel-rapl:0", "package-0", 45.0, start_j=262_100.0)
    parts.zone(machine, "intel-rapl:0:0", "core", 30.0)
    parts.zone(machine, "intel-rapl:0:1", "uncore", 5.0)
    parts.zone(machine, "intel-rapl:1", "psys", 60.0)


def _mmio(machine: Simulation) -> None:
    parts.processor(machine)
    for control in ("intel-rapl", "intel-rapl-mmio"):
        parts.zone(machine, f"{control}:0", "package-0", 28.0, start_j=77.0)


def _xeon(machine: Simulation) -> None:
    parts.processor(machine)
    for socket, power_w in ((0, 180.0), (1, 190.0)):
        parts.zone(machine, f"intel-rapl:{socket}", f"package-{socket}", power_w, start_j=262_000.0)
        parts.zone(machine, f"intel-rapl:{socket}:0", "dram", 20.0 + socket, step_nj=STEP_15_NJ, start_j=65_500.0)


def _xeon_of_dies(machine: Simulation) -> None:
    parts.processor(machine)
    for die, power_w in ((0, 150.0), (1, 165.0)):
        parts.zone(machine, f"intel-rapl:{die}", f"package-0-die-{die}", power_w)


def _mirrored(dies: int, power_w: float, *, step_nj: int) -> Machine:
    def build(machine: Simulation) -> None:
        parts.processor(machine, "AuthenticAMD")
        for die in range(dies):
            parts.zone(machine, f"intel-rapl:{die}", f"package-0-die-{die}", power_w, step_nj=step_nj, start_j=65_000.0)
            parts.zone(machine, f"intel-rapl:{die}:0", "core", 1.0 + die, step_nj=step_nj)

    keys = [f"powercap:intel-rapl:{die}" for die in range(dies)]
    return Machine(
        name=f"amd-{dies}-mirrored-dies",
        build=build,
        channels=dict.fromkeys(keys, Scope.PACKAGE) | {f"{key}:0": Scope.CORE for key in keys},
        summed=frozenset(keys[:1]),
        rejected=frozenset(keys[1:]),
        power_w=power_w,
        says=("some processors show their whole socket in each",),
    )


def _perf_only(machine: Simulation) -> Options:
    parts.processor(machine)
    parts.perf(machine, "0,16", {"energy-cores": 1, "energy-pkg": 2, "energy-ram": 3, "energy-psys": 5})
    dials = {}
    for cpu, package in ((0, 0), (16, 1)):
        parts.package_of(machine, cpu, package)
        for config, power_w in ((1, 50.0 + package), (2, 100.0 + package), (3, 10.0 + package)):
            dials[config, cpu] = machine.unseen(f"{config}:{cpu}", power_w)
    dials[5, 0] = machine.unseen("psys", 300.0)
    return {"perf": {"opener": parts.opener(dials)}}


def _perf_and_powercap(machine: Simulation) -> Options:
    _client(machine)
    parts.perf(machine, "0", {"energy-pkg": 2})
    return {"perf": {"opener": parts.opener({(2, 0): machine.unseen("package", 45.0)})}}


def _amd_energy(machine: Simulation) -> None:
    parts.processor(machine, "AuthenticAMD")
    folder = parts.hwmon(machine, 1, "amd_energy", "platform/amd_energy.0")
    for core in (1, 2):
        machine.file(f"{folder}/energy{core}_label", f"Ecore{core - 1:03}")
        machine.energy(f"{folder}/energy{core}_input", 3.0)
    for socket in (0, 1):
        parts.package_of(machine, socket, socket)
        machine.file(f"{folder}/energy{socket + 3}_label", f"Esocket{socket}")
        machine.energy(f"{folder}/energy{socket + 3}_input", 120.0 + socket, start_j=1e6)


def _grace_hopper(machine: Simulation) -> None:
    parts.grace(machine, 1, "Module Power Socket 0", 500.0)
    parts.grace(machine, 2, "Grace Power Socket 0", 200.0)
    parts.grace(machine, 3, "CPU Power Socket 0", 150.0)
    parts.grace(machine, 4, "SysIO Power Socket 0", 30.0)


def _grace_superchip(machine: Simulation) -> None:
    for socket in (0, 1):
        parts.grace(machine, 3 * socket, f"Grace Power Socket {socket}", 180.0 + socket)
        parts.grace(machine, 3 * socket + 1, f"CPU Power Socket {socket}", 140.0)
        parts.grace(machine, 3 * socket + 2, f"SysIO Power Socket {socket}", 25.0)


def _i915(machine: Simulation) -> None:
    parts.processor(machine)
    parts.zone(machine, "intel-rapl:0", "package-0", 65.0)
    machine.energy(f"{parts.hwmon(machine, 2, 'i915', GPU0)}/energy1_input", 150.0)
    machine.energy(f"{parts.hwmon(machine, 3, 'i915_gt0', GPU0)}/energy1_input", 120.0)


def _xe(machine: Simulation) -> None:
    folder = parts.hwmon(machine, 4, "xe", GPU0)
    for number, label, power_w in ((1, "card", 190.0), (2, "pkg", 150.0)):
        machine.file(f"{folder}/energy{number}_label", label)
        machine.energy(f"{folder}/energy{number}_input", power_w)


def _amdgpu(machine: Simulation) -> None:
    parts.processor(machine, "AuthenticAMD")
    parts.zone(machine, "intel-rapl:0", "package-0", 90.0)
    for number, device, power_w in ((3, GPU0, 220.0), (10, GPU1, 180.0)):
        folder = parts.hwmon(machine, number, "amdgpu", device)
        machine.file(f"{folder}/power1_label", "PPT")
        machine.file(f"{folder}/power1_cap_max", 300_000_000)
        machine.power(f"{folder}/power1_average", power_w)


def _apu(machine: Simulation) -> None:
    parts.processor(machine, "AuthenticAMD")
    parts.zone(machine, "intel-rapl:0", "package-0", 25.0)
    folder = parts.hwmon(machine, 3, "amdgpu", GPU0)
    machine.file(f"{folder}/in1_label", "vddnb")
    machine.power(f"{folder}/power1_input", 24.0)


def _acpi(machine: Simulation) -> None:
    parts.processor(machine)
    folder = parts.hwmon(machine, 0, "power_meter")
    machine.file(f"{folder}/power1_accuracy", "1.50%")
    machine.file(f"{folder}/power1_average_interval", 1000)
    machine.power(f"{folder}/power1_average", 310.0)


def _orin_nx(machine: Simulation) -> None:
    folder = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    machine.file(f"{folder}/name", "ina3221")
    machine.file(f"{folder}/update_interval", 35)
    for number, name, power_w in ((1, "VDD_IN", 14.0), (2, "VDD_CPU_GPU_CV", 6.0), (3, "VDD_SOC", 3.0)):
        parts.rail(machine, folder, number, name, power_w)
    machine.file(f"{folder}/in7_label", "sum of shunt voltages")
    machine.link("sys/class/hwmon/hwmon3", folder)


def _agx_orin(machine: Simulation) -> None:
    first, second = (f"sys/bus/i2c/drivers/ina3221/1-004{n}/hwmon/hwmon{n}" for n in (0, 1))
    for number, name, power_w in ((1, "VDD_GPU_SOC", 20.0), (2, "VDD_CPU_CV", 10.0), (3, "VIN_SYS_5V0", 8.0)):
        parts.rail(machine, first, number, name, power_w)
    parts.rail(machine, second, 2, "VDDQ_VDD2_1V8AO", 2.0)
    parts.rail(machine, second, 3, "NC", 1.0)


def _tx2(machine: Simulation) -> None:
    module = "sys/bus/i2c/drivers/ina3221x/0-0041/iio:device1"
    carrier = "sys/bus/i2c/drivers/ina3221x/0-0042/iio:device2"
    for number, name, power_w in ((0, "VDD_IN", 9.0), (1, "VDD_SYS_CPU", 3.0), (2, "VDD_SYS_DDR", 1.5)):
        parts.iio_rail(machine, module, number, name, power_w)
    for number, name, power_w in ((0, "VDD_MUX", 4.0), (1, "VDD_5V0_IO_SYS", 2.0), (2, "VDD_3V3_SYS", 1.0)):
        parts.iio_rail(machine, carrier, number, name, power_w)


def _agx_xavier(machine: Simulation) -> None:
    for device, names in ((0, ("GPU", "CPU", "SOC")), (1, ("CV", "VDDRQ", "SYS5V"))):
        for number, name in enumerate(names):
            folder = f"sys/bus/i2c/drivers/ina3221x/1-004{device}/iio:device{device}"
            parts.iio_rail(machine, folder, number, name, 2.0 + number)


def _laptop(status: str) -> Machine:
    def build(machine: Simulation) -> None:
        parts.processor(machine)
        parts.battery(machine, "BAT0", status, 11.0)
        machine.file("sys/class/power_supply/hidpp_battery_0/type", "Battery")
        machine.file("sys/class/power_supply/hidpp_battery_0/scope", "Device")
        machine.file("sys/class/power_supply/hidpp_battery_0/status", "Discharging")
        machine.file("sys/class/power_supply/AC/type", "Mains")
        machine.file("sys/class/power_supply/AC/online", int(status != "Discharging"))

    if status != "Discharging":
        return Machine(name="laptop-on-mains", build=build, says=("the machine runs on mains", "unplug the charger"))
    return Machine(
        name="laptop-on-battery",
        build=build,
        channels={"battery:power": Scope.BATTERY, "battery:energy": Scope.BATTERY},
        summed=frozenset({"battery:power"}),
        power_w=11.0,
    )


def _two_batteries(machine: Simulation) -> None:
    parts.battery(machine, "BAT0", "Not charging", 0.0)
    parts.battery(machine, "BAT1", "Discharging", 13.2, by_current=True)


def _p(*idents: str) -> frozenset[str]:
    return frozenset(f"powercap:intel-rapl:{ident}" for ident in idents)


def _scopes(prefix: str, scopes: dict[str, Scope]) -> dict[str, Scope]:
    return {f"{prefix}:{ident}": scope for ident, scope in scopes.items()}


_RAPL = "powercap:intel-rapl"
_CLIENT = _scopes(_RAPL, {"0": Scope.PACKAGE, "0:0": Scope.CORE, "0:1": Scope.UNCORE, "1": Scope.PLATFORM})
_GRACE = "hwmon:power_meter"
_PERF_SCOPES = {"energy-pkg": Scope.PACKAGE, "energy-cores": Scope.CORE, "energy-ram": Scope.DRAM}
_TX2_RAILS = ("0041:VDD_SYS_CPU", "0041:VDD_SYS_DDR", "0042:VDD_MUX", "0042:VDD_5V0_IO_SYS", "0042:VDD_3V3_SYS")

INTACT = (
    Machine(name="client", build=_client, channels=_CLIENT, summed=_p("0"), power_w=45.0),
    Machine(
        name="client-mmio",
        build=_mmio,
        channels={f"{_RAPL}:0": Scope.PACKAGE, "powercap:intel-rapl-mmio:0": Scope.PACKAGE},
        summed=_p("0"),
        rejected=frozenset({"powercap:intel-rapl-mmio:0"}),
        power_w=28.0,
    ),
    Machine(
        name="two-socket-xeon",
        build=_xeon,
        channels=_scopes(_RAPL, {"0": Scope.PACKAGE, "0:0": Scope.DRAM, "1": Scope.PACKAGE, "1:0": Scope.DRAM}),
        summed=_p("0", "0:0", "1", "1:0"),
        power_w=411.0,
    ),
    Machine(
        name="xeon-of-two-dies",
        build=_xeon_of_dies,
        channels=_scopes(_RAPL, {"0": Scope.PACKAGE, "1": Scope.PACKAGE}),
        summed=_p("0", "1"),
        power_w=315.0,
    ),
    _mirrored(4, 280.0, step_nj=STEP_15_NJ),
    _mirrored(2, 210.0, step_nj=STEP_15_NJ),
    Machine(
        name="two-sockets-by-perf",
        build=_perf_only,
        channels={f"perf:{event}:cpu{cpu}": scope for event, scope in _PERF_SCOPES.items() for cpu in (0, 16)}
        | {"perf:energy-psys:cpu0": Scope.PLATFORM},
        summed=frozenset(f"perf:{event}:cpu{cpu}" for event in ("energy-pkg", "energy-ram") for cpu in (0, 16)),
        power_w=222.0,
    ),
    Machine(
        name="perf-beside-powercap",
        build=_perf_and_powercap,
        channels={**_CLIENT, "perf:energy-pkg:cpu0": Scope.PACKAGE},
        summed=_p("0"),
        rejected=frozenset({"perf:energy-pkg:cpu0"}),
        power_w=45.0,
    ),
    Machine(
        name="epyc-amd-energy",
        build=_amd_energy,
        channels=_scopes("hwmon:amd_energy:amd_energy.0", {"energy3": Scope.PACKAGE, "energy4": Scope.PACKAGE}),
        summed=frozenset({"hwmon:amd_energy:amd_energy.0:energy3", "hwmon:amd_energy:amd_energy.0:energy4"}),
        power_w=241.0,
    ),
    Machine(
        name="grace-hopper",
        build=_grace_hopper,
        channels=_scopes(
            _GRACE,
            {
                "hwmon1:power1": Scope.MODULE,
                "hwmon2:power1": Scope.PACKAGE,
                "hwmon3:power1": Scope.CORE,
                "hwmon4:power1": Scope.UNCORE,
            },
        ),
        summed=frozenset({f"{_GRACE}:hwmon1:power1"}),
        power_w=500.0,
    ),
    Machine(
        name="grace-superchip",
        build=_grace_superchip,
        channels={
            f"{_GRACE}:hwmon{3 * socket + place}:power1": scope
            for socket in (0, 1)
            for place, scope in enumerate((Scope.PACKAGE, Scope.CORE, Scope.UNCORE))
        },
        summed=frozenset({f"{_GRACE}:hwmon0:power1", f"{_GRACE}:hwmon3:power1"}),
        power_w=361.0,
    ),
    Machine(
        name="intel-gpu-beside-package",
        build=_i915,
        channels={
            f"{_RAPL}:0": Scope.PACKAGE,
            "hwmon:i915:0000:03:00.0:energy1": Scope.GPU,
            "hwmon:i915_gt0:0000:03:00.0:energy1": Scope.GPU_PARTITION,
        },
        summed=_p("0") | {"hwmon:i915:0000:03:00.0:energy1"},
        power_w=215.0,
    ),
    Machine(
        name="intel-xe-card",
        build=_xe,
        channels=_scopes("hwmon:xe:0000:03:00.0", {"energy1": Scope.GPU, "energy2": Scope.GPU_PARTITION}),
        summed=frozenset({"hwmon:xe:0000:03:00.0:energy1"}),
        power_w=190.0,
    ),
    Machine(
        name="two-amd-gpus",
        build=_amdgpu,
        channels={
            f"{_RAPL}:0": Scope.PACKAGE,
            "hwmon:amdgpu:0000:03:00.0:power1": Scope.GPU,
            "hwmon:amdgpu:0000:04:00.0:power1": Scope.GPU,
        },
        summed=_p("0") | {"hwmon:amdgpu:0000:03:00.0:power1", "hwmon:amdgpu:0000:04:00.0:power1"},
        power_w=490.0,
    ),
    Machine(
        name="amd-apu",
        build=_apu,
        channels={f"{_RAPL}:0": Scope.PACKAGE, "hwmon:amdgpu:0000:03:00.0:power1": Scope.SOC},
        summed=_p("0"),
        power_w=25.0,
    ),
    Machine(
        name="acpi-power-meter",
        build=_acpi,
        channels={"hwmon:power_meter:hwmon0:power1": Scope.HOST},
        summed=frozenset({"hwmon:power_meter:hwmon0:power1"}),
        power_w=310.0,
        says=("the meter states an accuracy of 1.50%",),
    ),
    Machine(
        name="jetson-orin-nx",
        build=_orin_nx,
        channels=_scopes(
            "jetson:1-0040", {"VDD_IN": Scope.MODULE, "VDD_CPU_GPU_CV": Scope.RAIL, "VDD_SOC": Scope.RAIL}
        ),
        summed=frozenset({"jetson:1-0040:VDD_IN"}),
        power_w=14.0,
    ),
    Machine(
        name="jetson-agx-orin",
        build=_agx_orin,
        channels=_scopes(
            "jetson",
            {
                "1-0040:VDD_GPU_SOC": Scope.RAIL,
                "1-0040:VDD_CPU_CV": Scope.RAIL,
                "1-0040:VIN_SYS_5V0": Scope.RAIL,
                "1-0041:VDDQ_VDD2_1V8AO": Scope.RAIL,
            },
        ),
        summed=frozenset(f"jetson:1-0040:{name}" for name in ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")),
        power_w=38.0,
    ),
    Machine(
        name="jetson-tx2",
        build=_tx2,
        channels={"jetson:0-0041:VDD_IN": Scope.MODULE} | {f"jetson:0-{name}": Scope.RAIL for name in _TX2_RAILS},
        summed=frozenset({"jetson:0-0041:VDD_IN"}),
        power_w=9.0,
        says=("the carrier board, beside the module",),
    ),
    Machine(
        name="jetson-agx-xavier",
        build=_agx_xavier,
        channels={
            f"jetson:1-004{device}:{name}": Scope.RAIL
            for device, names in ((0, "GPU CPU SOC"), (1, "CV VDDRQ SYS5V"))
            for name in names.split()
        },
        summed=frozenset(
            f"jetson:1-004{device}:{name}"
            for device, names in ((0, "GPU CPU SOC"), (1, "CV VDDRQ SYS5V"))
            for name in names.split()
        ),
        power_w=18.0,
    ),
    _laptop("Discharging"),
    _laptop("Charging"),
    Machine(
        name="laptop-with-two-batteries",
        build=_two_batteries,
        channels={"battery:power": Scope.BATTERY, "battery:energy": Scope.BATTERY},
        summed=frozenset({"battery:power"}),
        power_w=13.2,
    ),
)
