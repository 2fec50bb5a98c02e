"""The sampler: schedule, thread, consumers, suspend."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from tests.unit.meter.fakes import RANGE_J, Clock, Counter, channel, power, script

from twentywatts.meter.sampler import Sample, Sampler, poll_period_s


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "twentywatts-sampler"]


def until(done: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + 60
    while not done() and time.monotonic() < end_s:
        time.sleep(0.002)
    return done()


def test_the_schedule_is_half_the_shortest_wrap() -> None:
    assert poll_period_s(channel(range_j=65_536.0, limit_w=2000.0)) == pytest.approx(16.384)
    assert poll_period_s(channel(range_j=None)) is None
    assert poll_period_s(power(period_s=0.1)) == 0.1
    assert poll_period_s(power(period_s=0.001)) == 0.05
    assert poll_period_s(power(period_s=60.0)) == 1.0


def test_counters_that_cannot_wrap_need_no_thread() -> None:
    clock = Clock()
    sampler = Sampler([channel(Counter(clock, range_j=None), range_j=None)], clock)
    sampler.begin()
    assert threads() == []
    assert sampler.tick_s is None
    sampler.close()


def test_one_thread_serves_all_windows_and_ends_with_them() -> None:
    counter = Counter(Clock(), range_j=None)
    sampler = Sampler([channel(counter)], period_s=0.002)
    sampler.begin()
    sampler.begin()
    assert threads() == ["twentywatts-sampler"]
    assert until(lambda: counter.reads > 5)
    sampler.end()
    assert threads() == ["twentywatts-sampler"]
    sampler.end()
    assert until(lambda: threads() == [])
    sampler.begin()
    assert threads() == ["twentywatts-sampler"]
    sampler.close()
    seen = counter.reads
    assert until(lambda: threads() == [])
    assert counter.reads == seen  # a thread that was asleep reads nothing of what was given back


def test_power_is_polled_apart_from_slow_counters() -> None:
    clock = Clock()
    energy, sensor = Counter(clock), Counter(clock)
    sampler = Sampler([channel(energy), power(sensor, period_s=0.1)], clock)
    due = [clock() + period for period, _ in sampler._plan]
    for _ in range(50):
        clock.wait(0.1)
        sampler._poll(due)
    assert (energy.reads, sensor.reads) == (0, 50)
    clock.wait(RANGE_J / 4000)
    sampler._poll(due)
    assert energy.reads == 1


def test_samples_reach_the_consumer_and_its_failure_is_kept_for_later() -> None:
    seen: list[list[Sample]] = []
    sampler = Sampler([channel(script([5.0, None, OSError("gone"), "7", True]))], Clock(), seen.append)  # type: ignore[list-item]
    for _ in range(4):
        sampler.snapshot()
    assert [samples[0][2:] for samples in seen] == [
        (5.0, ""),
        (None, "no data"),
        (None, "gone"),
        (None, "the channel gave str"),
    ]

    def full(_: list[Sample]) -> None:
        raise OSError("no space left")

    broken = Sampler([channel(lambda: 5.0)], Clock(), full)
    assert broken.snapshot()[0][2] == 5.0
    assert broken.consumer_error == "OSError: no space left"


def test_a_machine_that_slept_is_noticed() -> None:
    clock, slept = Clock(), Clock()
    counter = Counter(clock)
    sampler = Sampler([channel(counter)], clock, slept=slept)
    _, first = sampler.begin()
    clock.wait(1.0)
    slept.wait(3600.0)
    counter.start_j = 5.0
    sampler.snapshot()
    clock.wait(1.0)
    _, last = sampler.end()
    sampler.close()
    state = last["fake:0"]
    assert state.suspended_s - first["fake:0"].suspended_s == 3600.0
    assert state.energy_j == pytest.approx(50.0, abs=1e-3)
    assert (state.gaps, state.resets) == (1, 0)


def test_what_happened_between_windows_is_in_none() -> None:
    clock = Clock()
    sampler = Sampler([channel(Counter(clock, range_j=None), range_j=None)], clock)
    sampler.begin()
    sampler.end()
    clock.wait(1e6)
    _, first = sampler.begin()
    clock.wait(2.0)
    _, last = sampler.end()
    assert last["fake:0"].energy_j - first["fake:0"].energy_j == pytest.approx(100.0, abs=1e-3)
    assert last["fake:0"].covered_s - first["fake:0"].covered_s == pytest.approx(2.0)


def test_closing_gives_the_channels_back() -> None:
    closed: list[str] = []
    sampler = Sampler([channel(key=key, close=lambda key=key: closed.append(key)) for key in ("a:0", "b:0")])
    sampler.close()
    assert closed == ["a:0", "b:0"]
