"""Every built-in pricer keeps the contract, on fakes and on every bundled machine; the contract finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from twentywatts.machines import FAMILIES, bundled_names, load
from twentywatts.plugins import find
from twentywatts.price.costs import Costs
from twentywatts.testing import check_pricer, fake_machine, fake_workload

PRICED = [name for name in bundled_names() if not load(name).refused]


def pricer_of(family: str) -> Any:
    pricer = find("pricers", type(fake_workload(family)).__name__)
    assert pricer is not None
    return pricer


@pytest.mark.parametrize("family", FAMILIES)
def test_a_built_in_pricer_keeps_the_contract(family: str) -> None:
    check_pricer(pricer_of(family), fake_workload(family), fake_machine(family))


@pytest.mark.parametrize("name", PRICED)
def test_it_does_so_on_every_machine(name: str) -> None:
    machine = load(name)
    check_pricer(pricer_of(machine.family), fake_workload(machine.family), machine)


Spoil = Callable[[Costs], Any]
SPOILED: dict[str, tuple[Spoil, str]] = {
    "a bare number": (lambda costs: 3.0, "returns Costs"),
    "negative energy": (lambda c: replace(c, energy_j={k: -v for k, v in c.energy_j.items()}), "not negative"),
    "no time": (lambda costs: replace(costs, latency_s=costs.latency_s * 0), "time is finite and not 0"),
    "a bad shape": (lambda c: replace(c, energy_j={k: v[:1] for k, v in c.energy_j.items()}), "has shape"),
    "the same part twice": (lambda costs: replace(costs, parts=("one", "one")), "each once"),
    "no citation": (lambda costs: replace(costs, used={}), "'used' names the figures"),
    "chance": (lambda c: replace(c, energy_j={k: v * np.random.rand() for k, v in c.energy_j.items()}), "same call"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_the_contract_finds_what_is_wrong(case: str) -> None:
    spoil, words = SPOILED[case]
    honest = pricer_of("processor")
    with pytest.raises(AssertionError, match=words):
        check_pricer(lambda *given: spoil(honest(*given)), fake_workload("processor"), fake_machine("processor"))


def test_a_pricer_that_changes_the_workload_is_found() -> None:
    honest = pricer_of("processor")

    def greedy(workload: Any, *given: Any) -> Costs:
        workload.mac_count[:] *= 2
        costs: Costs = honest(workload, *given)
        return costs

    with pytest.raises(AssertionError, match="not changed"):
        check_pricer(greedy, fake_workload("processor"), fake_machine("processor"))
