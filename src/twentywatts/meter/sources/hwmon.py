"""Energy and power sensors of /sys/class/hwmon: AMD sockets, Intel and AMD GPUs, NVIDIA Grace, the ACPI power meter.

What a sensor covers is known by its driver's name alone; what a driver that is not in the table measures is a guess,
so it is named as found and not used. Energy is in µJ and power in µW in every driver.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.place import ROOT, Place
from twentywatts.meter.sources import advice, rapl
from twentywatts.meter.sources.files import DeniedError, Tree, gather, read_text
from twentywatts.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.place import Root

__all__ = ["find"]

NAME = "hwmon"
_MICRO = 1e-6
_REGISTER_J = 2.0**18  # a register of 32 bits in steps of 2^-14 J, as the drivers of Intel's GPUs describe it
_POWER_PERIOD_S = 0.1  # assumed where a driver does not say how often it measures
_ACPI_PERIOD_S = 1.0
_LIMITS = tuple(f"power{number}_{name}" for number in range(10) for name in ("rated_max", "max", "cap_max"))
_PCI = r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_GRACE = {"Module": Scope.MODULE, "Grace": Scope.PACKAGE, "CPU": Scope.CORE, "SysIO": Scope.UNCORE}
_GRACE_HOLDERS = {"Module": (), "Grace": ("Module",), "CPU": ("Grace", "Module"), "SysIO": ("Grace", "Module")}


class _Device(NamedTuple):
    """One hwmon folder. base: where its sensors stand (older drivers: in device/); place: stable name of the device."""

    tree: Tree
    folder: Place
    base: Place
    name: str
    place: str

    def numbers(self, pattern: str) -> list[int]:
        """Return the numbers of the sensors whose file matches, lowest first."""
        found = (re.fullmatch(pattern, name) for name in self.tree.names(self.base))
        return sorted({int(match[1]) for match in found if match})

    def label(self, sensor: str) -> str:
        return self.tree.text_or(self.base / f"{sensor}_label")

    def key(self, sensor: str) -> str:
        return f"{NAME}:{self.name}:{self.place}:{sensor}"


def find(*, root: Root = ROOT, reader: Reader = read_text) -> Source:
    """Return the energy and power sensors of the machine in ``root`` whose meaning is known."""
    tree = Tree(root, reader)
    devices = list(_devices(tree))
    candidates, others = [], []
    for device in devices:
        driver = next((make for pattern, make in _DRIVERS.items() if re.fullmatch(pattern, device.name)), None)
        if driver is not None:
            candidates += list(driver(device))
        elif device.numbers(r"(?:energy|power)(\d+)_(?:input|average)") and not _is_read_elsewhere(device):
            others.append(_unknown(device))
    if not candidates and not others:
        reason = "no driver with an energy or power sensor that is known"
        others.append(Finding(source=NAME, what="hwmon sensors", found=False, readable=False, reason=reason))
    source = gather(NAME, _inside_their_module(candidates), advise=_advise, others=others)
    source.found = tuple(rapl.nested(source.found))
    return source


def _devices(tree: Tree) -> Iterator[_Device]:
    for folder in tree.folders(tree.at("sys", "class", "hwmon"), r"hwmon\d+"):
        older = folder / "device"
        name = tree.text_or(folder / "name") or tree.text_or(older / "name")
        sensor = re.compile(r"(energy|power)\d+_(input|average)")
        base = folder if any(sensor.fullmatch(file) for file in tree.names(folder)) else older
        real = os.path.basename(os.path.realpath(older)) if tree.names(older) else ""
        real = real.encode("ascii", "replace").decode("ascii")
        yield _Device(tree, folder, base, name or "unknown", real if real not in ("", "device") else folder.name)


def _is_read_elsewhere(device: _Device) -> bool:
    """Return whether another source reads it: a battery shows itself here too, and so do the rails of a Jetson."""
    return device.name == "ina3221" or device.name in device.tree.names(device.tree.at("sys", "class", "power_supply"))


def _unknown(device: _Device) -> Finding:
    reason = "a power sensor, but what it covers is not known: not used"
    return Finding(source=NAME, what=f"{NAME}:{device.name}:{device.place}", found=True, readable=False, reason=reason)


def _advise(channel: Channel, error: ReadError) -> tuple[str, ...]:
    if not isinstance(error, DeniedError) or channel.scope is Scope.GPU:  # a GPU that sleeps refuses, too
        return ()
    return advice.file_permission("/sys/class/hwmon/hwmon*/energy*_input")


def _energy(device: _Device, number: int, **more: Any) -> Channel:
    read, close = device.tree.meter(device.base / f"energy{number}_input", _MICRO)
    fields = {"key": device.key(f"energy{number}"), "quantity": Quantity.ENERGY, "source": NAME, "step_j": _MICRO}
    return Channel(**{**fields, "read": read, "close": close, **more})


def _power(device: _Device, number: int, **more: Any) -> Channel:
    sensor = f"power{number}"
    average = device.base / f"{sensor}_average"
    is_averaged = average.name in device.tree.names(device.base)
    read, close = device.tree.meter(average if is_averaged else device.base / f"{sensor}_input", _MICRO)
    interval_ms = device.tree.count_or(device.base / f"{sensor}_average_interval", 0) or 0
    fields = {"key": device.key(sensor), "quantity": Quantity.POWER, "source": NAME, "period_s": _POWER_PERIOD_S}
    if 0 < interval_ms <= 3_600_000:
        more = {**more, "period_s": interval_ms / 1000}
    limit_w = device.tree.limit_w(device.base, (f"{sensor}_cap_max", f"{sensor}_rated_max"))
    return Channel(**{**fields, "read": read, "close": close, "limit_w": limit_w, **more})


def _amd_energy(device: _Device) -> Iterator[Channel]:
    """Yield sockets, or cores where there is none, of 64 bits. The driver makes a socket of every NUMA node."""
    labels = {number: device.label(f"energy{number}") for number in device.numbers(r"energy(\d+)_input")}
    sockets = {number: label for number, label in labels.items() if re.fullmatch(r"Esocket\d{1,4}", label)}
    packages = _packages(device.tree)
    for number, label in sockets.items():
        ident = label.removeprefix("Esocket")
        twin = f"rapl:package-{ident}" if packages == len(sockets) else ""
        yield _energy(device, number, component=f"cpu {ident}", scope=Scope.PACKAGE, twin=twin)
    if not sockets:
        for number, label in labels.items():
            yield _energy(device, number, component=label or f"core {number}", scope=Scope.CORE)


def _packages(tree: Tree) -> int:
    """Return how many processor packages the machine has; 0 where it does not say."""
    folder = tree.at("sys", "devices", "system", "cpu")
    cpus = (name for name in tree.names(folder) if re.fullmatch(r"cpu\d+", name))
    return len({tree.text_or(folder / cpu / "topology" / "physical_package_id") for cpu in cpus} - {""})


def _intel_gpu(device: _Device) -> Iterator[Channel]:
    """Yield the card, and inside it its package or tiles; a read is what widens the register of 32 bits."""
    numbers = device.numbers(r"energy(\d+)_input")
    limit_w = device.tree.limit_w(device.base, _LIMITS)
    tile = device.name.partition("_")[2]
    for number in numbers:
        label = device.label(f"energy{number}")
        is_card = number == numbers[0] and not tile
        name = " ".join(filter(None, ("gpu", device.place, tile or ("" if is_card else label))))
        yield _energy(
            device,
            number,
            component=name,
            scope=Scope.GPU if is_card else Scope.GPU_PARTITION,
            step_j=_REGISTER_J / 2**32,
            range_j=_REGISTER_J,
            range_is_known=False,
            limit_w=limit_w,
            inside=() if is_card else (_card_key(device, numbers[0]),),
            twin=_gpu_twin(device) if is_card else "",
            notes=("the driver misses a turn of its register if nobody reads it in time",),
        )


def _card_key(device: _Device, first: int) -> str:
    return f"{NAME}:{device.name.partition('_')[0]}:{device.place}:energy{first}"


def _gpu_twin(device: _Device) -> str:
    return f"gpu:{device.place}" if re.fullmatch(_PCI, device.place) else ""


def _gpu(device: _Device) -> Iterator[Channel]:
    """Yield the power of a board; of the whole chip where it holds processor and GPU (it alone has a northbridge)."""
    if 1 not in device.numbers(r"power(\d+)_(?:input|average)"):
        return
    if device.label("in1") == "vddnb":
        yield _power(device, 1, component="cpu and gpu", scope=Scope.SOC, twin="rapl:package-0:soc")
    else:
        yield _power(device, 1, component=f"gpu {device.place}", scope=Scope.GPU, twin=_gpu_twin(device))


def _acpi(device: _Device) -> Iterator[Channel]:
    """Yield a part of a Grace module by what its maker wrote, else the node's own meter."""
    if 1 not in device.numbers(r"power(\d+)_(?:input|average)"):
        return
    maker = re.fullmatch(r"(Module|Grace|CPU|SysIO) Power Socket (\d{1,3})", _maker(device))
    about = {"period_s": _ACPI_PERIOD_S, **_accuracy(device)}
    if maker:
        twin = f"grace:{maker[1]}:{maker[2]}"
        yield _power(device, 1, component=f"{maker[1]} {maker[2]}", scope=_GRACE[maker[1]], twin=twin, **about)
    else:
        yield _power(device, 1, component="node (ACPI)", scope=Scope.HOST, **about)


