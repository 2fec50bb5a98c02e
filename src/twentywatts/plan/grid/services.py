"""Hours of a grid's carbon from public services: only when asked for by name, with a time limit, never by default."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from twentywatts.errors import InputError, clean, nearest
from twentywatts.plan.grid.trace import Trace
from twentywatts.units import convert

__all__ = ["SERVICES", "fetch_carbon"]

_TIMEOUT_S = 20.0
_LARGEST_BYTES = 32 * 2**20

# what one request reads: (address, headers, time limit [s]) → text; the tests put a service of their own here
Read = Callable[[str, Mapping[str, str], float], str]
Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """days: longest window of one request. unit: of its values. marginal: of one more kWh, instead of the average.

    key: environment variables that hold what the service asks for; none where it is free.
    """

    address: str
    days: int
    unit: str
    marginal: bool
    keys: tuple[str, ...]


# names and limits of the services' own interfaces: api.carbonintensity.org.uk, docs.watttime.org, electricitymaps.com
SERVICES: Mapping[str, _Service] = {
    "uk": _Service(address="https://api.carbonintensity.org.uk", days=13, unit="g/kWh", marginal=False, keys=()),
    "electricitymaps": _Service(
        address="https://api.electricitymaps.com/v3",
        days=10,
        unit="g/kWh",
        marginal=False,
        keys=("ELECTRICITYMAPS_TOKEN",),
    ),
    "watttime": _Service(
        address="https://api.watttime.org",
        days=30,
        unit="lb/MWh",
        marginal=True,
        keys=("WATTTIME_USER", "WATTTIME_PASSWORD"),
    ),
}


def fetch_carbon(
    name: str, trace: Trace, zone: str, *, read: Read | None = None, timeout_s: float = _TIMEOUT_S
) -> Trace:
    """Return the hours of a trace with the carbon that a service publishes for them; the load is left out.

    name: uk, electricitymaps or watttime. zone: as the service names it (uk has one). Keys stand in the environment
    (ELECTRICITYMAPS_TOKEN; WATTTIME_USER and WATTTIME_PASSWORD) and are never written anywhere. Raises InputError.
    """
    if name not in SERVICES:
        raise InputError(f"unknown service '{clean(name)}'{nearest(name, SERVICES)}; there are {', '.join(SERVICES)}")
    service = SERVICES[name]
    missing = [key for key in service.keys if not os.environ.get(key)]
    if missing:
        raise InputError(f"{name} needs a key: set the environment variable {' and '.join(missing)}")
    call = _Call(name=name, service=service, read=read or _over_https, timeout_s=timeout_s)
    points = [point for window in _windows(trace, service.days) for point in _ASK[name](call, zone, window)]
    return _on_hours(trace, points, service, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    name: str
    service: _Service
    read: Read
    timeout_s: float

    def get(self, path: str, headers: Mapping[str, str]) -> Any:
        """Return the JSON of an address; raises InputError."""
        try:
            text = self.read(self.service.address + path, headers, self.timeout_s)
            return json.loads(text)
        except (OSError, ValueError) as error:  # urllib's errors are OSErrors; what is no JSON a ValueError
            reason = getattr(error, "reason", None) or error
            raise InputError(f"{self.name} gave no answer that can be read: {clean(reason)[:200]}") from None


def _over_https(address: str, headers: Mapping[str, str], timeout_s: float) -> str:
    """Return what an address answers, up to 32 MB; a redirect never carries a key to another host."""
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    with build_opener(NoRedirect).open(Request(address, headers=dict(headers)), timeout=timeout_s) as answer:
        content: bytes = answer.read(_LARGEST_BYTES)
    return content.decode("utf-8")


def _windows(trace: Trace, days: int) -> Iterator[tuple[datetime, datetime]]:
    """Return (from, to) that cover the trace, none longer than ``days``."""
    start, end = trace.start, trace.time_of(trace.steps)
    while start < end:
        stop = min(start + timedelta(days=days), end)
        yield start, stop
        start = stop


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%MZ}"


def _ask_uk(call: _Call, zone: str, window: tuple[datetime, datetime]) -> list[Point]:
    found = call.get(f"/intensity/{_text(window[0])}/{_text(window[1])}", {"Accept": "application/json"})
    points = []
    for row in _rows(call, found):
        intensity = row.get("intensity") or {}
        value = intensity.get("actual")
        points.append(_point(call, row.get("from"), intensity.get("forecast") if value is None else value))
    return points


def _ask_electricitymaps(call: _Call, zone: str, window: tuple[datetime, datetime]) -> list[Point]:
    from urllib.parse import urlencode

    query = urlencode({"zone": zone, "start": _text(window[0]), "end": _text(window[1])})
    headers = {"auth-token": os.environ["ELECTRICITYMAPS_TOKEN"]}
    found = call.get(f"/carbon-intensity/past-range?{query}", headers)
    return [_point(call, row.get("datetime"), row.get("carbonIntensity")) for row in _rows(call, found)]


def _ask_watttime(call: _Call, zone: str, window: tuple[datetime, datetime]) -> list[Point]:
    from base64 import b64encode
    from urllib.parse import urlencode

    names = (os.environ["WATTTIME_USER"], os.environ["WATTTIME_PASSWORD"])
    basic = b64encode(":".join(names).encode()).decode()
    token = call.get("/login", {"Authorization": f"Basic {basic}"})
    if not isinstance(token, dict) or not isinstance(token.get("token"), str):
        raise InputError("watttime did not accept the user and password")
    query = urlencode({"region": zone, "signal_type": "co2_moer", "start": _text(window[0]), "end": _text(window[1])})
    found = call.get(f"/v3/data?{query}", {"Authorization": f"Bearer {token['token']}"})
    return [_point(call, row.get("point_time"), row.get("value")) for row in _rows(call, found)]


_ASK: Mapping[str, Callable[[_Call, str, tuple[datetime, datetime]], list[Point]]] = {
    "uk": _ask_uk,
    "electricitymaps": _ask_electricitymaps,
    "watttime": _ask_watttime,
}


def _rows(call: _Call, found: Any) -> list[Mapping[str, Any]]:
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        told = re.sub(r"\s+", " ", clean(found))[:120]
        raise InputError(f"{call.name} gave no list of data, but {told}")
    return rows


def _point(call: _Call, time: Any, value: Any) -> Point:
    """Return a time in UTC and a value in kg/J; raises InputError."""
    from datetime import UTC

    try:
        moment = datetime.fromisoformat(str(time))
    except ValueError:
        raise InputError(f"{call.name} gave '{clean(time)[:40]}' as a time") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e5:
        raise InputError(f"{call.name} has no value for {moment:%Y-%m-%d %H:%M}, but {clean(value)[:40]}")
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment, convert(float(value), call.service.unit, "kg/J")


def _on_hours(trace: Trace, points: list[Point], service: _Service, name: str) -> Trace:
    """Return the mean of the points in each step; raises InputError where a step has none."""
    import numpy as np

    places = np.array([(time - trace.start).total_seconds() // trace.step_s for time, _ in points], dtype=np.int64)
    values = np.array([value for _, value in points])
    inside = (places >= 0) & (places < trace.steps)
    counts = np.bincount(places[inside], minlength=trace.steps)
    sums = np.bincount(places[inside], weights=values[inside], minlength=trace.steps)
    if not counts.all():
        first = trace.time_of(int(np.argmin(counts > 0)))
        lacking = int((counts == 0).sum())
        raise InputError(f"{name} has nothing for {lacking} of {trace.steps} steps, first at {first:%Y-%m-%d %H:%M}")
    carbon = sums / counts
    return Trace(
        name=name,
        start=trace.start,
        step_s=trace.step_s,
        load_w=None,
        carbon_kg_per_j=None if service.marginal else carbon,
        marginal_kg_per_j=carbon if service.marginal else None,
        steps=trace.steps,
    )
