"""The exporters: the text of Prometheus, the payload of OTLP, and servers that cannot be held up."""

from __future__ import annotations

import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from tests.support.repository import ROOT

from twentywatts.errors import InputError, TwentyWattsError
from twentywatts.meter.assemble import Assembly
from twentywatts.meter.contract import Channel, How, Quantity, ReadError, Scope
from twentywatts.meter.exporters.otlp import OtlpClient, payload
from twentywatts.meter.exporters.prometheus import MetricsServer, address_of, metrics_text
from twentywatts.meter.station import Row, Station

CPU = Row(
    key="powercap:intel-rapl:0",
    component="cpu 0",
    scope=Scope.PACKAGE,
    kind=How.COUNTER,
    source="powercap",
    energy_j=12.5,
    power_w=40.0,
    is_summed=True,
    errors=1,
    age_s=0.0,
    resets=0,
)
WALL = replace(CPU, key="wall:a", component="wall", scope=Scope.WALL, source="wall", is_summed=False, power_w=None)


def test_the_text_has_types_labels_and_a_total_of_what_does_not_overlap() -> None:
    lines = metrics_text([CPU, WALL, replace(CPU, key="b", component="cpu 1")], summed_count=2).splitlines()
    label = 'scope="package",kind="counter",source="powercap"'
    assert f'twentywatts_energy_joules_total{{component="cpu 0",{label}}} 12.5' in lines
    assert "twentywatts_node_energy_joules_total 25.0" in lines
    assert "# TYPE twentywatts_energy_joules_total counter" in lines
    assert not [line for line in lines if line.startswith("twentywatts_power_watts") and "wall" in line]
    assert lines.count("# TYPE twentywatts_power_watts gauge") == 1


def test_without_counters_there_are_no_joules_rather_than_zero() -> None:
    text = metrics_text([], summed_count=0)
    assert "joules" not in text
    assert "twentywatts_live_counters 0.0" in text


def test_a_total_that_would_fall_is_left_out() -> None:
    assert "node_energy" not in metrics_text([CPU], summed_count=2)


def test_names_cannot_break_the_text() -> None:
    text = metrics_text([replace(CPU, component='a"b\\c\nd')], summed_count=1)
    assert r'component="a\"b\\c\nd"' in text


