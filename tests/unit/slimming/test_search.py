"""Proposals are widths on a grid, seeded, and drawn to what fared well; the clock keeps time for the end."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable

import pytest

from twentywatts.slimming.searching import sampler
from twentywatts.slimming.searching.clock import Clock
from twentywatts.slimming.searching.sampler import GRAIN, LARGEST, Sampler, make_sampler

NAMES = ("a", "b", "c")


def simple(seed: int) -> Sampler:
    return sampler._Steps(names=NAMES, draw=random.Random(seed))


MAKERS = [
    simple,
    pytest.param(
        lambda seed: make_sampler(NAMES, seed=seed),
        marks=pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs optuna"),
    ),
]


def far(cuts: dict[str, float]) -> float:
    return sum(abs(share - 0.75) for share in cuts.values())


@pytest.mark.parametrize("make", MAKERS)
def test_proposals_are_on_the_grid_and_the_same_for_the_same_seed(make: Callable[[int], Sampler]) -> None:
    runs = []
    for _ in range(2):
        found = make(3)
        runs.append([])
        for _ in range(12):
            cuts = found.propose()
            found.learn(cuts, far(cuts))
            runs[-1].append(cuts)
    assert runs[0] == runs[1]
    for cuts in runs[0]:
        assert set(cuts) == set(NAMES)
        assert all(0 <= share <= LARGEST and share / GRAIN == round(share / GRAIN) for share in cuts.values())


@pytest.mark.parametrize("make", MAKERS)
def test_what_fared_well_is_proposed_more(make: Callable[[int], Sampler]) -> None:
    found = make(0)
    distances = []
    for _ in range(40):
        cuts = found.propose()
        distances.append(far(cuts))
        found.learn(cuts, far(cuts))
    assert sum(distances[-10:]) < sum(distances[:10])


def test_a_budget_keeps_time_for_the_end_and_for_other_machines() -> None:
    now = [100.0]
    clock = Clock(budget_s=100.0, now=lambda: now[0])
    both = Clock(budget_s=100.0, now=lambda: now[0], asks_others=True)
    assert 0 < both.left_s < clock.left_s < 100
    now[0] += 90
    assert (clock.is_over, clock.is_overdrawn) == (True, False)
    now[0] += 20
    assert clock.is_overdrawn
    assert both.others_s == 0
    assert Clock(budget_s=100.0, spent_s=100.0).is_over
    assert Clock(budget_s=0.0).left_s == 0


def test_what_the_end_will_take_is_kept_for_it_more_on_a_busy_machine() -> None:
    now, cpu = [0.0], [0.0]
    clock = Clock(budget_s=1000.0, now=lambda: now[0], cpu_now=lambda: cpu[0])
    now[0], cpu[0] = 10.0, 10.0
    usual_s = clock.left_s
    clock.expected_s.update({"guard": 40.0, "timing": 20.0})
    assert usual_s - clock.left_s == pytest.approx(60.0 - 15.0)
    cpu[0] = 5.0  # half of the time others had the machine
    assert usual_s - clock.left_s == pytest.approx(120.0 - 15.0)
    clock.expected_s["guard"] = 1e6
    assert clock.left_s > 500.0  # a search that tries nothing finds nothing


def test_what_can_be_trained_keeps_time_for_smaller_architectures_and_advice_never_more_than_is_left() -> None:
    now = [0.0]
    plain, trains = (Clock(budget_s=100.0, now=lambda: now[0], trains=trains) for trains in (False, True))
    assert trains.left_s == pytest.approx(plain.left_s - 5.0)
    now[0] = 95.0
    assert plain.advice_s == pytest.approx(5.0)
    now[0] = 200.0
    assert plain.advice_s == 0


def test_told_to_end_once_the_rest_is_left_out_and_told_twice_all_ends() -> None:
    told: list[str] = []
    clock = Clock(budget_s=100.0, stopping=lambda: told.append("stopping"))
    tries: list[bool] = []

    def interrupted() -> str:
        tries.append(clock.stop.is_set())
        if len(tries) == 1:
            raise KeyboardInterrupt
        return "brief"

    assert clock.unless_stopped(lambda: "whole") == "whole"
    assert clock.kept_on(interrupted) == "brief"
    assert (tries, told, clock.left_s, clock.is_overdrawn) == ([False, True], ["stopping"], 0.0, True)
    assert clock.unless_stopped(lambda: "more") is None

    def again() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clock.kept_on(again)
