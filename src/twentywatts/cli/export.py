"""``twentywatts export``: the counters of this node for Prometheus or an OpenTelemetry collector."""

from __future__ import annotations

import argparse

from twentywatts.cli import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.exporters.otlp import OtlpClient
    from twentywatts.meter.exporters.prometheus import MetricsServer
    from twentywatts.meter.inbox import Inbox
    from twentywatts.meter.station import Station

__all__ = ["add_parser", "run"]

_OTLP_S = 15.0


def add_parser(subparsers: Any) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="the energy of this node as Prometheus or OpenTelemetry metrics",
        description="Offer what the live counters of this node show. Nothing is estimated: a node without counters "
        "shows none. docs/how/cluster.md has the files for a cluster.",
    )
    parser.add_argument("--prometheus", metavar="ADDRESS", help=":9400 for this machine alone, 0.0.0.0:9400 for all")
    parser.add_argument("--otlp", metavar="URL", help="a collector, such as http://localhost:4318")
    parser.add_argument("--interval", type=float, default=None, metavar="S", help="post this often (default 15)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export until told to stop; return 0. Raises TwentyWattsError for bad input."""
    from twentywatts.errors import InputError

    if not args.prometheus and not args.otlp:
        raise InputError("name where to: --prometheus :9400, --otlp http://localhost:4318, or both")
    if args.interval is not None and not 1 <= args.interval <= 3600:
        raise InputError(f"--interval takes seconds from 1 to 3600, got {args.interval}")
    return _export(args)


def _export(args: argparse.Namespace) -> int:
    from twentywatts.meter.here import look
    from twentywatts.meter.inbox import Inbox
    from twentywatts.meter.station import Station

    with Inbox() as inbox:  # before any thread is started
        client = _client(args.otlp)
        server = _server(args.prometheus)
        assembly = look(is_rank=False).assembly
        if not assembly.summed:
            streams.say("no live counter here: `twentywatts doctor` tells why")
        station = Station(assembly).start()
        try:
            if server is not None:
                _serve(server, station)
            if client is not None:
                streams.say(f"posts to the collector every {args.interval or _OTLP_S:g} s")
            _until_stopped(inbox, station, client, args.interval or _OTLP_S)
        finally:
            if server is not None:
                server.server_close()
            station.close()
    return 0


def _client(url: str | None) -> OtlpClient | None:
    if not url:
        return None
    import os

    from twentywatts.meter.exporters.otlp import OtlpClient

    pairs = (pair.partition("=") for pair in os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","))
    return OtlpClient(url, headers={name.strip(): value.strip() for name, _, value in pairs if name.strip() and value})


def _server(address: str | None) -> MetricsServer | None:
    if not address:
        return None
    from twentywatts.meter.exporters.prometheus import MetricsServer, address_of

    return MetricsServer(address_of(address), lambda: "")


def _serve(server: MetricsServer, station: Station) -> None:
    import threading

    from twentywatts.meter.exporters.prometheus import metrics_text

    server.text = lambda: metrics_text(station.rows(), summed_count=len(station.assembly.summed))
    threading.Thread(target=server.serve_forever, name="twentywatts-metrics", daemon=True).start()
    host, port = server.server_address[0], server.server_address[1]
    assert isinstance(host, str)
    place = f"[{host}]" if ":" in host else host
    streams.say(f"http://{place}:{port}/metrics")


def _until_stopped(inbox: Inbox, station: Station, client: OtlpClient | None, interval_s: float) -> None:
    """Post every interval until a signal ends it; a collector that is away is told once and tried again."""
    import os
    import platform
    import signal
    import time

    from twentywatts import __version__
    from twentywatts.errors import TwentyWattsError
    from twentywatts.meter.exporters.otlp import payload

    start_ns, told, host = time.time_ns(), "", platform.node()
    while True:
        for number, _ in inbox.wait(interval_s):
            if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                return
            if number == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)
        rows = station.rows() if client else []
        if client is None or not rows:
            continue
        try:
            client.send(payload(rows, start_ns=start_ns, now_ns=time.time_ns(), host=host, version=__version__))
            told = ""
        except TwentyWattsError as error:
            if str(error) != told:
                told = str(error)
                streams.say(f"{error}; trying again every {interval_s:g} s")
