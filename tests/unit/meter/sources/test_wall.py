"""Wall meters: only what is configured, only that host, bounded."""

from __future__ import annotations

import hashlib
import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_nvml import Clock
from tests.support.fake_wall import FakeMeter, answer, served

from twentywatts.errors import InputError
from twentywatts.meter.contract import Channel, Quantity, ReadError, Scope
from twentywatts.meter.reading import evidence_of
from twentywatts.meter.sources.wall import find
from twentywatts.meter.sources.wall.client import LARGEST_BYTES, Client
from twentywatts.meter.sources.wall.config import load, parse

# the example of the documentation's Status section
SHELLY = {"id": 0, "output": True, "apower": 8.9, "voltage": 237.5, "aenergy": {"total": 6.532, "by_minute": [45.2]}}
TASMOTA = {"StatusSNS": {"Time": "2019-09-06T20:06:19", "ENERGY": {"Total": 0.003, "Today": 0.003, "Power": 26}}}
REDFISH = {"PowerControl": [{"PowerConsumedWatts": 344, "PowerMetrics": {"IntervalInMin": 30}}]}
ENVIRONMENT = {"PowerWatts": {"Reading": 374.5}, "EnergykWh": {"Reading": 325675.0}}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no deadline is named, a busy machine has its time."""
    monkeypatch.setitem(Client._defaults, "deadline_s", 60.0)


def _open(tmp_path: Path, meter: FakeMeter, text: str, **environ: str) -> tuple[list[Channel], str]:
    """Return the channels and the reason of the first finding."""
    file = tmp_path / "wall.toml"
    file.write_text(f'[[meter]]\nhost = "{meter.host}"\n{text}')
    source = find(config=file, environ=environ, clock=Clock())
    assert [finding.key for finding in source.findings() if finding.key] == [c.key for c in source.channels()]
    return source.channels(), source.findings()[0].reason


@pytest.mark.parametrize(
    ("text", "document", "path", "value", "quantity"),
    [
        ('kind = "shelly"', SHELLY, "/rpc/Switch.GetStatus?id=0", 8.9, Quantity.POWER),
        ('kind = "shelly"\nquantity = "energy"', SHELLY, "/rpc/Switch.GetStatus?id=0", 6.532 * 3600, Quantity.ENERGY),
        ('kind = "shelly"\nchannel = "3"', SHELLY, "/rpc/Switch.GetStatus?id=3", 8.9, Quantity.POWER),
        ('kind = "tasmota"', TASMOTA, "/cm?cmnd=Status%208", 26.0, Quantity.POWER),
        ('kind = "tasmota"\nquantity = "energy"', TASMOTA, "/cm?cmnd=Status%208", 0.003 * 3.6e6, Quantity.ENERGY),
        ('kind = "redfish"\nsecure = false', REDFISH, "/redfish/v1/Chassis/1/Power", 344.0, Quantity.POWER),
        (
            'kind = "redfish"\nsecure = false\nresource = "EnvironmentMetrics"\nquantity = "energy"\nchannel = "Self"',
            ENVIRONMENT,
            "/redfish/v1/Chassis/Self/EnvironmentMetrics",
            325675.0 * 3.6e6,
            Quantity.ENERGY,
        ),
        (
            'kind = "redfish"\nsecure = false\nresource = "EnvironmentMetrics"',
            ENVIRONMENT,
            "/redfish/v1/Chassis/1/EnvironmentMetrics",
            374.5,
            Quantity.POWER,
        ),
    ],
)
def test_meters_as_documented(
    tmp_path: Path, text: str, document: Any, path: str, value: float, quantity: Quantity
) -> None:
    with served(lambda _, __: answer(document)) as meter:
        (channel,), _ = _open(tmp_path, meter, text)
        assert channel.read() == pytest.approx(value)
        assert {asked for asked, _ in meter.asked} == {path}
    assert channel.quantity is quantity
    assert channel.scope is (Scope.HOST if "redfish" in text else Scope.WALL)
    assert evidence_of(channel) == (3 if "redfish" in text else 4)


def test_several_sockets_of_a_tasmota_are_added(tmp_path: Path) -> None:
    document = {"StatusSNS": {"ENERGY": {"Total": [1.0, 2.0], "Power": [10, 5]}}}
    with served(lambda _, __: answer(document)) as meter:
        (channel,), _ = _open(tmp_path, meter, 'kind = "tasmota"')
        assert channel.read() == 15.0


def test_nothing_is_asked_without_a_configuration() -> None:
    source = find(environ={})
    assert source.channels() == []
    assert "none is configured" in source.findings()[0].reason


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    with served(lambda _, __: answer(SHELLY)) as meter:
        file = tmp_path / "wall.toml"
        file.write_text(f'[[meter]]\nkind = "shelly"\nhost = "{meter.host}"\n')
        assert len(find(environ={"TWENTYWATTS_WALL": str(file)}).channels()) == 1
        assert not find(root=tmp_path, environ={"TWENTYWATTS_WALL": str(file)}).channels()


BOMB = b"[" * 60000
BAD = {
    "empty": answer(b""),
    "no http": b"SSH-2.0-OpenSSH\r\n\r\n",
    "nothing": b"",
    "deep": answer(BOMB),
    "long number": answer(b'{"apower": ' + b"9" * 20000 + b"}"),
    "infinite": answer(b'{"apower": 1e999}'),
    "nan": answer(b'{"apower": NaN}'),
    "negative": answer({"apower": -3}),
    "text": answer({"apower": "3"}),
    "truth": answer({"apower": True}),
    "null": answer({"apower": None}),
    "other": answer({"id": 0}),
    "list": answer([1, 2]),
    "number": answer(7),
    "not utf-8": answer(b"\xff\xfe"),
    "too large": answer(b" " * (LARGEST_BYTES + 10)),
    "large without length": b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (LARGEST_BYTES + 10),
    "error": answer({}, status="500 Oops"),
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "compressed": answer(b"\x1f\x8b\x08" + bytes(50)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_a_finding_and_no_reading(tmp_path: Path, name: str) -> None:
    with served(lambda _, __: BAD[name]) as meter:
        channels, reason = _open(tmp_path, meter, 'kind = "shelly"')
    assert channels == []
    assert reason


def test_chunks_are_understood() -> None:
    body = b'{"apower": 1}'
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
        + body[:5]
        + b"\r\n8\r\n"
        + body[5:]
        + b"\r\n0\r\n\r\n"
    )
    with served(lambda _, __: data) as meter:
        assert Client(host=meter.host).get("/") == {"apower": 1}


def test_redirects_are_not_followed() -> None:
    with served(lambda _, __: answer(SHELLY)) as other:
        there = (f"Location: http://{other.host}/",)
        with served(lambda _, __: answer({}, status="302 Found", headers=there)) as meter:
            with pytest.raises(ReadError, match="not followed"):
                Client(host=meter.host).get("/")
            assert len(meter.asked) == 1
        assert other.asked == []


def test_a_slow_meter_is_left_at_the_deadline() -> None:
    with served(lambda _, __: answer({"apower": 1}), drip_s=0.5) as meter:
        started_s = time.monotonic()
        with pytest.raises(ReadError, match=r"slow|in time"):
            Client(host=meter.host, deadline_s=0.2).get("/")
        assert time.monotonic() - started_s < 30.0, "the whole answer takes a minute"


def test_nobody_there_is_a_finding(tmp_path: Path) -> None:
    channels, reason = _open(tmp_path, FakeMeter(reply=lambda _, __: b"", host="127.0.0.1:1"), 'kind = "shelly"')
    assert channels == []
    assert "cannot be reached" in reason


def test_a_failure_is_kept_for_a_while_so_that_others_are_read(tmp_path: Path) -> None:
    answers = [answer(SHELLY)] * 2 + [answer({}, status="503 Busy")] + [answer(SHELLY)]
    with served(lambda _, __: answers.pop(0)) as meter:
        file = tmp_path / "wall.toml"
        file.write_text(f'[[meter]]\nkind = "shelly"\nhost = "{meter.host}"\n')
        clock = Clock()
        (channel,) = find(config=file, environ={}, clock=clock).channels()
        channel.read()
        for _ in range(3):
            with pytest.raises(ReadError):
                channel.read()
        assert len(meter.asked) == 3
        clock.sleep(10.0)
        assert channel.read() == 8.9


def test_a_management_controller_is_not_asked_at_every_read(tmp_path: Path) -> None:
    with served(lambda _, __: answer(REDFISH)) as meter:
        (channel,), _ = _open(tmp_path, meter, 'kind = "redfish"\nsecure = false')
        for _ in range(5):
            channel.read()
        assert len(meter.asked) == 1


def _digest_plug(path: str, headers: dict[str, str]) -> bytes:
    """A Shelly with a password, as RFC 7616 says."""
    given = dict(re.findall(r'(\w+)="?([^",]*)"?', headers.get("authorization", "")))
    if given:
        secret = hashlib.sha256(b"admin:shellyplug:hunter2").hexdigest()
        request = hashlib.sha256(f"GET:{path}".encode()).hexdigest()
        words = ":".join([secret, given["nonce"], given["nc"], given["cnonce"], "auth", request])
        if given["response"] == hashlib.sha256(words.encode()).hexdigest():
            return answer(SHELLY)
    challenge = 'WWW-Authenticate: Digest qop="auth", realm="shellyplug", nonce="60dc59c6", algorithm=SHA-256'
    return answer({}, status="401 Unauthorized", headers=(challenge,))


def test_a_password_comes_from_the_environment_and_stays_out_of_texts(tmp_path: Path) -> None:
    text = 'kind = "shelly"\npassword_variable = "PLUG"'
    with served(_digest_plug) as meter:
        (channel,), _ = _open(tmp_path, meter, text, PLUG="hunter2")
        assert channel.read() == 8.9
        channels, reason = _open(tmp_path, meter, text, PLUG="hunter3")
        assert channels == []
        assert "credentials" in reason
        assert "hunter3" not in reason
        assert not any("hunter" in path + str(headers) for path, headers in meter.asked)
        assert "PLUG" in _open(tmp_path, meter, text)[1]


def test_a_tasmota_gets_its_password_in_the_address(tmp_path: Path) -> None:
    text = 'kind = "tasmota"\npassword_variable = "PLUG"'
    with served(lambda _, __: answer(TASMOTA)) as meter:
        (channel,), _ = _open(tmp_path, meter, text, PLUG="a&b c")
        assert "password=a%26b%20c" in meter.asked[0][0]
        assert "a&b" not in repr(channel)


def test_a_password_is_not_sent_in_the_clear() -> None:
    client = Client(host="192.0.2.1", user="u", password="p")
    with pytest.raises(ReadError, match="in the clear"):
        client._authorization("/", "Basic realm=x")
    assert Client(host="192.0.2.1", is_secure=True, password="p")._authorization("/", "Basic realm=x")


@pytest.mark.parametrize(
    ("meter", "hint"),
    [
        ({"kind": "shelli", "host": "a"}, "kind"),
        ({"kind": "shelly"}, "host"),
        ({"kind": "shelly", "host": "http://a/"}, "host"),
        ({"kind": "shelly", "host": "user@a"}, "host"),
        ({"kind": "shelly", "host": "a/../b"}, "host"),
        ({"kind": "shelly", "host": "a\r\nX: y"}, "host"),
        ({"kind": "shelly", "host": "a", "channel": "0&x=1"}, "channel"),
        ({"kind": "shelly", "host": "a", "channel": "one"}, "number"),
        ({"kind": "shelly", "host": "a", "password": "x"}, "environment"),
        ({"kind": "shelly", "host": "a", "period": 1}, "period_s"),
        ({"kind": "shelly", "host": "a", "period_s": -1}, "period_s"),
        ({"kind": "shelly", "host": "a", "period_s": "1"}, "number"),
        ({"kind": "shelly", "host": "a", "error_frac": math.inf}, "error_frac"),
        ({"kind": "shelly", "host": "a", "quantity": "volts"}, "quantity"),
        ({"kind": "redfish", "host": "a", "quantity": "energy"}, "EnvironmentMetrics"),
        ({"kind": "redfish", "host": "a", "channel": "../../x"}, "channel"),
        ({"kind": "csv"}, "path"),
        ("x", "table"),
    ],
)
def test_wrong_configurations_say_what_is_wanted(meter: object, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        parse({"meter": [meter]})


def test_wrong_files_say_what_is_wrong(tmp_path: Path) -> None:
    same = {"kind": "shelly", "host": "a"}
    for tables in ({}, {"meter": []}, {"meter": 1}, {"meter": [same], "x": 1}, {"meter": [same, same]}):
        with pytest.raises(InputError):
            parse(tables)
    file = tmp_path / "wall.toml"
    for content in (b"[[meter", b"\xff", b"a = " + b"[" * 50000, b"#" * 70000):
        file.write_bytes(content)
        with pytest.raises(InputError):
            load(file)
        assert find(config=file, environ={}).findings()[0].reason
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "missing.toml")


def test_a_recording_in_the_configuration_is_read_later(tmp_path: Path) -> None:
    file = tmp_path / "wall.toml"
    file.write_text('[[meter]]\nkind = "csv"\npath = "meter.csv"\n')
    source = find(config=file, environ={})
    assert source.channels() == []
    assert "after the run" in source.findings()[0].reason
    assert load(file)[0].path == str(tmp_path / "meter.csv")
