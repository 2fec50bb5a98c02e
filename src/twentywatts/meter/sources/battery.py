"""A battery that discharges is the meter of a whole portable device: /sys/class/power_supply/BAT*.

All batteries of the machine are one channel, so that a run goes on when one of them hands over to the next. What they
hold (energy_now) falls in coarse steps; it is a second channel inside the first, to check it, and is never added.
"""

from __future__ import annotations

from collections.abc import Callable

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.place import ROOT, Place
from twentywatts.meter.sources import advice
from twentywatts.meter.sources.files import DeniedError, FoundSource, Tree, gather, read_text, signed
from twentywatts.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["find"]

NAME = "battery"
POWER_KEY, ENERGY_KEY = f"{NAME}:power", f"{NAME}:energy"
_MICRO = 1e-6
_JOULES_PER_WH = 3600.0
_STEP_J = 0.01 * _JOULES_PER_WH  # batteries report hundredths of a watt-hour
_PERIOD_S = 5.0  # assumed: a battery's controller measures every few seconds
_ENERGY_PERIOD_S = 60.0


class _Battery(NamedTuple):
    tree: Tree
    folder: Place

    @property
    def is_discharging(self) -> bool:
        return self.tree.text(self.folder / "status") == "Discharging"

    def value(self, name: str) -> int:
        """Return the size of a value; some drivers give what flows out a minus sign. Raises ReadError."""
        return abs(signed(self.tree.text(self.folder / name)))

    def has(self, name: str) -> bool:
        return name in self.tree.names(self.folder)

    def power_w(self) -> float:
        """Return what flows out now [W]."""
        if self.has("power_now"):
            return self.value("power_now") * _MICRO
        return self.value("current_now") * _MICRO * self.value("voltage_now") * _MICRO

    def drained_j(self) -> float:
        """Return how far it is from full [J], more as it discharges."""
        missing_uwh = self.value("energy_full") - self.value("energy_now")
        return max(missing_uwh, 0) * _MICRO * _JOULES_PER_WH


def find(*, root: Root = ROOT, reader: Reader = read_text) -> Source:
    """Return the batteries of the machine in ``root`` as one meter; it can be read while at least one discharges."""
    tree = Tree(root, reader)
    batteries = [battery for battery in _all(tree) if _powers_the_machine(battery)]
    if not batteries:
        said = Finding(source=NAME, what=NAME, found=False, readable=False, reason="this machine has no battery")
        return FoundSource(name=NAME, said=(said,))
    candidates = [_channel(batteries, POWER_KEY, lambda: _power_w(batteries))]
    if all(battery.has("energy_now") and battery.has("energy_full") for battery in batteries):
        candidates.append(_channel(batteries, ENERGY_KEY, lambda: _drained_j(batteries)))
    return gather(NAME, candidates, advise=_advise)


def _all(tree: Tree) -> list[_Battery]:
    folder = tree.at("sys", "class", "power_supply")
    return [_Battery(tree, path) for path in tree.folders(folder, r"[\w.:-]{1,64}")]


def _powers_the_machine(battery: _Battery) -> bool:
    """Return whether it is a battery, and not one of a mouse or a headset."""
    kind = battery.tree.text_or(battery.folder / "type", "Battery" if battery.folder.name.startswith("BAT") else "")
    return kind == "Battery" and battery.tree.text_or(battery.folder / "scope", "System") != "Device"


def _advise(channel: Channel, error: ReadError) -> tuple[str, ...]:
    if isinstance(error, DeniedError):
        return advice.file_permission("/sys/class/power_supply/BAT*/*_now")
    return ("unplug the charger",) if isinstance(error, _OnMainsError) else ()


class _OnMainsError(ReadError):
    """No battery discharges."""


def _discharging(batteries: list[_Battery]) -> list[_Battery]:
    found = [battery for battery in batteries if battery.is_discharging]
    if not found:
        raise _OnMainsError("no battery discharges: the machine runs on mains, which the battery does not see")
    return found


def _power_w(batteries: list[_Battery]) -> float:
    return sum(battery.power_w() for battery in _discharging(batteries))


def _drained_j(batteries: list[_Battery]) -> float:
    _discharging(batteries)
    return sum(battery.drained_j() for battery in batteries)


def _channel(batteries: list[_Battery], key: str, read: Callable[[], float]) -> Channel:
    is_power = key == POWER_KEY
    name = "battery" if len(batteries) == 1 else f"{len(batteries)} batteries"
    return Channel(
        key=key,
        component=name if is_power else f"{name} (charge)",
        scope=Scope.BATTERY,
        quantity=Quantity.POWER if is_power else Quantity.ENERGY,
        read=read,
        source=NAME,
        step_j=0.0 if is_power else _STEP_J,
        period_s=_PERIOD_S if is_power else _ENERGY_PERIOD_S,
        inside=() if is_power else (POWER_KEY,),
        notes=() if is_power else ("falls in coarse steps: a check of the battery's power, never added to it",),
    )
