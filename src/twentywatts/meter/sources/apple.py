"""Apple silicon by zeus-apple-silicon: cumulative energies of IOReport's "Energy Model" (mJ), no root needed.

These values are Apple's own model of the chip (from load, frequency and voltage), not a sensor: evidence 1. They cover
processor, GPU, its SRAM, the neural engine and DRAM; what the machine draws beside is not seen.
Source: README of zeus-apple-silicon 1.1, sections "How It Works" and "Accuracy".
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.place import ROOT, place_of
from twentywatts.meter.sources.files import FoundSource, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.place import Root

__all__ = ["find"]

NAME = "apple"
INSTALL = ("pip install 'twentywatts[meters]'",)
_MILLI = 1e-3  # IOReport is read in millijoules
_STEP_J = 1e-3
_PERIOD_S = 0.01  # windows under about 10 ms are quantisation noise (same source)
_NOTE = "Apple's own model of the chip, not a sensor"
# field of AppleEnergyMetrics: what it is for people, scope
_PARTS = {
    "cpu_total_mj": ("cpu", Scope.SOC),
    "gpu_mj": ("gpu", Scope.SOC),
    "gpu_sram_mj": ("gpu memory on chip", Scope.SOC),
    "ane_mj": ("neural engine", Scope.SOC),
    "dram_mj": ("memory", Scope.DRAM),
}


def find(*, root: Root = ROOT, reader: Reader = read_text, monitor: Any = None, platform: str = sys.platform) -> Source:
    """Return the parts of an Apple chip. monitor: takes the place of zeus_apple_silicon.AppleEnergyMonitor()."""
    del reader  # there are no files to read
    if monitor is None:
        monitor = _monitor(root, platform)
        if isinstance(monitor, Finding):
            return FoundSource(name=NAME, said=(monitor,))
    try:
        metrics = monitor.get_cumulative_energy()
    except Exception as error:  # a private interface of macOS: anything may have changed
        return FoundSource(name=NAME, said=(_nothing(f"IOReport cannot be read: {error}"),))
    lock = threading.Lock()
    channels = tuple(_channel(monitor, lock, field) for field in _PARTS if getattr(metrics, field, None) is not None)
    if not channels:
        return FoundSource(name=NAME, said=(_nothing("IOReport has no energies of this chip"),))
    said = tuple(
        Finding(source=NAME, what=channel.component, found=True, readable=True, accuracy=_NOTE, key=channel.key)
        for channel in channels
    )
    return FoundSource(name=NAME, found=channels, said=said)


def _channel(monitor: Any, lock: threading.Lock, field: str) -> Channel:
    component, scope = _PARTS[field]
    return Channel(
        key=f"{NAME}:{field.removesuffix('_mj')}",
        component=component,
        scope=scope,
        quantity=Quantity.ENERGY,
        read=_reader(monitor, lock, field),
        source=NAME,
        step_j=_STEP_J,
        period_s=_PERIOD_S,
        notes=(_NOTE,),
    )


def _reader(monitor: Any, lock: threading.Lock, field: str) -> Callable[[], float]:
    def read() -> float:
        try:
            with lock:
                value = getattr(monitor.get_cumulative_energy(), field)
        except Exception as error:  # foreign code over a private interface
            raise ReadError(f"IOReport cannot be read: {error}") from error
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2.0**63:
            raise ReadError(f"IOReport gave {value!r}")
        return value * _MILLI

    return read


def _nothing(reason: str, fix: tuple[str, ...] = (), *, found: bool = False) -> Finding:
    return Finding(source=NAME, what="Apple silicon", found=found, readable=False, reason=reason, fix=fix)


def _monitor(root: Root, platform: str) -> Any:
    """Return a monitor, or the Finding that says why there is none."""
    from importlib import import_module

    if platform != "darwin" or place_of(root) != ROOT:
        return _nothing("not a Mac")
    try:
        return import_module("zeus_apple_silicon").AppleEnergyMonitor()
    except ImportError:
        return _nothing("zeus-apple-silicon is not installed", INSTALL, found=True)
    except Exception as error:  # an Intel Mac, or a macOS whose private interface is another
        return _nothing(f"IOReport cannot be opened: {error}")
