"""NVIDIA Jetson: the rails of its INA3221 sensors, by the hwmon files of newer kernels or the iio files of older ones.

VDD_IN (on other boards POM_5V_IN, VIN) feeds the whole module and holds its other rails; VDD_MUX feeds the carrier
board beside it. Boards without such a rail are the sum of their supplies. Source: the rail tables of NVIDIA's Jetson
Linux Developer Guide.
"""

from __future__ import annotations

from collections.abc import Iterator

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.place import ROOT, Place
from twentywatts.meter.sources import advice
from twentywatts.meter.sources.files import DeniedError, FoundSource, Tree, gather, read_text, unsigned
from twentywatts.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["find"]

NAME = "jetson"
_MILLI, _MICRO = 1e-3, 1e-6
_PERIOD_S = 0.1  # assumed where the driver does not say how long a conversion takes
_TOTALS = ("VDD_IN", "POM_5V_IN", "5V_IN", "VIN")
_CARRIER = "VDD_MUX"
_ON_CARRIER = set(
    "VDD_5V0_IO_SYS VDD_5V_IO_SYS VDD_3V3_SYS VDD_3V3_IO VDD_3V3_IO_SLP VDD_1V8_IO VDD_M2_IN VDD_3V3_SYS_M2".split()
)
# boards without a total: these supplies stand side by side and make the sum
_SUPPLIES = set("GPU CPU SOC CV VDDRQ SYS5V VDD_GPU_SOC VDD_CPU_CV VIN_SYS_5V0".split())
_HELD_BY = {"VDDQ_VDD2_1V8AO": "VIN_SYS_5V0"}


class _Rail(NamedTuple):
    """One rail. factors: files whose product times ``scale`` is watts (mV and mA, or mW)."""

    name: str
    place: str
    factors: tuple[Place, ...]
    scale: float
    period_s: float

    @property
    def key(self) -> str:
        return f"{NAME}:{self.place}:{self.name}"


def find(*, root: Root = ROOT, reader: Reader = read_text) -> Source:
    """Return the rails of the Jetson in ``root``."""
    tree = Tree(root, reader)
    rails = [*_hwmon_rails(tree), *_iio_rails(tree)]
    if not rails:
        said = Finding(
            source=NAME, what="Jetson rails", found=False, readable=False, reason="not a Jetson with INA3221"
        )
        return FoundSource(name=NAME, said=(said,))
    total = next((rail for name in _TOTALS for rail in rails if rail.name == name), None)
    candidates, others = [], []
    for rail in rails:
        if total is None and rail.name not in _SUPPLIES and rail.name not in _HELD_BY:
            reason = "a rail that is not known: it may be part of another, so it is not used"
            others.append(Finding(source=NAME, what=rail.key, found=True, readable=False, reason=reason))
        else:
            candidates.append(_channel(tree, rail, total, rails))
    return gather(NAME, candidates, advise=_advise, others=others)


def _advise(channel: Channel, error: ReadError) -> tuple[str, ...]:
    if not isinstance(error, DeniedError):
        return ()
    return advice.file_permission("/sys/bus/i2c/drivers/ina3221*/*/*/*/*_input")


def _hwmon_rails(tree: Tree) -> Iterator[_Rail]:
    """Yield the rails of the newer layout: in1 to in3 are volts at the rail, in4 to in7 at the shunts (not wanted)."""
    for device in tree.folders(tree.at("sys", "bus", "i2c", "drivers", "ina3221"), r"\d+-[0-9a-f]{4}"):
        for folder in tree.folders(device / "hwmon", r"hwmon\d+"):
            interval_ms = tree.count_or(folder / "update_interval", 0) or 0
            period_s = interval_ms * _MILLI if 0 < interval_ms <= 60_000 else _PERIOD_S
            for number in (1, 2, 3):
                name = tree.text_or(folder / f"in{number}_label")
                if name and name != "NC":
                    files = folder / f"in{number}_input", folder / f"curr{number}_input"
                    yield _Rail(name, device.name, files, _MICRO, period_s)


def _iio_rails(tree: Tree) -> Iterator[_Rail]:
    for device in tree.folders(tree.at("sys", "bus", "i2c", "drivers", "ina3221x"), r"\d+-[0-9a-f]{4}"):
        for folder in tree.folders(device, r"iio:device\d+"):
            for number in (0, 1, 2):
                name = tree.text_or(folder / f"rail_name_{number}")
                if name and name != "NC":
                    yield _Rail(name, device.name, (folder / f"in_power{number}_input",), _MILLI, _PERIOD_S)


def _channel(tree: Tree, rail: _Rail, total: _Rail | None, rails: list[_Rail]) -> Channel:
    again = tree.text_again if all(tree.holds(path) for path in rail.factors) else tree.text

    def read() -> float:
        watts = rail.scale
        for path in rail.factors:
            watts *= unsigned(again(path))
        return watts

    return Channel(
        key=rail.key,
        component="module" if rail is total else rail.name,
        scope=Scope.MODULE if rail is total else Scope.RAIL,
        quantity=Quantity.POWER,
        read=read,
        source=NAME,
        period_s=rail.period_s,
        inside=_inside(rail, total, rails),
        notes=("the carrier board, beside the module",) if rail.name == _CARRIER else (),
    )


def _inside(rail: _Rail, total: _Rail | None, rails: list[_Rail]) -> tuple[str, ...]:
    keys = {other.name: other.key for other in rails}
    if rail.name == _CARRIER or rail is total:
        return ()
    if rail.name in _ON_CARRIER and _CARRIER in keys:
        return (keys[_CARRIER],)
    if total is not None:
        return (total.key,)
    holder = _HELD_BY.get(rail.name, "")
    return (keys[holder],) if holder in keys else ()
