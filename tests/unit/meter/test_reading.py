"""Readings: the interval, and when there is none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.unit.meter.fakes import RANGE_J, STEP_J, channel, power

from twentywatts.meter.accumulate import accumulator_of
from twentywatts.meter.contract import Channel, How, Reading, Scope
from twentywatts.meter.reading import evidence_of, reading_of


def read(one: Channel, *samples: tuple[float, float | None], duration_s: float | None = None) -> Reading:
    accumulator = accumulator_of(one)
    accumulator.add(*samples[0])
    first = accumulator.state
    for sample in samples[1:]:
        accumulator.add(*sample)
    return reading_of(one, first, accumulator.state, duration_s or samples[-1][0] - samples[0][0])


def test_the_interval_is_a_step_and_a_period_at_each_edge() -> None:
    found = read(channel(period_s=0.1), (0.0, 0.0), (10.0, 500.0))
    assert (found.energy_j, found.how, found.evidence) == (500.0, How.COUNTER, 2)
    assert found.low_j == pytest.approx(500 - STEP_J - 5)
    assert found.high_j == pytest.approx(500 + STEP_J + 5)
    assert (found.first, found.last, found.samples, found.covered_s) == (0.0, 500.0, 2, 10.0)


def test_the_sensor_s_published_error_comes_on_top() -> None:
    found = read(channel(period_s=0.1, error_frac=0.05), (0.0, 0.0), (10.0, 500.0))
    assert found.low_j == pytest.approx((500 - STEP_J - 5) * 0.95)
    assert found.high_j == pytest.approx((500 + STEP_J + 5) * 1.05)


def test_the_low_bound_is_never_negative() -> None:
    found = read(channel(period_s=5.0), (0.0, 0.0), (2.0, 10.0))
    assert found.low_j == 0.0


@pytest.mark.parametrize("seconds", [0.01, 1.0, 3600.0])
def test_a_counter_that_does_not_move_is_never_a_measured_zero(seconds: float) -> None:
    found = read(channel(range_j=None), (0.0, 7.0), (seconds, 7.0))
    assert (found.how, found.energy_j, found.low_j, found.high_j) == (How.UNAVAILABLE, None, None, None)
    assert found.notes[0].startswith("frozen")
    assert (found.first, found.last) == (7.0, 7.0)


def test_a_window_shorter_than_the_counter_is_told_as_such() -> None:
    found = read(channel(period_s=0.1), (0.0, 7.0), (0.05, 7.0))
    assert found.energy_j is None
    assert found.notes[0].startswith("too short")
    assert found.notes[0].endswith("it may need 0.3 s")
    slow = read(channel(period_s=400.0, step_j=0.0), (0.0, 7.0), (3.0, 7.0))
    assert slow.notes[0].endswith("it may need 1,200 s")


def test_a_sensor_that_gives_zero_watts_is_frozen() -> None:
    assert read(power(), (0.0, 0.0), (1.0, 0.0)).notes == ("frozen: the sensor gave 0 W throughout",)


def test_one_valid_reading_is_none_and_the_last_error_is_told() -> None:
    found = read(channel(), (0.0, 7.0), (1.0, None))
    assert found.energy_j is None
    assert found.errors == 1
    assert "fewer than two valid readings" in found.notes[0]


def test_what_was_not_seen_is_named_and_widens_the_upper_bound() -> None:
    found = read(channel(), (0.0, 1000.0), (1.0, 1050.0), (2.0, 5.0), (3.0, 55.0), duration_s=3.0)
    assert found.energy_j == 100.0
    assert found.covered_s == 2.0
    assert found.high_j == pytest.approx(150, abs=0.2)
    assert "1 s of 3 s were not seen" in found.notes[0]
    assert "reset 1 times" in found.notes[1]


def test_wraps_that_cannot_be_seen_are_allowed_for() -> None:
    found = read(channel(), (0.0, 0.0), (200.0, 1000.0))
    assert found.high_j is not None
    assert found.high_j > RANGE_J
    assert any("wrapped unseen" in note for note in found.notes)


def test_a_counter_that_stops_halfway_is_named() -> None:
    found = read(channel(), (0.0, 0.0), (1.0, 50.0), (2.0, 50.0), (3.0, 50.0), (4.0, 50.0))
    assert any("stood still for 3 s of 4 s" in note for note in found.notes)


def test_evidence_follows_the_scope() -> None:
    assert [evidence_of(channel(scope=scope)) for scope in (Scope.GPU, Scope.PLATFORM)] == [2, 2]
    assert [evidence_of(channel(scope=scope)) for scope in (Scope.HOST, Scope.BATTERY, Scope.WALL)] == [3, 3, 4]
    assert evidence_of(channel(key="apple:cpu")) == 1


def test_what_went_wrong_before_a_window_is_none_of_its_business() -> None:
    """Two failed reads before, one in the second window, none in the third; nothing readable in the last."""
    one = channel()
    accumulator = accumulator_of(one)
    states = [accumulator.state]
    for samples in (
        [(0.0, 0.0), (0.5, None), (0.6, None), (1.0, 10.0)],
        [(1.5, None), (2.0, 20.0)],
        [(3.0, 30.0)],
        [],
    ):
        for sample in samples:
            accumulator.add(*sample)
        states.append(accumulator.state)
    found = [reading_of(one, first, last, 1.0) for first, last in pairwise(states)]
    assert [reading.errors for reading in found] == [2, 1, 0, 0]
    assert [any("reads failed" in note for note in reading.notes) for reading in found] == [True, True, False, False]
    assert [reading.energy_j for reading in found] == [10.0, 10.0, 10.0, None]
    assert found[3].notes == ("fewer than two valid readings",)
