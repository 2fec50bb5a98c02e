"""The linear program: against brute force on small cases, and properties that every schedule must have."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.plan.grid.account import matched_by_period
from twentywatts.plan.grid.program import Battery, Dispatch, Hours, Waiting, dispatch

pytest.importorskip("scipy")

LEVELS = 4  # a battery of whole joules, work in whole joules: the optimum of the small cases is whole too


def hours(load: list[float], own: list[float], cost: list[float]) -> Hours:
    return Hours(load_j=np.array(load, float), own_j=np.array(own, float), cost=np.array(cost, float))


def cost_of(case: Hours, schedule: Dispatch) -> float:
    return float((case.cost * schedule.grid_j).sum())


def brute_force(case: Hours, battery: Battery | None, waiting: Waiting | None) -> float:
    """Return the least cost over every whole schedule: each start level, each move of the battery, each queue."""
    steps = len(case.load_j)
    step, capacity = (int(battery.step_j), int(battery.capacity_j)) if battery else (0, 0)
    share = waiting.share_frac if waiting else 0.0
    work = (case.load_j * share).round().astype(int)
    total = int(work.sum())
    runs = (
        [
            run
            for run in product(range(total + 1), repeat=steps)
            if sum(run) == total and _allowed(run, work, case, waiting)
        ]
        if waiting
        else [tuple(work)]
    )
    best = np.inf
    for moves in product(range(-step, step + 1), repeat=steps):
        if sum(moves) or any(move > own for move, own in zip(moves, case.own_j, strict=True)):
            continue
        level = np.cumsum(moves)
        if level.max() - min(level.min(), 0) > capacity and np.ptp(np.concatenate([[0], level])) > capacity:
            continue
        for run in runs:
            load = case.load_j - work + np.array(run)
            grid = np.maximum(load + np.array(moves) - case.own_j, 0)
            best = min(best, float((grid * case.cost).sum()))
    return best


def _allowed(run: tuple[int, ...], work: np.ndarray, case: Hours, waiting: Waiting) -> bool:
    """Tell whether no work runs before it comes, none waits too long, and the site holds its power."""
    done, come = np.cumsum(run), np.cumsum(work)
    late = np.concatenate([np.zeros(min(waiting.steps, len(work)), int), come[: -waiting.steps or None]])[: len(work)]
    power = case.load_j - work + np.array(run)
    return bool((done <= come).all() and (done >= late).all() and (power <= max(waiting.most_j, 0)).all())


def small(seed: int, steps: int) -> Hours:
    generator = np.random.default_rng(seed)
    return hours(
        (2 * generator.integers(0, 3, steps)).tolist(),
        generator.integers(0, 5, steps).tolist(),
        generator.integers(1, 9, steps).tolist(),
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_that_of_brute_force(seed: int) -> None:
    case = small(seed, 5)
    battery = Battery(capacity_j=3.0, step_j=2.0, efficiency_frac=1.0)
    waiting = Waiting(share_frac=0.5, steps=2, most_j=8.0)
    for store, queue in ((battery, None), (None, waiting), (battery, waiting)):
        least = brute_force(case, store, queue)
        assert cost_of(case, dispatch(case, store, queue)) == pytest.approx(least, rel=1e-3, abs=1e-3)


def test_losses_are_paid_and_known_by_hand() -> None:
    case = hours([0, 10], [10, 0], [1, 1])
    lossy = dispatch(case, Battery(capacity_j=100, step_j=100, efficiency_frac=0.81))
    assert lossy.grid_j.tolist() == pytest.approx([0, 10 - 8.1])
    assert lossy.level_j.max() == pytest.approx(9.0)  # each way takes the root
    assert dispatch(case, Battery(capacity_j=100, step_j=4, efficiency_frac=1.0)).grid_j[1] == pytest.approx(6.0)
    assert dispatch(case, Battery(capacity_j=3, step_j=9, efficiency_frac=1.0)).grid_j[1] == pytest.approx(7.0)


def test_work_waits_for_the_clean_hour_and_no_longer_than_it_may() -> None:
    case = hours([10, 0, 0, 0], [0, 0, 0, 0], [9, 5, 3, 1])
    for steps, hour in ((1, 1), (2, 2), (3, 3), (50, 3)):
        load = dispatch(case, None, Waiting(share_frac=1.0, steps=steps, most_j=10)).load_j
        assert load.tolist() == pytest.approx([10.0 if place == hour else 0.0 for place in range(4)], abs=1e-6)
    half = dispatch(case, None, Waiting(share_frac=1.0, steps=3, most_j=5)).load_j
    assert half.tolist() == pytest.approx([0, 0, 5, 5], abs=1e-6)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Hours, Battery, Waiting]:
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    steps = draw(st.sampled_from([2, 7, 24, 48]))
    case = Hours(
        load_j=generator.uniform(0.1, 2, steps) * draw(st.sampled_from([1.0, 1e9])),
        own_j=np.maximum(generator.normal(0.8, 1, steps), 0),
        cost=generator.uniform(0, 1e-7, steps),
    )
    scale = float(case.load_j.mean())
    case = Hours(load_j=case.load_j, own_j=case.own_j * scale, cost=case.cost)
    capacity = draw(st.floats(0.01, 20)) * scale
    battery = Battery(capacity_j=capacity, step_j=capacity / 4, efficiency_frac=draw(st.floats(0.5, 1.0)))
    most = float(case.load_j.max()) * draw(st.floats(1.0, 2.0))
    return case, battery, Waiting(share_frac=draw(st.floats(0.01, 1)), steps=draw(st.integers(1, 30)), most_j=most)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_more_freedom_is_never_worse_and_energy_adds_up(found: tuple[Hours, Battery, Waiting]) -> None:
    case, battery, waiting = found
    nothing, stored, waited, both = (
        dispatch(case, *pair) for pair in ((None, None), (battery, None), (None, waiting), (battery, waiting))
    )
    least = cost_of(case, nothing)
    slack = 3e-4 * case.cost.mean() * case.load_j.sum()  # what the tie breakers may cost a case with two freedoms
    for schedule in (stored, waited, both):
        assert cost_of(case, schedule) <= least * (1 + 1e-6) + 1e-9 * slack
    assert cost_of(case, both) <= min(cost_of(case, stored), cost_of(case, waited)) + slack
    scale = float(case.load_j.mean())
    for schedule in (stored, waited, both):
        _check_physics(case, schedule, battery, waiting, scale)


def _check_physics(case: Hours, schedule: Dispatch, battery: Battery, waiting: Waiting, scale: float) -> None:
    close = {"rtol": 1e-6, "atol": 1e-6 * scale}
    supply = case.own_j + schedule.grid_j + schedule.discharge_j
    assert (supply - schedule.load_j - schedule.charge_j >= -1e-6 * scale).all()
    assert (schedule.charge_j <= case.own_j + 1e-6 * scale).all()
    root = battery.efficiency_frac**0.5
    gained = schedule.charge_j * root - schedule.discharge_j / root
    np.testing.assert_allclose(schedule.level_j - np.roll(schedule.level_j, 1), gained, **close)
    assert (schedule.level_j <= battery.capacity_j * (1 + 1e-6)).all()
    np.testing.assert_allclose(schedule.load_j.sum(), case.load_j.sum(), **close)
    assert (np.cumsum(schedule.load_j - case.load_j) <= 1e-5 * scale).all()  # nothing runs before it is asked for
    assert (schedule.load_j <= waiting.most_j * (1 + 1e-6)).all()


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_hourly_share_is_at_most_the_annual_one(found: tuple[Hours, Battery, Waiting]) -> None:
    case, battery, waiting = found
    annual = case.own_j.sum() / case.load_j.sum()
    for pair in ((None, None), (battery, None), (None, waiting), (battery, waiting)):
        schedule = dispatch(case, *pair)
        assert 1 - schedule.grid_j.sum() / schedule.load_j.sum() <= annual + 1e-6
    shares = matched_by_period(case.load_j, case.own_j, 3600.0)
    as_it_comes = np.minimum(case.own_j, case.load_j).sum() / case.load_j.sum()
    assert shares["hour"] == pytest.approx(as_it_comes)
    assert shares["hour"] <= shares.get("day", 1.0) + 1e-12
    assert shares["hour"] <= shares["whole time"] + 1e-12
    assert shares["whole time"] == pytest.approx(min(annual, 1.0))
