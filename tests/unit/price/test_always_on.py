"""Average power over the rate: what pricing at each rate gives, and what waiting for events changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.example_comparison import fake_machine, processor_workload, spiking_workload

from twentywatts.machines import Machine
from twentywatts.price import price
from twentywatts.price.always_on import Standby, power_w, standby
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import Workload

CPU, SPIKES = fake_machine("processor", "cpu"), fake_machine("neuromorphic", "spikes")
CASES: list[tuple[Machine, Workload]] = [(CPU, processor_workload()), (SPIKES, spiking_workload())]


@pytest.mark.parametrize(("machine", "workload"), CASES)
@pytest.mark.parametrize("boundary", list(Boundary))
@settings(max_examples=12, deadline=None)
@given(busy=st.floats(1e-4, 30.0), duty=st.floats(0.001, 1.0), batch=st.integers(1, 64))
def test_the_power_is_what_pricing_at_that_rate_gives(
    machine: Machine, workload: Workload, boundary: Boundary, *, busy: float, duty: float, batch: int
) -> None:
    """``busy``: share of one unit's time, also where several units share the load."""
    scenario = Scenario(boundary=boundary, draws=20, batch=batch)
    found = standby(workload, machine, scenario)
    rate = busy / found.busy_s[0]
    ledger = price(workload, machine, replace(scenario, rate_per_s=rate, duty_frac=duty))
    expected = ledger.energy_j.values * rate * duty
    assert power_w(found, np.array([rate]), duty_frac=duty)[0] == pytest.approx(expected, rel=1e-5)


def test_what_takes_for_ever_still_has_a_power() -> None:
    slow = replace(spiking_workload(), synaptic_events=spiking_workload().synaptic_events * 1e3)
    machine = fake_machine("neuromorphic", "slow")
    figures = {**machine.figures, "step_overhead_s": replace(machine.figures["step_overhead_s"], value=1e7, high=2e7)}
    found = standby(slow, replace(machine, figures=figures), Scenario(draws=3))
    assert (found.waiting_w > 0).all()


def test_many_rates_are_many_single_rates() -> None:
    found = standby(*reversed(CASES[0]), Scenario(draws=5))
    rates = np.array([0.1, 1e3, 1e5])
    together = power_w(found, rates)
    assert together.shape == (3, 6)
    for rate, row in zip(rates, together, strict=True):
        assert (power_w(found, np.array([rate]))[0] == row).all()


def test_only_a_machine_that_waits_for_events_works_less_when_little_happens() -> None:
    one = np.ones(3)
    clocked = Standby(active_j=one, waiting_w=one * 0.01, busy_s=one * 1e-3)
    waiting = replace(clocked, waits_for_events=True)
    rates = np.array([1.0, 100.0])
    assert (power_w(clocked, rates, events_per_s=2.0) == power_w(clocked, rates)).all()
    assert (power_w(waiting, rates, events_per_s=2.0) == power_w(waiting, np.array([1.0, 2.0]))).all()


def test_the_trait_tells_who_waits_for_events() -> None:
    event = replace(SPIKES, traits={**SPIKES.traits, "neuron_update": "event"})
    assert standby(spiking_workload(), event, Scenario(draws=0)).waits_for_events
    assert not standby(spiking_workload(), SPIKES, Scenario(draws=0)).waits_for_events


def test_a_machine_asleep_half_the_time_draws_its_waiting_power_then() -> None:
    found = standby(spiking_workload(), SPIKES, Scenario(draws=0))
    rate = np.array([0.5 / found.busy_s[0]])
    half, whole = (power_w(found, rate, duty_frac=duty)[0, 0] for duty in (0.5, 1.0))
    assert half == pytest.approx(0.5 * whole + 0.5 * found.waiting_w[0])
