"""Recordings of meters: read from CSV, and brought onto our clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.errors import InputError
from twentywatts.meter.contract import How, Scope
from twentywatts.meter.sources.wall.csv import (
    Trace,
    energy_j,
    fit_offset,
    read_csv,
    reading_between,
)


def _steps(time_s: float) -> float:
    """Loads of unequal length: no two shifts look alike."""
    return 50.0 + 100.0 * (20 <= time_s % 97 < 33) + 60.0 * (45 <= time_s % 97 < 50)


def _own(length_s: float = 300.0) -> Trace:
    times = [index * 0.1 for index in range(int(length_s * 10))]
    return Trace(time_s=tuple(times), power_w=tuple(_steps(time_s) for time_s in times))


def _meter(offset_s: float, *, gain: float = 1.3, base_w: float = 20.0, period_s: float = 1.0) -> Trace:
    """A meter that averages over its period, with its clock behind ours by ``offset_s``."""
    times, powers = [], []
    for index in range(10, int(280 / period_s)):
        end_s = index * period_s
        inner = [_steps(end_s - period_s * (part + 0.5) / 20) for part in range(20)]
        times.append(end_s - offset_s)
        powers.append(base_w + gain * sum(inner) / 20)
    return Trace(time_s=tuple(times), power_w=tuple(powers))


@pytest.mark.parametrize("offset_s", [0.0, 7.3, -22.45, 59.0])
@pytest.mark.parametrize("period_s", [0.5, 1.0, 3.0])
def test_the_offset_of_a_clock_is_found(offset_s: float, period_s: float) -> None:
    found = fit_offset(_meter(offset_s, period_s=period_s), _own(), within_s=70.0)
    assert found.offset_s == pytest.approx(offset_s, abs=0.15)
    assert found.low_s <= offset_s <= found.high_s
    assert found.high_s - found.low_s < 4 * period_s + 1
    assert found.correlation > 0.95


def test_marker_loads_fit_too() -> None:
    """A square wave fits as well: 1 W during three loads of 13 s, of which only the times are known."""
    edges = [(edge + 97 * turn, power) for turn in range(3) for edge, power in ((20, 1.0), (33, 0.0))]
    times, powers = [-40.0], [0.0]
    for time_s, power_w in edges:
        times += [time_s - 1e-6, float(time_s)]
        powers += [1.0 - power_w, power_w]
    marks = Trace(time_s=(*times, edges[-1][0] + 60.0), power_w=(*powers, 0.0))
    found = fit_offset(_meter(4.0), marks, within_s=30.0)
    assert found.offset_s == pytest.approx(4.0, abs=0.6)
    assert found.low_s <= 4.0 <= found.high_s


def test_traces_with_nothing_in_common_are_refused() -> None:
    flat = Trace(time_s=tuple(map(float, range(100))), power_w=(50.0,) * 100)
    with pytest.raises(InputError, match="flat"):
        fit_offset(flat, _own())
    far = Trace(time_s=tuple(1e6 + index for index in range(100)), power_w=tuple(map(float, range(100))))
    with pytest.raises(InputError, match="overlap"):
        fit_offset(far, _own())
    wild = [(index * 7919) % 101 for index in range(250)]
    with pytest.raises(InputError, match="marker"):
        fit_offset(Trace(time_s=tuple(map(float, range(250))), power_w=tuple(map(float, wild))), _own(), within_s=3.0)


def test_a_meter_that_falls_when_we_rise_does_not_fit() -> None:
    turned = _meter(0.0)
    turned = Trace(time_s=turned.time_s, power_w=tuple(300.0 - power_w for power_w in turned.power_w))
    with pytest.raises(InputError, match="pattern"):
        fit_offset(turned, _own(), within_s=2.0)


def test_the_reading_holds_the_truth_whatever_the_offset_leaves_open() -> None:
    meter, own = _meter(7.3, gain=1.0, base_w=0.0), _own()
    reading = reading_between(meter, fit_offset(meter, own, within_s=30.0), 40.0, 200.0)
    truth_j = energy_j(own, 40.0, 200.0)
    assert reading.low_j is not None
    assert reading.high_j is not None
    assert reading.energy_j == pytest.approx(truth_j, rel=0.01)
    assert reading.low_j <= truth_j <= reading.high_j
    assert (reading.how, reading.evidence, reading.scope) == (How.INTEGRATED, 4, Scope.WALL)
    with pytest.raises(InputError, match="cover"):
        reading_between(meter, fit_offset(meter, own, within_s=30.0), 40.0, 900.0)


@given(start_s=st.floats(0.0, 4.0), length_s=st.floats(0.01, 5.0))
@settings(max_examples=60, deadline=None)
def test_energy_of_straight_lines_is_exact(start_s: float, length_s: float) -> None:
    trace = Trace(time_s=(0.0, 2.0, 3.0, 10.0), power_w=(0.0, 8.0, 12.0, 40.0))  # power is 4 W/s · t
    end_s = start_s + length_s
    assert energy_j(trace, start_s, end_s) == pytest.approx(2 * (end_s**2 - start_s**2))


def test_csv_files_of_many_makers(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    file.write_text("time,power\n0,10\n1,12\n1,13\n2,\n3,14\n")
    assert read_csv(file) == Trace(time_s=(0.0, 1.0, 3.0), power_w=(10.0, 12.0, 14.0), skipped=2)
    file.write_text("\ufeffZeit;Leistung;x\n0,0;0,010;a\n500,0;0,012;b\n")
    found = read_csv(file, time="Zeit", power="Leistung", time_unit="ms", power_unit="kW")
    assert found.time_s == (0.0, 0.5)
    assert found.power_w == pytest.approx((10.0, 12.0))
    file.write_text("time\tpower\n2026-01-31T12:00:00Z\t1\n2026-01-31T13:00:01+01:00\t2\n")
    first_s, second_s = read_csv(file, time_unit="iso").time_s
    assert second_s - first_s == 1.0


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "no column"),
        ("a,b\n1,2\n", "no column"),
        ("time,power\n0,x\n", "line 2"),
        ("time,power\n0,1\n1,nan\n", "line 3"),
        ("time,power\n0,-1\n", "no power"),
        ("time,power\n0,1\n", "two samples"),
        ("time,power\n1,1\n0,1\n", "rise"),
        ("time,power\n1\n", "two samples"),
    ],
)
def test_files_that_are_no_recordings_say_where(tmp_path: Path, text: str, hint: str) -> None:
    file = tmp_path / "meter.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=hint):
        read_csv(file)


def test_traces_are_checked() -> None:
    with pytest.raises(InputError):
        Trace(time_s=(0.0,), power_w=(1.0,))
    with pytest.raises(InputError, match="more than 0"):
        fit_offset(_meter(0.0), _own(), within_s=0.0)
