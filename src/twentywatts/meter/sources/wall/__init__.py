"""Wall meters and a node's own meter, by explicit configuration alone (wall/config.py says how).

The file is given by its path or by the environment variable TWENTYWATTS_WALL; without one, no network is touched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from twentywatts.errors import InputError
from twentywatts.meter.contract import Channel, Clock, Finding, Quantity, Reader, ReadError, Scope, Source
from twentywatts.meter.sources.files import FoundSource, read_text
from twentywatts.meter.sources.wall.client import Client
from twentywatts.meter.sources.wall.config import VARIABLE, MeterConfig, load

__all__ = ["find"]

NAME = "wall"
_FAILED_S = 5.0  # a meter that does not answer is not asked again for so long: others are read in the same pass
_LIMIT_W = 100e3  # a rack
_HOW = (f"write its host into a .toml file and name that file in {VARIABLE}",)


def find(
    *,
    root: Path = Path("/"),
    reader: Reader = read_text,
    config: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Clock = time.monotonic,
) -> Source:
    """Return the configured meters that answer. config: the file; without it, what TWENTYWATTS_WALL names."""
    del reader  # meters answer by wire
    environ = os.environ if environ is None else environ
    named = config if config is not None else environ.get(VARIABLE, "") if root == Path("/") else ""
    if not named:
        nothing = Finding(source=NAME, what="wall meter", found=False, readable=False, reason="none is configured")
        return FoundSource(name=NAME, said=(nothing,))
    try:
        meters = load(Path(named))
    except InputError as error:
        wrong = Finding(source=NAME, what="wall meter", found=False, readable=False, reason=str(error), fix=_HOW)
        return FoundSource(name=NAME, said=(wrong,))
    channels, said = [], []
    for meter in meters:
        channel, finding = _open(meter, environ, clock)
        channels += [channel] if channel is not None else []
        said.append(finding)
    return FoundSource(name=NAME, found=tuple(channels), said=tuple(said))


def _open(meter: MeterConfig, environ: Mapping[str, str], clock: Clock) -> tuple[Channel | None, Finding]:
    what = f"{meter.name or meter.key} ({meter.kind})"
    if meter.kind == "csv":
        reason = "a recording: it is read after the run"
        return None, Finding(source=NAME, what=what, found=True, readable=True, reason=reason)
    try:
        channel = _channel(meter, environ, clock)
        channel.read()
    except ReadError as error:
        return None, Finding(source=NAME, what=what, found=True, readable=False, reason=str(error))
    stated = f"±{meter.error_frac * 100:.2g} %, as configured" if meter.error_frac else "error not stated"
    return channel, Finding(source=NAME, what=what, found=True, readable=True, accuracy=f"{meter.quantity}, {stated}")


def _channel(meter: MeterConfig, environ: Mapping[str, str], clock: Clock) -> Channel:
    kind = import_module(f"{__name__}.{meter.kind}")
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
