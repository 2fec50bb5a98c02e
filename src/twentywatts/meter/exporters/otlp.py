"""OTLP over HTTP with JSON: hw.energy and hw.power as the OpenTelemetry semantic conventions name them.

Hardware conventions (status: Development): ``hw.energy`` is a counter in J and ``hw.power`` a gauge in W, with the
attributes hw.id, hw.type and hw.name; what covers the whole host must go under ``hw.host.energy`` and
``hw.host.power``, so that nobody adds it to its parts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from twentywatts.errors import InputError, TwentyWattsError
from twentywatts.meter.contract import Scope
from twentywatts.meter.station import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

__all__ = ["OtlpClient", "payload"]

_TYPES = {Scope.DRAM: "memory", Scope.GPU: "gpu", Scope.GPU_PARTITION: "gpu", Scope.BATTERY: "battery"}
_WHOLE_HOST = (Scope.PLATFORM, Scope.HOST, Scope.WALL)
_PATH = "/v1/metrics"
_TIMEOUT_S, _TRIES, _LONGEST_WAIT_S = 10.0, 3, 30.0
_TRY_AGAIN = (429, 502, 503, 504)  # OTLP: only these may be repeated
_CUMULATIVE = 2  # AGGREGATION_TEMPORALITY_CUMULATIVE


def payload(rows: Sequence[Row], *, start_ns: int, now_ns: int, host: str, version: str) -> Document:
    """Return one ExportMetricsServiceRequest. start_ns, now_ns: Unix time of the station's start and of the rows."""
    times = {"startTimeUnixNano": str(start_ns), "timeUnixNano": str(now_ns)}
    metrics = []
    for is_host, prefix in ((False, "hw"), (True, "hw.host")):
        found = [row for row in rows if (row.scope in _WHOLE_HOST) is is_host]
        energy = [{**times, "asDouble": row.energy_j, "attributes": _attributes(row)} for row in found]
        if energy:
            total = {"dataPoints": energy, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
            metrics.append({"name": f"{prefix}.energy", "unit": "J", "sum": total})
        powers = [(row, row.power_w) for row in found if row.power_w is not None]
        points = [
            {"timeUnixNano": str(now_ns), "asDouble": power_w, "attributes": _attributes(row)}
            for row, power_w in powers
        ]
        if points:
            metrics.append({"name": f"{prefix}.power", "unit": "W", "gauge": {"dataPoints": points}})
    scope = {"name": "twentywatts", "version": version}
    resource = {"attributes": [_attribute("host.name", host), _attribute("service.name", "twentywatts")]}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": scope, "metrics": metrics}]}]}


def _attributes(row: Row) -> list[Document]:
    named = {
        "hw.id": row.key,
        "hw.type": _TYPES.get(row.scope, "cpu"),
        "hw.name": row.component,
        "twentywatts.scope": str(row.scope),
        "twentywatts.kind": str(row.kind),
        "twentywatts.source": row.source,
    }
    return [_attribute(name, text) for name, text in named.items()]


def _attribute(name: str, text: str) -> Document:
    return {"key": name, "value": {"stringValue": text}}


class OtlpClient:
    """Posts to a collector; redirects are not followed. Raises InputError for a URL that is none.

    headers: added to each request (a token). wait: sleeps between tries; opener: stands in for the network in tests.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        wait: Callable[[float], None] = time.sleep,
        opener: Callable[..., Any] | None = None,
    ) -> None:
        self.url = _endpoint(url)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._wait = wait
        self._open = opener or _opener()

    def send(self, document: Document) -> None:
        """Post one document, up to three times; raises TwentyWattsError where it was not taken."""
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request

        data = json.dumps(document, allow_nan=False).encode()
        problem, pause_s = "", 0.0
        for turn in range(_TRIES):
            try:
                with self._open(Request(self.url, data, self._headers, method="POST"), timeout=_TIMEOUT_S) as answer:
                    answer.read(65536)
                    return
            except HTTPError as error:
                problem, pause_s = f"{error.code} {error.reason}", _pause_s(error.headers.get("Retry-After"), turn)
                error.close()
                if error.code not in _TRY_AGAIN:
                    break
            except (OSError, HTTPException) as error:
                problem, pause_s = str(error) or type(error).__name__, _pause_s(None, turn)
            if turn < _TRIES - 1:
                self._wait(pause_s)
        raise TwentyWattsError(f"{self.url} did not take the metrics: {problem}")


def _pause_s(asked: str | None, turn: int) -> float:
    """Return how long to wait: what the server asks for, within bounds, else one second, then two."""
    wanted = float(asked) if asked and asked.isascii() and asked.isdigit() and len(asked) < 6 else float(2**turn)
    return min(wanted, _LONGEST_WAIT_S)


def _endpoint(url: str) -> str:
    from urllib.parse import urlsplit, urlunsplit

    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or any(letter.isspace() for letter in url):
        raise InputError(f"--otlp takes the URL of a collector such as http://localhost:4318, got '{url}'")
    return urlunsplit(parts._replace(path=_PATH)) if parts.path in ("", "/") else url


def _opener() -> Callable[..., Any]:
    from urllib.request import HTTPRedirectHandler, build_opener

    class NoRedirect(HTTPRedirectHandler):
        """A collector that moved is for a person to look at: tokens must not follow."""

        def redirect_request(self, *args: Any, **kwargs: Any) -> None:
            return None

    return build_opener(NoRedirect()).open
