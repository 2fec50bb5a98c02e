"""Accumulators: at most one step of error, over wraps, resets, gaps and failed reads."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.meter.fakes import RANGE_J, STEP_J, channel, power

from twentywatts.meter.accumulate import EnergyAccumulator, PowerAccumulator, accumulator_of
from twentywatts.meter.contract import Channel

LIMIT_W = 2000.0
BOUND_S = RANGE_J / (2 * LIMIT_W)

powers = st.lists(st.tuples(st.floats(1e-3, 1.0), st.floats(0.0, LIMIT_W)), min_size=1, max_size=40)


def _shown(true_j: float) -> float:
    return true_j // STEP_J * STEP_J % RANGE_J


def _fed(energy: EnergyAccumulator, *samples: tuple[float, float | None]) -> float:
    return [energy.add(*sample) for sample in samples][-1]


@given(start_j=st.floats(0.0, 4 * RANGE_J), stretches=powers)
def test_any_monotone_energy_is_known_to_one_step_over_wraps(
    start_j: float, stretches: list[tuple[float, float]]
) -> None:
    energy = EnergyAccumulator(channel(limit_w=LIMIT_W))
    time_s, true_j = 0.0, start_j
    energy.add(time_s, _shown(true_j))
    for share, power_w in stretches:
        time_s += share * BOUND_S
        true_j += share * BOUND_S * power_w
        energy.add(time_s, _shown(true_j))
        assert abs(energy.state.energy_j - (true_j - start_j)) <= STEP_J * (1 + 1e-6) + 1e-9 * true_j
    assert energy.state.resets == energy.state.gaps == energy.state.unseen_wraps == 0


@given(
    stretches=st.lists(st.tuples(st.floats(1e-3, 1.0), st.floats(0.0, LIMIT_W), st.booleans()), min_size=1, max_size=40)
)
def test_resets_never_make_joules_beyond_what_the_time_allows(stretches: list[tuple[float, float, bool]]) -> None:
    energy = EnergyAccumulator(channel(limit_w=LIMIT_W))
    time_s = counter_j = 0.0
    energy.add(0.0, 0.0)
    for share, power_w, is_reset in stretches:
        before = energy.state.energy_j
        time_s += share * BOUND_S
        counter_j = 0.0 if is_reset else counter_j + share * BOUND_S * power_w
        gained = energy.add(time_s, _shown(counter_j)) - before
        assert 0 <= gained <= LIMIT_W * (share * BOUND_S + 0.002) + 2 * STEP_J


@given(st.lists(st.tuples(st.floats(), st.one_of(st.none(), st.floats())), max_size=30))
def test_nothing_makes_it_negative_infinite_or_raise(samples: list[tuple[float, float | None]]) -> None:
    for one in (channel(), channel(range_j=None, range_is_known=False), power()):
        last_j = 0.0
        accumulator = accumulator_of(one)
        for time_s, raw in samples:
            if math.isfinite(time_s):
                joules = accumulator.add(time_s, raw)
                assert last_j <= joules < math.inf
                last_j = joules


def test_a_wrap_is_seen_and_counted() -> None:
    energy = EnergyAccumulator(channel())
    assert _fed(energy, (0.0, RANGE_J - 50), (1.0, 50.0)) == 100.0
    assert (energy.state.wraps, energy.state.resets, energy.state.covered_s) == (1, 0, 1.0)
    assert energy.state.spare_j == STEP_J


def test_a_reset_that_no_power_explains_is_thrown_away() -> None:
    energy = EnergyAccumulator(channel())
    assert _fed(energy, (0.0, 1000.0), (1.0, 1050.0), (2.0, 3.0), (3.0, 53.0)) == 100.0
    assert (energy.state.wraps, energy.state.resets, energy.state.gaps) == (0, 1, 1)
    assert energy.state.covered_s == 2.0


def test_a_jump_up_that_no_power_explains_is_thrown_away() -> None:
    energy = EnergyAccumulator(channel())
    assert _fed(energy, (0.0, 1000.0), (1.0, 200_000.0), (2.0, 200_010.0)) == 10.0


@pytest.mark.parametrize("one", [channel(range_j=None), channel(range_is_known=False), channel(range_j=0.0)])
def test_without_a_range_a_fall_is_a_gap(one: Channel) -> None:
    energy = EnergyAccumulator(one)
    assert _fed(energy, (0.0, 1000.0), (1.0, 1050.0), (2.0, 20.0), (3.0, 50.0)) == 80.0
    assert (energy.state.wraps, energy.state.gaps) == (0, 1)


def test_joules_across_a_failed_read_are_kept() -> None:
    energy = EnergyAccumulator(channel())
    assert _fed(energy, (0.0, 10.0), (1.0, None), (2.0, 110.0)) == 100.0
    assert (energy.state.errors, energy.state.covered_s, energy.state.unseen_wraps) == (1, 2.0, 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_what_no_counter_shows_is_a_failed_read(bad: float) -> None:
    energy = EnergyAccumulator(channel())
    assert _fed(energy, (0.0, 10.0), (1.0, bad), (2.0, 60.0)) == 50.0
    assert energy.state.errors == 1


def test_a_silence_longer_than_a_wrap_widens_what_may_be_missing() -> None:
    energy = EnergyAccumulator(channel(limit_w=LIMIT_W))
    assert _fed(energy, (0.0, 0.0), (RANGE_J / LIMIT_W * 2.5, 100.0)) == 100.0
    assert energy.state.unseen_wraps == 2
    assert energy.state.spare_j == 2 * RANGE_J


def test_time_that_stands_or_goes_back_does_no_harm() -> None:
    energy = EnergyAccumulator(channel())
    assert _fed(energy, (5.0, 10.0), (5.0, 20.0), (4.0, 30.0), (6.0, 40.0)) == 30.0
    assert energy.state.errors == 1


def test_what_a_machine_did_in_its_sleep_does_not_count() -> None:
    energy = EnergyAccumulator(channel())
    _fed(energy, (0.0, 10.0), (1.0, 60.0))
    energy.interrupt(3600.0)
    assert _fed(energy, (2.0, 500.0), (3.0, 550.0)) == 100.0
    assert (energy.state.gaps, energy.state.suspended_s) == (1, 3600.0)


def test_rest_begins_anew_without_a_gap() -> None:
    energy = EnergyAccumulator(channel())
    _fed(energy, (0.0, 10.0), (1.0, 60.0))
    energy.rest()
    assert _fed(energy, (1e6, 5.0), (1e6 + 1, 15.0)) == 60.0
    assert (energy.state.gaps, energy.state.unseen_wraps) == (0, 0)


def test_states_only_grow() -> None:
    energy = EnergyAccumulator(channel())
    states = []
    for turn, raw in enumerate([1.0, 51.0, None, 40.0, 90.0, 3.0, 7.0]):
        energy.add(float(turn), raw)
        states.append(energy.state)
    for one, other in pairwise(states):
        for name in ("energy_j", "covered_s", "spare_j", "samples", "wraps", "resets", "gaps", "errors"):
            assert getattr(one, name) <= getattr(other, name), name


@given(st.lists(st.tuples(st.floats(1e-3, 1.0), st.floats(0.0, 500.0)), min_size=2, max_size=30))
def test_power_is_integrated_by_trapezoids_and_its_noise_bounds_every_course_between(
    samples: list[tuple[float, float]],
) -> None:
    sensor = PowerAccumulator(power())
    time_s = 0.0
    for elapsed_s, watts in samples:
        time_s += elapsed_s
        sensor.add(time_s, watts)
    stretches = list(pairwise(samples))
    least = sum(min(one[1], other[1]) * other[0] for one, other in stretches)
    most = sum(max(one[1], other[1]) * other[0] for one, other in stretches)
    state = sensor.state
    assert state.energy_j == pytest.approx((least + most) / 2, abs=1e-9)
    assert state.energy_j - state.noise_j == pytest.approx(least, abs=1e-9)
    assert state.energy_j + state.noise_j == pytest.approx(most, abs=1e-9)


def test_power_across_a_long_silence_is_a_gap() -> None:
    sensor = PowerAccumulator(power())
    sensor.add(0.0, 100.0)
    sensor.add(1.0, 100.0)
    sensor.add(60.0, 100.0)
    assert (sensor.state.energy_j, sensor.state.gaps, sensor.state.covered_s) == (100.0, 1, 1.0)


@pytest.mark.parametrize("bad", [-5.0, math.nan, math.inf, 1e6, None])
def test_power_that_cannot_be_is_a_failed_read(bad: float | None) -> None:
    sensor = PowerAccumulator(power())
    assert [sensor.add(0.0, 10.0), sensor.add(1.0, bad), sensor.add(2.0, 10.0)][-1] == 20.0
    assert sensor.state.errors == 1
