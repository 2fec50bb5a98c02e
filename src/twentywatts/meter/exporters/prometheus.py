"""Prometheus text format over a small server: GET /metrics, nothing else, bounded in size, time and number.

Energy readings tell what a processor computes (PLATYPUS), so the server listens on the loopback address unless another
one is named.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from twentywatts.errors import InputError
from twentywatts.meter.station import Row

__all__ = ["CONTENT_TYPE", "MetricsServer", "address_of", "metrics_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LOOPBACK = "127.0.0.1"
_LONGEST_REQUEST, _REQUEST_S, _MOST_AT_ONCE = 8192, 5.0, 8
_HELP = {
    "twentywatts_energy_joules_total": "Energy by component since the exporter began; scopes overlap, do not add them.",
    "twentywatts_node_energy_joules_total": "Energy of the components that do not overlap, added.",
    "twentywatts_power_watts": "Mean power since the last look.",
    "twentywatts_read_errors_total": "Reads that failed.",
    "twentywatts_live_counters": "Counters that can be read and live; 0: this node cannot be measured.",
}
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[dict[str, str], float]


def metrics_text(rows: Sequence[Row], *, summed_count: int) -> str:
    """Return the rows in the text format 0.0.4. A node without live counters has no joules, not zero joules.

    summed_count: counters that make the node's total; while one of them is missing there is no total, because a total
    that falls looks like a restart.
    """
    summed = [row for row in rows if row.is_summed]
    summed = summed if len(summed) == summed_count else []
    families: list[tuple[str, str, list[Sample]]] = [
        ("twentywatts_energy_joules_total", "counter", [(_labels(row), row.energy_j) for row in rows]),
        ("twentywatts_node_energy_joules_total", "counter", _total(summed)),
        (
            "twentywatts_power_watts",
            "gauge",
            [(_labels(row), row.power_w) for row in rows if row.power_w is not None],
        ),
        ("twentywatts_read_errors_total", "counter", [(_labels(row), float(row.errors)) for row in rows]),
        ("twentywatts_live_counters", "gauge", [({}, float(len(rows)))]),
    ]
    return "".join(_family(name, kind, samples) for name, kind, samples in families if samples)


def _labels(row: Row) -> dict[str, str]:
    return {"component": row.component, "scope": str(row.scope), "kind": str(row.kind), "source": row.source}


def _total(rows: Sequence[Row]) -> list[Sample]:
    return [({}, sum(row.energy_j for row in rows))] if rows else []


def _family(name: str, kind: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {kind}"]
    merged: dict[str, float] = {}
    for labels, value in samples:  # one series per set of labels: two counters with one name are added
        pairs = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
        series = f"{name}{{{pairs}}}" if pairs else name
        merged[series] = merged.get(series, 0.0) + value
    return "\n".join([*lines, *(f"{series} {value!r}" for series, value in merged.items())]) + "\n"


def address_of(text: str) -> tuple[str, int]:
    """Return (host, port) of ":9400" (loopback), "0.0.0.0:9400" or "[::1]:9400"; raises InputError."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise InputError(f"an address is HOST:PORT, or :PORT for this machine alone, such as :9400; got '{text}'")
    return host.strip("[]") or _LOOPBACK, int(port)


class MetricsServer(socketserver.ThreadingTCPServer):
    """Serves ``text()`` under /metrics; port 0 takes a free one. Raises InputError where the address cannot be had."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], text: Callable[[], str]) -> None:
        self.text = text
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"cannot listen on {address[0]}:{address[1]}: {reason}; name another port") from error

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Hand the connection to a thread, or close it where too many are open."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer in this thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is no news."""


class _Handler(socketserver.BaseRequestHandler):
    """Reads one request, answers, closes."""

    server: MetricsServer

    def handle(self) -> None:
        words = self._request().split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self._answer("400 Bad Request", "")
        elif words[0] not in (b"GET", b"HEAD"):
            self._answer("405 Method Not Allowed", "")
        elif words[1].partition(b"?")[0] != b"/metrics":
            self._answer("404 Not Found", "only /metrics is here\n")
        else:
            self._answer("200 OK", self.server.text(), is_head=words[0] == b"HEAD")

    def _request(self) -> bytes:
        """Return the head of the request; empty where it is too long or too slow."""
        end_s, found = time.monotonic() + _REQUEST_S, b""
        while b"\r\n\r\n" not in found:
            left_s = end_s - time.monotonic()
            if left_s <= 0 or len(found) > _LONGEST_REQUEST:
                return b""
            self.request.settimeout(left_s)
            try:
                chunk = self.request.recv(4096)
            except OSError:
                return b""
            if not chunk:
                return b""
            found += chunk
        return found

    def _answer(self, status: str, text: str, *, is_head: bool = False) -> None:
        body = text.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        with contextlib.suppress(OSError):
            self.request.settimeout(_REQUEST_S)
            self.request.sendall(f"{head}Connection: close\r\n\r\n".encode() + (b"" if is_head else body))
