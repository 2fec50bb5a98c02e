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
    assert Clock(budget_s=100.0, spent_s=100.0).is_over
    assert Clock(budget_s=0.0).left_s == 0
