"""From a configured meter to a channel that asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType

from twentywatts.meter.contract import Channel, Clock, Finding, Quantity, ReadError, Scope
from twentywatts.meter.sources.wall.client import Client
from twentywatts.meter.sources.wall.config import MeterConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["open_meter"]

NAME = "wall"
_FAILED_S = 5.0  # a meter that does not answer is not asked again for so long: others are read in the same pass
_LIMIT_W = 100e3  # a rack


def open_meter(meter: MeterConfig, environ: Mapping[str, str], clock: Clock) -> tuple[Channel | None, Finding]:
    """Return the channel of a meter that answers, and what is to be said of it."""
    what = f"{meter.name or meter.key} ({meter.kind})"
    if meter.kind == "csv":
        reason = "a recording: `twentywatts measure --resume JOURNAL --wall FILE` reads it after the run"
        return None, Finding(source=NAME, what=what, found=True, readable=True, reason=reason)
    try:
        channel = _channel(meter, environ, clock)
        channel.read()
    except ReadError as error:
        return None, Finding(source=NAME, what=what, found=True, readable=False, reason=str(error))
    stated = f"±{meter.error_frac * 100:.2g} %, as configured" if meter.error_frac else "error not stated"
    accuracy = f"{meter.quantity}, {stated}"
    return channel, Finding(source=NAME, what=what, found=True, readable=True, accuracy=accuracy, key=channel.key)


def _channel(meter: MeterConfig, environ: Mapping[str, str], clock: Clock) -> Channel:
    kind = import_module(f"twentywatts.meter.sources.wall.{meter.kind}")
    is_energy = meter.quantity == "energy"
    read = _reader(meter, kind, environ)
    assumed_s = kind.ENERGY_PERIOD_S if is_energy else kind.PERIOD_S
    return Channel(
        key=meter.key,
        component=meter.name or f"{meter.kind} {meter.host}",
        scope=Scope.HOST if meter.kind == "redfish" else Scope.WALL,
        quantity=Quantity.ENERGY if is_energy else Quantity.POWER,
        read=_held(read, getattr(kind, "HOLD_S", 0.0), clock),
        source=NAME,
        step_j=kind.STEP_J if is_energy else 0.0,
        period_s=meter.period_s or assumed_s,
        error_frac=meter.error_frac,
        limit_w=_LIMIT_W,
        notes=() if meter.period_s else (f"how often it measures is assumed: every {assumed_s:g} s",),
    )


def _reader(meter: MeterConfig, kind: ModuleType, environ: Mapping[str, str]) -> Callable[[], float]:
    """Return what asks the meter once; credentials are taken from the environment now."""
    user, password = (_credential(environ, variable) for variable in (meter.user_variable, meter.password_variable))
    client = Client(
        host=meter.host,
        is_secure=meter.secure and meter.kind == "redfish",
        ca_file=meter.ca_file,
        user=user or "admin",
        password="" if meter.kind == "tasmota" else password,
    )
    path = kind.path(meter, user, password)
    value_of = kind.energy_j if meter.quantity == "energy" else kind.power_w

    def read() -> float:
        answer = client.get(path)
        try:
            return _checked(value_of(answer))
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise ReadError(f"{meter.host} tells no {meter.quantity}") from error

    return read


def _credential(environ: Mapping[str, str], variable: str) -> str:
    if not variable:
        return ""
    value = environ.get(variable, "")
    if not value or not value.isprintable():
        raise ReadError(f"the environment variable {variable} holds no credential")
    return value


def _checked(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise ValueError("not a reading")
    return float(value)


def _held(read: Callable[[], float], hold_s: float, clock: Clock) -> Callable[[], float]:
    """Return ``read`` that keeps a value for ``hold_s`` and a failure for a while."""
    kept: list[tuple[float, float | ReadError]] = []

    def held() -> float:
        now_s = clock()
        if kept:
            until_s, value = kept[0]
            if now_s < until_s:
                if isinstance(value, ReadError):
                    raise value
                return value
        found: float | ReadError
        try:
            found = read()
        except ReadError as error:
            kept[:] = [(clock() + _FAILED_S, error)]
            raise
        kept[:] = [(now_s + hold_s, found)]
        return found

    return held
