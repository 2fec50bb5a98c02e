"""The price of spikes against published measurements, and what must hold for any counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.errors import RefusedError
from twentywatts.ledger import Cause
from twentywatts.machines import Machine, load
from twentywatts.price.accounting import costs_of, price
from twentywatts.price.costs import Costs
from twentywatts.price.mapping import Capacity, capacity_of, place
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import SpikingWorkload

MID = Scenario(draws=0)
PRICED = ("truenorth", "loihi", "spinnaker", "spinnaker2", "odin", "speck")


def dense(sizes: list[int], *, rate: float = 0.1, timesteps: int = 10) -> SpikingWorkload:
    """A fully connected network whose neurons all spike at ``rate`` per step."""
    fan_in, neurons = np.array(sizes[:-1], dtype=float), np.array(sizes[1:], dtype=float)
    arriving = fan_in[:, None] * rate * np.ones((1, timesteps))
    return SpikingWorkload(
        layers=tuple(f"fc{index}" for index in range(len(neurons))),
        timesteps=timesteps,
        neuron_count=neurons,
        fan_in_count=fan_in,
        weight_count=neurons * fan_in,
        synapse_count=neurons * fan_in,
        shared_weights=(False,) * len(neurons),
        synaptic_events=arriving * neurons[:, None],
        updates=np.repeat(neurons[:, None], timesteps, axis=1),
        spikes=np.repeat(neurons[:, None], timesteps, axis=1) * rate,
        spikes_in=arriving,
        mac_count=np.zeros(len(neurons)),
        op_count=np.zeros(len(neurons)),
    )


def convolution(*, side: int = 8, channels: int = 16, kernel: int = 9) -> SpikingWorkload:
    """One convolution layer of ``channels`` maps of side × side."""
    one = dense([kernel, side * side * channels])
    return replace(one, weight_count=np.array([float(kernel * channels)]), shared_weights=(True,))


def power_w(costs: Costs) -> float:
    return float(costs.total_j()[0] / costs.latency_s[0])


def test_loihi_keyword_spotting_is_what_its_board_was_measured_at() -> None:
    """Blouw 2018, Table 1: 297 inferences/s, 0.110 W, 372 µJ in all. The board's two figures come from this run."""
    costs = costs_of(dense([390, 256, 256, 29]), load("loihi"), MID)
    assert 1 / costs.latency_s[0] == pytest.approx(297, rel=0.01)
    assert costs.total_j()[0] == pytest.approx(372e-6, rel=0.01)
    assert power_w(costs) == pytest.approx(0.110, rel=0.02)


def test_loihi_events_alone_are_many_times_under_the_measured_total() -> None:
    costs = costs_of(dense([390, 256, 256, 29]), load("loihi"), MID)
    events = sum(costs.energy_j[cause].sum() for cause in (Cause.COMPUTE, Cause.COMMUNICATION))
    assert 50 < 372e-6 / events < 100


def test_loihi_event_figures_predict_an_independent_board() -> None:
    """Frady 2020, Table 2: 1.33 mJ of neuromorphic cores per query; 667-750 spikes × 76,800 neurons, 60 steps."""
    figures = load("loihi").figures
    idle = 76_800 * 60 * figures["neuron_idle_update_energy_j"].value
    low, high = (s * 76_800 * figures["synaptic_event_energy_j"].value + idle for s in (667, 750))
    assert low / 1.33e-3 > 0.8
    assert high / 1.33e-3 < 1.25


def test_truenorth_full_chip_draws_the_published_power() -> None:
    """Akopyan 2015: 65 mW (0.75 V); Merolla 2014: 72 mW (0.775 V); all cores, 20 Hz, 128 active synapses."""
    one = dense([128, 256], rate=0.02, timesteps=1000)
    full = replace(
        one,
        neuron_count=one.neuron_count * 4096,
        weight_count=one.weight_count,
        synaptic_events=one.synaptic_events * 4096,
        spikes=one.spikes * 4096,
        spikes_in=one.spikes_in * 4096,
        updates=one.updates * 4096,
        shared_weights=(True,),
    )
    costs = costs_of(full, load("truenorth"), MID)
    assert costs.chip_count == 1
    assert costs.latency_s[0] == pytest.approx(1.0)
    assert 0.065 * 0.95 < power_w(costs) < 0.072 * 1.05


def test_odin_at_full_rate_draws_the_published_power() -> None:
    """Frenkel 2019, Section IV-A: 477 µW at 75 MHz and 37.5 million synaptic operations per second."""
    one = dense([256, 256], rate=1.0)
    costs = costs_of(replace(one, updates=one.updates * 0), load("odin"), MID)
    assert power_w(costs) == pytest.approx(477e-6, rel=0.02)