@pytest.mark.parametrize(
    ("text", "address"),
    [(":9400", ("127.0.0.1", 9400)), ("0.0.0.0:9400", ("0.0.0.0", 9400)), ("[::1]:80", ("::1", 80))],
)
def test_an_address_is_loopback_unless_one_is_named(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["9400", "", ":", ":http", ":99999", ":-1", ":٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        address_of(text)


opened = build_opener(ProxyHandler({})).open  # here: a proxy of the environment is not asked


@pytest.fixture
def port() -> Iterator[int]:
    server = MetricsServer(("127.0.0.1", 0), lambda: metrics_text([CPU], summed_count=1))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_metrics_are_served_and_nothing_else(port: int) -> None:
    with opened(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b"12.5" in answer.read()
    for path, method, code in (("/", "GET", 404), ("/../etc/passwd", "GET", 404), ("/metrics", "POST", 405)):
        with pytest.raises(HTTPError) as caught:
            opened(Request(f"http://127.0.0.1:{port}{path}", method=method, data=b"" if method == "POST" else None))
        assert caught.value.code == code
        caught.value.close()


def test_a_request_without_end_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 4000)
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    assert b"200" not in answer


def test_idle_connections_do_not_add_up(port: int) -> None:
    before = set(threading.enumerate())  # other tests' servers may still be at it
    held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    threads = [thread for thread in set(threading.enumerate()) - before if "process_request_thread" in thread.name]
    assert len(threads) <= 8
    for connection in held:
        connection.close()
    end_s = time.monotonic() + 60
    while True:  # its threads see one after the other that nobody is there any more
        try:
            with opened(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < end_s, "the server did not come back"
            time.sleep(0.02)


def test_a_port_that_is_taken_is_told(port: int) -> None:
    with pytest.raises(InputError, match="cannot listen"):
        MetricsServer(("127.0.0.1", port), lambda: "")


def test_otlp_names_follow_the_hardware_conventions() -> None:
    document = payload([CPU, WALL], start_ns=1, now_ns=2, host="node7", version="1")
    (resource,) = document["resourceMetrics"]
    assert {"key": "host.name", "value": {"stringValue": "node7"}} in resource["resource"]["attributes"]
    metrics = {metric["name"]: metric for metric in resource["scopeMetrics"][0]["metrics"]}
    assert set(metrics) == {"hw.energy", "hw.power", "hw.host.energy"}, "the whole host stands apart"
    assert metrics["hw.energy"]["unit"] == "J"
    assert metrics["hw.energy"]["sum"]["isMonotonic"] is True
    assert metrics["hw.energy"]["sum"]["aggregationTemporality"] == 2
    (point,) = metrics["hw.energy"]["sum"]["dataPoints"]
    assert (point["asDouble"], point["startTimeUnixNano"], point["timeUnixNano"]) == (12.5, "1", "2")
    attributes = {item["key"]: item["value"]["stringValue"] for item in point["attributes"]}
    assert attributes["hw.id"] == CPU.key
    assert attributes["hw.type"] == "cpu"
    assert metrics["hw.power"]["gauge"]["dataPoints"][0]["asDouble"] == 40.0
    json.dumps(document, allow_nan=False)


class Collector:
    """Stands in for the network: gives one answer after the other."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers, self.seen = list(answers), list[Request]()

    def __call__(self, request: Request, timeout: float) -> Any:
        assert timeout <= 30
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer != 200:
            headers = Message()
            headers["Retry-After"] = "99999"
            raise HTTPError(request.full_url, answer, "no", headers, io.BytesIO())
        return io.BytesIO(b"{}")


def test_a_busy_collector_is_asked_again_within_bounds() -> None:
    collector, waits = Collector(503, OSError("away"), 200), list[float]()
    OtlpClient("http://localhost:4318", opener=collector, wait=waits.append).send({})
    assert [request.full_url for request in collector.seen] == ["http://localhost:4318/v1/metrics"] * 3
    assert len(waits) == 2
    assert max(waits) <= 30


def test_a_refusal_is_final_and_an_absent_collector_is_told() -> None:
    collector = Collector(400, 200)
    with pytest.raises(TwentyWattsError, match="400"):
        OtlpClient("http://localhost:4318", opener=collector, wait=lambda seconds: None).send({})
    assert len(collector.seen) == 1
    collector = Collector(*[OSError("away")] * 5)
    with pytest.raises(TwentyWattsError, match="away"):
        OtlpClient("http://localhost:4318", opener=collector, wait=lambda seconds: None).send({})
    assert len(collector.seen) == 3


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://x", "http://", "http://x:port", "file:///etc/passwd", "a b"])
def test_what_is_no_collector_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="--otlp"):
        OtlpClient(url)


def test_a_full_path_is_kept() -> None:
    assert OtlpClient("https://x/otlp/v1/metrics").url == "https://x/otlp/v1/metrics"


def test_the_dashboard_and_the_page_name_series_that_exist() -> None:
    names = set(re.findall(r"# TYPE (\w+)", metrics_text([CPU], summed_count=1)))
    for page in ("docs/how/grafana.json", "docs/how/cluster.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert set(re.findall(r"twentywatts_\w+", text)) <= names, page
    json.loads((ROOT / "docs/how/grafana.json").read_text(encoding="utf-8"))


def _station(values: dict[str, list[float | None]], times: list[float]) -> Station:
    def reader(key: str) -> Any:
        def read() -> float:
            value = values[key].pop(0)
            if value is None:
                raise ReadError("gone")
            return value

        return read

    channels = tuple(
        Channel(key=key, component=key, scope=Scope.PACKAGE, quantity=Quantity.ENERGY, read=reader(key), source="fake")
        for key in values
    )
    clock = iter(times)
    return Station(Assembly(channels=channels, summed=tuple(values)), clock=lambda: next(clock))


def test_a_station_gives_mean_power_and_drops_what_is_gone() -> None:
    station = _station({"a": [100.0, 140.0, None]}, [0.0, 0.0, 2.0, 2.0, 100.0, 100.0])
    (row,) = station.start().rows()
    assert (row.energy_j, row.power_w) == (40.0, 20.0)
    assert station.rows() == []
