"""The channels of one NVIDIA board: its energy counter, else its power; and the module that carries it."""

from __future__ import annotations

import re
from collections.abc import Callable

from twentywatts.meter.contract import Channel, Finding, Quantity, ReadError, Scope
from twentywatts.meter.sources.nvml_api import Board, Library, NotSupportedError
from twentywatts.meter.sources.sensors import BoardSensor, board_sensor, counter_update_s, usage_average_s
from twentywatts.records import record, replace

__all__ = ["NAME", "Listed", "measure", "refused"]

NAME = "nvml"
_STEP_J = 1e-3  # the counter counts millijoules
_LEAST_LIMIT_W = 2000.0  # a lower bound of what is called implausible, whatever the board's own limit
_LIMIT_MARGIN = 1.5  # short peaks exceed the power limit
_GRACE = re.compile(r"\bG[HB]\d{2,3}\b|Grace", re.IGNORECASE)
_AVERAGED = "the driver averages this power over 1 s: edges of a window are blurred by as much"
_AT_ZERO = "the energy counter stood at 0 when it was found: power stands by in its place"


@record()
class Listed:
    """A board as it was found: position in NVML's order, name, virtual (a host keeps its counters)."""

    position: int
    board: Board
    name: str
    is_virtual: bool
    is_partitioned: bool

    @property
    def key(self) -> str:
        """The key of its channels."""
        return f"{NAME}:{self.board.uuid}"

    @property
    def component(self) -> str:
        """Its name for people."""
        return f"gpu {self.position} {self.name.removeprefix('NVIDIA ')}".strip()


def measure(library: Library, item: Listed, notes: tuple[str, ...]) -> tuple[list[Channel], Finding]:
    """Return the channels of one board, and what is to be said of it."""
    sensor = board_sensor(item.board.architecture())
    module = _module_channel(library, item, sensor)
    inside = (module.key,) if module else ()
    try:
        found = _energy(library, item, sensor, (*sensor.notes, *notes))
    except NotSupportedError:
        found = []
    except ReadError as error:
        return [], refused(item, str(error))
    if not found or _AT_ZERO in found[0].notes:
        found += _power(library, item, sensor, (*sensor.notes, *notes))
    if not found:
        reason = "a virtual GPU: its host keeps the counters" if item.is_virtual else "NVML gives no energy or power"
        return [], refused(item, f"{reason} (not supported)")
    held = [_held(channel, library, inside) for channel in found]
    return held + ([_held(module, library, ())] if module else []), _accepted(item, sensor, found[0])


def _energy(library: Library, item: Listed, sensor: BoardSensor, notes: tuple[str, ...]) -> list[Channel]:
    now_j = item.board.energy_j()
    notes = notes if now_j > 0 else (*notes, _AT_ZERO)
    return [_channel(item, item.board.energy_j, Quantity.ENERGY, sensor, notes=notes)]


def _power(library: Library, item: Listed, sensor: BoardSensor, notes: tuple[str, ...]) -> list[Channel]:
    for read in (item.board.instant_w, item.board.usage_w):
        try:
            read()
        except ReadError:
            continue
        return [_channel(item, read, Quantity.POWER, sensor, notes=notes)]
    return []


def _channel(
    item: Listed,
    read: Callable[[], float],
    quantity: Quantity,
    sensor: BoardSensor,
    *,
    notes: tuple[str, ...],
) -> Channel:
    is_energy = quantity is Quantity.ENERGY
    average_s = usage_average_s(sensor.architecture) if read == item.board.usage_w else 0.0
    return Channel(
        key=item.key if is_energy else f"{item.key}:power",
        component=item.component,
        scope=Scope.GPU,
        quantity=quantity,
        read=read,
        source=NAME,
        step_j=_STEP_J if is_energy else 0.0,
        period_s=counter_update_s() if is_energy else max(average_s, sensor.update_s),
        error_frac=sensor.error_frac,
        error_source=sensor.error_source,
        limit_w=_limit_w(item.board),
        twin=item.key,
        notes=(*notes, _AVERAGED) if average_s else notes,
    )


def _module_channel(library: Library, item: Listed, sensor: BoardSensor) -> Channel | None:
    """Return the power of the Grace module that carries the board, None where there is none."""
    scope = getattr(library.nvml, "NVML_POWER_SCOPE_MODULE", None)
    if scope is None or not _GRACE.search(item.name):
        return None
    board = item.board
    try:
        if board.instant_w(scope) <= 0:
            return None
    except ReadError:
        return None
    return Channel(
        key=f"{item.key}:module",
        component=f"module of {item.component}",
        scope=Scope.MODULE,
        quantity=Quantity.POWER,
        read=lambda: board.instant_w(scope),
        source=NAME,
        period_s=sensor.update_s,
        limit_w=2 * _limit_w(board),
    )


def _held(channel: Channel, library: Library, inside: tuple[str, ...]) -> Channel:
    """Return the channel with NVML held open until it is closed, once."""
    library.hold()
    is_open = [True]

    def close() -> None:
        if is_open.pop() if is_open else False:
            library.release()

    return replace(channel, inside=inside, close=close)


def _limit_w(board: Board) -> float:
    return max(_LEAST_LIMIT_W, _LIMIT_MARGIN * (board.limit_w() or 0.0))


def refused(item: Listed, reason: str) -> Finding:
    """Return what doctor says of a board that is not read."""
    return Finding(source=NAME, what=item.component, found=True, readable=False, reason=reason)


def _accepted(item: Listed, sensor: BoardSensor, channel: Channel) -> Finding:
    published = "published" if sensor.is_published else "of its predecessors, none is published for it"
    kind = "counter" if channel.quantity is Quantity.ENERGY else "power, sampled"
    return Finding(
        source=NAME,
        what=item.component,
        found=True,
        readable=True,
        accuracy=f"{kind}, ±{sensor.error_frac * 100:.2g} % {published}",
        reason="; ".join(channel.notes),
        key=channel.key,
    )