def test_odin_bills_a_whole_row_per_spike() -> None:
    narrow, wide = (costs_of(dense([256, size]), load("odin"), MID) for size in (10, 256))
    assert narrow.energy_j[Cause.COMPUTE].sum() > 0.9 * wide.energy_j[Cause.COMPUTE].sum()


def test_spinnaker2_at_rest_draws_its_sleeping_power() -> None:
    quiet = dense([100, 1], rate=0.0)
    assert power_w(costs_of(quiet, load("spinnaker2"), MID)) == pytest.approx(0.2354, rel=0.01)


def test_a_tick_holds_the_time_whatever_the_load() -> None:
    busy, calm = (costs_of(dense([200, 200], rate=rate), load("truenorth"), MID) for rate in (0.5, 0.01))
    assert busy.latency_s[0] == calm.latency_s[0] == pytest.approx(0.010)
    assert busy.bound == "time step"


@pytest.mark.parametrize("name", ["truenorth", "odin"])
def test_a_layer_with_too_many_inputs_is_refused_by_name(name: str) -> None:
    with pytest.raises(RefusedError, match="layer 'fc0' has 390 inputs"):
        costs_of(dense([390, 256]), load(name), MID)


@pytest.mark.parametrize("name", ["loihi2", "akida", "xylo-audio2", "northpole"])
def test_a_chip_without_published_energies_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(RefusedError, match="energy per"):
        price(dense([10, 10]), load(name), MID)


def test_the_busiest_core_is_named_with_its_load() -> None:
    """Two layers on one core each, 100 × 200 and 200 × 10 synapses at one rate: 20,000 against a mean of 11,000."""
    costs = costs_of(dense([100, 200, 10]), load("loihi"), MID)
    assert "busiest in layer 'fc0' with 1.8 times the mean load" in " ".join(costs.notes)


def test_speck_at_rest_and_at_work_draws_what_was_measured() -> None:
    """Yao 2024, Table 1: 0.42 mW at rest; 2.9 to 7.6 nJ per spike of 32 to 288 synapses."""
    speck = load("speck").figures
    assert speck["static_power_w"].value == pytest.approx(0.42e-3)
    per_spike = [each * speck["synaptic_event_energy_j"].value for each in (32, 288)]
    assert per_spike[0] < 2.9e-9
    assert per_spike[1] > 7.6e-9


def test_spinnaker_s_two_definitions_are_300_times_apart() -> None:
    figure = load("spinnaker").figures["synaptic_event_energy_j"]
    assert figure.value / 45e-12 == pytest.approx(296, rel=0.01)
    assert "marginal" in figure.condition


def test_parallel_branches_do_not_make_the_pipeline_longer() -> None:
    deep = dense([100, 100, 100, 100, 10])
    wide = replace(deep, depth_count=2)
    times = [costs_of(work, load("truenorth"), MID).latency_s[0] for work in (deep, wide)]
    assert times == [pytest.approx(0.013), pytest.approx(0.011)]


def test_one_chip_more_when_one_is_full() -> None:
    small, large = (costs_of(dense([100, size]), load("odin"), MID) for size in (256, 257))
    assert (small.chip_count, large.chip_count) == (1, 2)
    assert large.idle_power_w[0] == 2 * small.idle_power_w[0]
    assert any("links between chips" in text for text in large.not_covered)