def _maker(device: _Device) -> str:
    return device.tree.text_or(device.base / "power1_oem_info")


def _accuracy(device: _Device) -> dict[str, Any]:
    """Return the error that the meter states of itself ("2.5%"); none where it says nothing believable."""
    stated = re.fullmatch(r"(\d{1,3}(?:\.\d+)?) ?%", device.tree.text_or(device.base / "power1_accuracy"))
    error_frac = float(stated[1]) / 100 if stated else 0.0
    if not 0.0 < error_frac < 0.5:
        return {}
    return {"error_frac": error_frac, "notes": (f"the meter states an accuracy of {stated[0] if stated else ''}",)}


def _package(device: _Device) -> Iterator[Channel]:
    """Yield the power of a processor of AMD's family 15h."""
    for number in device.numbers(r"power(\d+)_(?:input|average)"):
        yield _power(device, number, component=f"cpu ({device.place})", scope=Scope.PACKAGE)


_DRIVERS: dict[str, Callable[[_Device], Iterator[Channel]]] = {
    r"amd_energy": _amd_energy,
    r"i915(_gt\d+)?|xe": _intel_gpu,
    r"amdgpu|nouveau": _gpu,
    r"power_meter|acpi_power_meter": _acpi,
    r"fam15h_power": _package,
}


def _inside_their_module(channels: list[Channel]) -> list[Channel]:
    """Return the channels with the parts of each Grace module inside it."""
    from twentywatts.records import replace

    keys = {channel.twin: channel.key for channel in channels if channel.twin.startswith("grace:")}
    return [
        replace(channel, inside=_grace_holders(channel.twin, keys)) if channel.twin in keys else channel
        for channel in channels
    ]


def _grace_holders(twin: str, keys: dict[str, str]) -> tuple[str, ...]:
    _, part, socket = twin.split(":")
    holders = (f"grace:{holder}:{socket}" for holder in _GRACE_HOLDERS[part])
    return tuple(keys[holder] for holder in holders if holder in keys)
