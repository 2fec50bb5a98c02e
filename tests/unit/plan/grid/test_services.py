"""The services for hourly carbon, each played by a fake: windows, units, keys, and answers that are none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.plan.grid.services import fetch_carbon
from twentywatts.plan.grid.trace import Trace, flat_year
from twentywatts.plan.grid.trace_file import parse_trace

DAYS = 20


def trace() -> Trace:
    start = datetime(2025, 6, 1, tzinfo=UTC)
    rows = [f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%MZ},1" for hour in range(24 * DAYS)]
    return parse_trace(["time,load_mw", *rows], "load.csv")


class Fake:
    """A service that knows every time: the value is 100 plus the hour of the day."""

    def __init__(self, step: timedelta, wrong: Any = None) -> None:
        self.step, self.wrong = step, wrong
        self.asked: list[tuple[str, Mapping[str, str], float]] = []

    def __call__(self, address: str, headers: Mapping[str, str], timeout_s: float) -> str:
        self.asked.append((address, headers, timeout_s))
        if address.endswith("/login"):
            return json.dumps({"token": "secret-token"})
        if self.wrong is not None:
            return self.wrong if isinstance(self.wrong, str) else json.dumps(self.wrong)
        first, last = self._window(address)
        times = []
        while first < last:
            times.append(first)
            first += self.step
        return json.dumps({"data": [self._row(time) for time in times]})

    def _window(self, address: str) -> tuple[datetime, datetime]:
        query = parse_qs(urlsplit(address).query)
        pair = [query["start"][0], query["end"][0]] if query else urlsplit(address).path.split("/")[-2:]
        first, last = (datetime.fromisoformat(text) for text in pair)
        return first, last

    def _row(self, time: datetime) -> dict[str, Any]:
        text, value = time.isoformat(), 100 + time.hour
        actual = value if time.hour else None  # the first hour of each day has a forecast alone
        return {
            "from": text,
            "intensity": {"forecast": value, "actual": actual},
            "datetime": text,
            "carbonIntensity": value,
            "point_time": text,
            "value": value,
        }


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ELECTRICITYMAPS_TOKEN", "WATTTIME_USER", "WATTTIME_PASSWORD"):
        monkeypatch.setenv(name, f"my-{name.lower()}")


@pytest.mark.parametrize(
    ("name", "minutes", "windows"), [("uk", 30, 2), ("electricitymaps", 60, 2), ("watttime", 5, 1)]
)
def test_every_hour_is_asked_for_once_in_windows_that_the_service_takes(name: str, minutes: int, windows: int) -> None:
    fake = Fake(timedelta(minutes=minutes))
    found = fetch_carbon(name, trace(), "DE", read=fake, timeout_s=7.0)
    values = found.marginal_kg_per_j if name == "watttime" else found.carbon_kg_per_j
    assert values is not None
    unit = 0.45359237 / 3.6e9 if name == "watttime" else 1e-3 / 3.6e6  # lb/MWh or g/kWh
    assert values[:24].tolist() == pytest.approx([(100 + hour) * unit for hour in range(24)])
    data = [address for address, _, _ in fake.asked if not address.endswith("/login")]
    assert len(data) == windows
    assert all(address.startswith("https://") and timeout == 7.0 for address, _, timeout in fake.asked)
    assert found.load_w is None


def test_keys_travel_in_headers_alone() -> None:
    for name in ("electricitymaps", "watttime"):
        fake = Fake(timedelta(hours=1))
        fetch_carbon(name, trace(), "DE", read=fake)
        assert not any(re.search("my-|secret", address) for address, _, _ in fake.asked)
        assert any(headers for _, headers, _ in fake.asked)


def test_without_a_key_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELECTRICITYMAPS_TOKEN")
    with pytest.raises(InputError, match="ELECTRICITYMAPS_TOKEN"):
        fetch_carbon("electricitymaps", trace(), "DE", read=Fake(timedelta(hours=1)))
    with pytest.raises(InputError, match="did you mean 'watttime'"):
        fetch_carbon("wattime", trace(), "DE")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("<html>no</html>", "no answer that can be read"),
        ({"error": "zone unknown"}, "zone unknown"),
        ({"data": []}, "nothing for 480 of 480 steps"),
        ({"data": [{"datetime": "yesterday", "carbonIntensity": 1}]}, "'yesterday' as a time"),
        ({"data": [{"datetime": "2025-06-01T00:00Z", "carbonIntensity": None}]}, "no value for 2025-06-01 00:00"),
        ({"data": [{"datetime": "2025-06-01T00:00Z", "carbonIntensity": -1}]}, "no value"),
    ],
)
def test_an_answer_that_is_none_is_told(wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch_carbon("electricitymaps", trace(), "DE", read=Fake(timedelta(hours=1), wrong))


def test_a_network_that_is_silent_is_told() -> None:
    def silent(address: str, headers: Mapping[str, str], timeout_s: float) -> str:
        raise TimeoutError("timed out")

    with pytest.raises(InputError, match="uk gave no answer that can be read: timed out"):
        fetch_carbon("uk", flat_year(1e6, 2025), "", read=silent)


def test_average_and_marginal_hours_stand_side_by_side() -> None:
    load = trace()
    marginal = fetch_carbon("watttime", load, "DE", read=Fake(timedelta(minutes=5)))
    plan = tw.plan.grid_year(load, grid="DE", carbon=marginal)
    assert plan.amount("marginal_carbon_kg").mid == pytest.approx(DAYS * 24e3 * 111.5 * 0.45359237e-3)
    assert plan.amount("carbon_kg").mid == pytest.approx(DAYS * 24e3 * 0.344, rel=0.1)