def test_shared_kernels_need_fewer_cores_than_stored_synapses() -> None:
    shared = Capacity(machine="x", cores=100, neurons=1024, synapses=2000, inputs=None, shares_weights=True)
    stored = Capacity(machine="x", cores=100, neurons=1024, synapses=2000, inputs=None, shares_weights=False)
    assert place(convolution(), shared).cores[0] == 1  # 1,024 neurons, 144 weights
    assert place(convolution(), stored).cores[0] == np.ceil(1024 / (2000 // 9))


def test_input_axons_limit_the_positions_of_a_core() -> None:
    """TrueNorth: 256 axons, 144 inputs per position: one position of 16 channels per core."""
    placed = place(convolution(kernel=144), capacity_of(load("truenorth")))
    assert (placed.neurons_per_core[0], placed.cores[0]) == (16, 64)


def test_a_kernel_larger_than_a_core_is_split_by_channel_or_refused() -> None:
    small = Capacity(machine="x", cores=100, neurons=1024, synapses=100, inputs=None, shares_weights=True)
    assert place(replace(convolution(), neuron_count=np.array([16.0])), small).neurons_per_core[0] <= 16
    with pytest.raises(RefusedError, match="144 synapses"):
        place(convolution(kernel=144), small)


def test_binary_chips_pay_for_every_bit_of_a_graded_spike() -> None:
    plain = dense([100, 100])
    graded = replace(plain, graded_bits=4)
    for name, factor in (("loihi", 4), ("spinnaker2", 1)):
        first, second = (costs_of(w, load(name), MID).energy_j[Cause.COMPUTE][0, 0] for w in (plain, graded))
        updates = 1000 * load(name).figures["neuron_update_energy_j"].value
        assert (second - updates) == pytest.approx(factor * (first - updates))


def test_analog_input_is_priced_and_said() -> None:
    analog = replace(dense([100, 100]), mac_count=np.array([10_000.0]))
    costs = costs_of(analog, load("loihi"), MID)
    assert costs.energy_j[Cause.CONVERSION].sum() == pytest.approx(10_000 * 23.6e-12)
    assert any("analog first layer" in note for note in costs.notes)


def test_what_is_not_published_is_said() -> None:
    costs = costs_of(dense([100, 100]), load("spinnaker2"), MID)
    assert any("messages" in text for text in costs.not_covered)
    assert not costs_of(dense([100, 100]), load("truenorth"), MID).not_covered


def test_ledger_carries_sources_interval_and_idle_power() -> None:
    scenario = Scenario(rate_per_s=10, boundary=Boundary.CHIP)
    ledger = price(dense([390, 256, 256, 29]), load("loihi"), scenario)
    assert {"davies2018", "blouw2018", "frady2020"} <= set(ledger.sources)
    interval = ledger.energy_j.interval
    assert interval.low < interval.mid < interval.high
    assert ledger.by_part()["idle"].mid == pytest.approx(0.0296 * (0.1 - 1 / 297), rel=0.01)


def test_many_settings_at_once_give_what_each_gives_alone() -> None:
    single = [dense([50, 60, 10], rate=rate) for rate in (0.05, 0.2, 0.4)]
    names = "synaptic_events updates spikes spikes_in mac_count op_count".split()
    stacked = replace(single[0], **{name: np.stack([getattr(w, name) for w in single]) for name in names})
    for name in PRICED:
        together = costs_of(stacked, load(name), MID)
        for index, workload in enumerate(single):
            alone = costs_of(workload, load(name), MID)
            assert together.total_j()[index, 0] == pytest.approx(alone.total_j()[0])
            assert together.latency_s[index, 0] == pytest.approx(alone.latency_s[0])


def _priced(name: str, **options: float) -> tuple[Costs, Machine]:
    machine = load(name)
    return costs_of(dense([100, 80, 10], **options), machine, MID), machine  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(PRICED), rate=st.floats(0.0, 0.9), more=st.floats(0.0, 0.1))
def test_more_spikes_never_cost_less(name: str, rate: float, more: float) -> None:
    fewer, _ = _priced(name, rate=rate)
    many, _ = _priced(name, rate=rate + more)
    assert many.total_j()[0] >= fewer.total_j()[0] * (1 - 1e-12)
    assert many.latency_s[0] >= fewer.latency_s[0] * (1 - 1e-12)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(PRICED), batch=st.integers(1, 64))
def test_a_batch_is_one_inference_after_the_other(name: str, batch: int) -> None:
    workload = dense([100, 80, 10])
    one, many = (costs_of(workload, load(name), replace(MID, batch=size)) for size in (1, batch))
    assert many.latency_s[0] == pytest.approx(batch * one.latency_s[0])
    assert many.total_j()[0] == pytest.approx(one.total_j()[0])


@settings(max_examples=60, deadline=None)
@given(
    neurons=st.integers(1, 5000),
    fan_in=st.integers(1, 256),
    channels=st.integers(1, 64),
    shared=st.booleans(),
    name=st.sampled_from(PRICED),
)
def test_no_core_holds_more_than_it_can(neurons: int, fan_in: int, channels: int, shared: bool, name: str) -> None:
    capacity = capacity_of(load(name))
    one = replace(
        dense([fan_in, neurons], timesteps=1),
        weight_count=np.array([float(fan_in * channels)]),
        shared_weights=(shared,),
    )
    placed = place(one, capacity)
    held = float(placed.neurons_per_core[0])
    assert 1 <= held <= capacity.neurons
    assert placed.cores[0] * held >= neurons
    assert placed.chips * capacity.cores >= placed.core_total
    if not (shared and capacity.shares_weights):
        assert held * fan_in <= capacity.synapses
