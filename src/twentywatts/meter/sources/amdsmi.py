"""AMD boards by AMD SMI: energy accumulator × its resolution (µJ); power, sampled, where there is no accumulator.

The library is optional and is loaded only where the driver amdgpu is; on other machines it prints to stdout and raises
KeyError, so all it prints is caught, and whatever it raises is a finding. Virtual machines get no accumulator. An
MI250 is two devices of which the first counts both and the second says 0 W: the second is not read.
Source: AMD SMI documentation, amdsmi_get_energy_count; issue ml-energy/zeus#203 for the MI250.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.place import ROOT
from twentywatts.meter.sources.files import FoundSource, Tree, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.place import Root

__all__ = ["find"]

NAME = "amdsmi"
INSTALL = ("pip install 'twentywatts[meters]'  # of the release of the installed ROCm",)
_MICRO = 1e-6  # the resolution is in microjoules
_PERIOD_S = 0.1  # nothing is published: as slow as other boards
_POWERS = ("current_socket_power", "average_socket_power", "socket_power")
_HIDING = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
_SECOND_DIE = "it says 0 W: the second die of a board whose first die counts both, or a board that is off"
_ACCURACY = "error not published"


class _Library:
    """AMD SMI with a count of who holds it."""

    def __init__(self, amdsmi: Any) -> None:
        self.amdsmi, self._holders, self._lock = amdsmi, 0, threading.Lock()

    def hold(self) -> None:
        with self._lock:
            if self._holders == 0:
                self.call("amdsmi_init")
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self.call_or(None, "amdsmi_shut_down")

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what a function gives; raises ReadError with its reason."""
        try:
            return getattr(self.amdsmi, name)(*arguments)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ReadError(f"AMD SMI: {reason[:160]}") from error

    def call_or(self, default: Any, name: str, *arguments: Any) -> Any:
        try:
            return self.call(name, *arguments)
        except ReadError:
            return default


def find(
    *,
    root: Root = ROOT,
    reader: Reader = read_text,
    amdsmi: Any = None,
    environ: Mapping[str, str] | None = None,
) -> Source:
    """Return the AMD boards of this machine. amdsmi: takes the place of the library; environ: of the environment."""
    if amdsmi is None:
        amdsmi = _module(Tree(root, reader))
        if isinstance(amdsmi, Finding):
            return FoundSource(name=NAME, said=(amdsmi,))
    library = _Library(amdsmi)
    try:
        library.hold()
    except ReadError as error:
        return FoundSource(name=NAME, said=(_nothing(str(error)),))
    try:
        return _found(library, os.environ if environ is None else environ)
    finally:
        library.release()


def _found(library: _Library, environ: Mapping[str, str]) -> FoundSource:
    handles = library.call_or((), "amdsmi_get_processor_handles")
    hiding = [name for name in _HIDING if name in environ]
    notes = (f"{hiding[0]} is not applied: every board of the node is read",) if hiding else ()
    channels, said = [], []
    for position, handle in enumerate(handles if isinstance(handles, list | tuple) else ()):
        component = f"gpu {position} {_name(library, handle)}".strip()
        try:
            channel = _channel(library, handle, component, notes)
        except ReadError as error:
            said.append(Finding(source=NAME, what=component, found=True, readable=False, reason=str(error)))
            continue
        channels.append(channel)
        kind = "counter" if channel.quantity is Quantity.ENERGY else "power, sampled"
        accuracy = f"{kind}, {_ACCURACY}"
        said.append(Finding(source=NAME, what=component, found=True, readable=True, accuracy=accuracy, key=channel.key))
    return FoundSource(name=NAME, found=tuple(channels), said=tuple(said) or (_nothing("there is no AMD board"),))


def _channel(library: _Library, handle: Any, component: str, notes: tuple[str, ...]) -> Channel:
    """Return the energy of a board, else its power; raises ReadError where it gives neither."""
    if _power_or_none(library, handle) == 0:
        raise ReadError(_SECOND_DIE)
    place = library.call_or("", "amdsmi_get_gpu_device_bdf", handle)
    ident = library.call_or("", "amdsmi_get_gpu_device_uuid", handle) or place
    if not isinstance(ident, str) or not ident:
        raise ReadError("it has neither a UUID nor a place on the bus")
    read: Callable[[], float]
    try:
        _, step_j = _count(library, handle)
        quantity, read = Quantity.ENERGY, lambda: _energy_j(library, handle)
    except ReadError:
        _power_w(library, handle)
        step_j, quantity, read = 0.0, Quantity.POWER, lambda: _power_w(library, handle)
    library.hold()
    return Channel(
        key=f"{NAME}:{ident}" + (":power" if quantity is Quantity.POWER else ""),
        component=component,
        scope=Scope.GPU,
        quantity=quantity,
        read=read,
        source=NAME,
        step_j=step_j,
        period_s=_PERIOD_S,
        twin=f"gpu:{place}" if isinstance(place, str) and place else "",
        notes=notes,
        close=_once(library.release),
    )


def _once(function: Callable[[], None]) -> Callable[[], None]:
    left = [function]

    def call() -> None:
        if left:
            left.pop()()

    return call


def _count(library: _Library, handle: Any) -> tuple[int, float]:
    """Return the accumulator and what one count of it is [J]; raises ReadError."""
    found = library.call("amdsmi_get_energy_count", handle)
    names = ("energy_accumulator", "power")  # the older name of releases up to 5.7
    try:
        count = next(found[name] for name in names if name in found)
        step_j = found["counter_resolution"] * _MICRO
        if not (0 < count < 2**64 and 0 < step_j < 1):
            raise ValueError(f"{count} counts of {step_j} J")
    except (TypeError, LookupError, ValueError, StopIteration) as error:
        raise ReadError(f"AMD SMI gave an energy that cannot be used: {error}") from error
    return count, step_j


def _energy_j(library: _Library, handle: Any) -> float:
    count, step_j = _count(library, handle)
    return count * step_j


def _power_w(library: _Library, handle: Any) -> float:
    """Return the power of the board [W]; which of the fields is filled depends on the board."""
    found = library.call("amdsmi_get_power_info", handle)
    for name in _POWERS:
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 0xFFFF:
            return float(value)
    raise ReadError("AMD SMI gives no power for this board")


def _power_or_none(library: _Library, handle: Any) -> float | None:
    try:
        return _power_w(library, handle)
    except ReadError:
        return None


def _name(library: _Library, handle: Any) -> str:
    found = library.call_or({}, "amdsmi_get_gpu_asic_info", handle)
    name = found.get("market_name", "") if isinstance(found, dict) else ""
    return "".join(letter for letter in str(name)[:120] if letter.isprintable()) if name != "N/A" else ""


def _nothing(reason: str, fix: tuple[str, ...] = (), *, found: bool = False) -> Finding:
    return Finding(source=NAME, what="AMD boards", found=found, readable=False, reason=reason, fix=fix)


def _module(tree: Tree) -> Any:
    """Return the library, or the Finding that says why it is not used (nothing is loaded without the driver)."""
    if tree.root != ROOT:
        return _nothing("AMD SMI reads the machine itself, not a folder")
    if not os.path.exists(tree.at("sys", "module", "amdgpu")):
        return _nothing("the driver amdgpu is not loaded")
    import contextlib
    import io
    from importlib import import_module

    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return import_module("amdsmi")
    except Exception as error:  # KeyError where the C library is missing
        return _nothing(f"amdsmi cannot be loaded ({type(error).__name__}: {error})", INSTALL, found=True)
