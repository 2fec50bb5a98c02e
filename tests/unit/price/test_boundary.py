"""Boundaries: what each adds, by hand; the wider one is never the cheaper one; nothing is left out in silence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from twentywatts.figures import Evidence, load_figures
from twentywatts.ledger import Cause, Ledger
from twentywatts.machines import Machine, bundled_names, load
from twentywatts.price import price
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import BrainWorkload, ProcessorWorkload, SpikingWorkload, Workload

MID = Scenario(draws=0)
FIGURES = load_figures("boundaries")
PRICED = [
    name for name in bundled_names() if load(name).family in ("processor", "neuromorphic") and not load(name).refused
]


def processor_work() -> ProcessorWorkload:
    one = np.ones(1)
    return ProcessorWorkload(
        layers=("fc",),
        mac_count=one * 1e7,
        op_count=one * 1e3,
        weight_bytes=one * 1e6,
        input_bytes=one * 1e3,
        output_bytes=one * 1e3,
        kernel_count=one,
    )


def spiking_work() -> SpikingWorkload:
    steps = np.ones((1, 4))
    return SpikingWorkload(
        layers=("fc",),
        timesteps=4,
        neuron_count=np.array([10.0]),
        fan_in_count=np.array([100.0]),
        weight_count=np.array([1000.0]),
        synapse_count=np.array([1000.0]),
        shared_weights=(False,),
        synaptic_events=steps * 100,
        updates=steps * 10,
        spikes=steps * 2,
        spikes_in=steps * 10,
        mac_count=np.zeros(1),
        op_count=np.zeros(1),
    )


def work_for(machine: Machine) -> Workload:
    return processor_work() if machine.family == "processor" else spiking_work()


def account(name: str, boundary: Boundary, *, rate_per_s: float | None = None, draws: int = 0) -> Ledger:
    machine = load(name)
    return price(work_for(machine), machine, Scenario(boundary=boundary, rate_per_s=rate_per_s, draws=draws))


def part(ledger: Ledger, name: str) -> float:
    return sum(entry.energy_j.mid for entry in ledger.entries if entry.part == name)


@pytest.mark.parametrize("rate_per_s", [None, 1.0])
@pytest.mark.parametrize("name", PRICED)
def test_a_wider_boundary_never_costs_less_in_any_draw(name: str, rate_per_s: float | None) -> None:
    accounts = [account(name, boundary, rate_per_s=rate_per_s, draws=100) for boundary in Boundary]
    for narrow, wide in pairwise(accounts):
        assert np.all(wide.energy_j.values >= narrow.energy_j.values * (1 - 1e-12))
    assert accounts[-1].energy_j.mid > accounts[0].energy_j.mid


def test_a_board_is_a_share_of_its_chip() -> None:
    chip, device = account("loihi", Boundary.CHIP), account("loihi", Boundary.DEVICE)
    share = FIGURES["board_overhead_frac"].value
    assert part(device, "board") == pytest.approx(share * chip.energy_j.mid)
    assert device.energy_j.mid == pytest.approx((1 + share) * chip.energy_j.mid)


def test_a_published_host_is_charged_for_busy_time_or_for_the_period() -> None:
    host_w = load("h100-sxm").figures["host_power_w"].value
    busy = account("h100-sxm", Boundary.SYSTEM)
    kept = account("h100-sxm", Boundary.SYSTEM, rate_per_s=2.0)
    assert part(busy, "host") == pytest.approx(host_w * busy.latency_s.mid)
    assert part(kept, "host") == pytest.approx(host_w * 0.5)


def test_each_unit_that_shares_a_load_keeps_its_host() -> None:
    latency_s = account("h100-sxm", Boundary.SYSTEM).latency_s.mid
    rate = 1.5 / latency_s
    ledger = account("h100-sxm", Boundary.SYSTEM, rate_per_s=rate)
    assert part(ledger, "host") == pytest.approx(load("h100-sxm").figures["host_power_w"].value * 2 / rate)


def test_a_chip_without_a_published_host_gets_a_guessed_one() -> None:
    ledger = account("loihi", Boundary.SYSTEM, rate_per_s=2.0)
    assert part(ledger, "host") == pytest.approx(FIGURES["embedded_host_power_w"].value * 0.5)


def test_a_facility_cools_everything_within() -> None:
    system, facility = account("h100-sxm", Boundary.SYSTEM), account("h100-sxm", Boundary.FACILITY)
    share = FIGURES["facility_overhead_frac"].value
    assert facility.energy_j.mid == pytest.approx((1 + share) * system.energy_j.mid)
    assert facility.by_cause()[Cause.COOLING].mid == pytest.approx(share * system.energy_j.mid)


def test_what_is_added_is_guessed_wide_and_says_so() -> None:
    ledger = account("loihi", Boundary.FACILITY, draws=500)
    added = [entry for entry in ledger.entries if entry.part in ("board", "host", "facility")]
    assert [entry.scope for entry in added] == [Boundary.DEVICE, Boundary.SYSTEM, Boundary.FACILITY]
    for entry in added:
        assert entry.evidence is Evidence.GUESSED
        assert entry.note
        assert entry.energy_j.interval.high > 3 * entry.energy_j.interval.low
    assert ledger.evidence is Evidence.GUESSED
    guessed = sum(entry.energy_j.mid for entry in ledger.entries if entry.evidence is Evidence.GUESSED)
    assert ledger.guessed_frac == pytest.approx(guessed / ledger.energy_j.mid)
    assert "twentywatts" in ledger.sources


@pytest.mark.parametrize("boundary", list(Boundary))
def test_what_lies_outside_is_named(boundary: Boundary) -> None:
    ledger = account("loihi", boundary)
    outside = [text for text in ledger.not_covered if text.startswith("outside the boundary")]
    assert len(outside) == 3 - boundary.rank


def test_figures_of_a_device_cannot_be_narrowed_to_a_chip() -> None:
    ledger = account("h100-sxm", Boundary.CHIP)
    assert ledger.boundary is Boundary.DEVICE
    assert any("cannot be narrowed to the chip" in note for note in ledger.notes)
    assert ledger.energy_j.mid == account("h100-sxm", Boundary.DEVICE).energy_j.mid


def test_a_chip_that_publishes_its_whole_device_gets_no_board() -> None:
    machine = replace(load("loihi"), boundary=Boundary.DEVICE)
    assert part(price(spiking_work(), machine, MID), "board") == 0


def test_shares_of_two_machines_cancel_in_their_ratio() -> None:
    scenario = Scenario(boundary=Boundary.FACILITY)
    loihi, slow = load("loihi"), replace(load("loihi"))
    ratio = price(spiking_work(), loihi, scenario).ratio(price(spiking_work(), slow, scenario)).interval
    assert (ratio.low, ratio.high) == pytest.approx((1, 1))


def test_a_brain_has_no_board_and_no_building() -> None:
    ledger = price(BrainWorkload(time_s=1.0), load("human-brain"), replace(MID, boundary=Boundary.FACILITY))
    assert ledger.energy_j.mid == pytest.approx(load("human-brain").figures["power_w"].value)
