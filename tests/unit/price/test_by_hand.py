"""Whole accounts added up by hand from what was counted and what is published, term by term; no code of the pricers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from twentywatts.ledger import Cause
from twentywatts.machines import load
from twentywatts.price import load_fitted, price
from twentywatts.price.accounting import costs_of
from twentywatts.price.mapping import capacity_of, place
from twentywatts.price.neuromorphic import activity_of
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import CrossbarWorkload, ProcessorWorkload, SpikingWorkload

MID = Scenario(draws=0, boundary=Boundary.CHIP)


def spiking() -> SpikingWorkload:
    """2,048 neurons on two cores of Loihi, each fed by 10 inputs that all spike; then 30 on a third; three steps."""
    steps = np.ones((1, 3))
    neurons, fan_in = np.array([2048.0, 30.0]), np.array([10.0, 2048.0])
    arriving = np.array([[10.0], [204.8]]) * steps
    return SpikingWorkload(
        layers=("wide", "out"),
        timesteps=3,
        neuron_count=neurons,
        fan_in_count=fan_in,
        weight_count=neurons * fan_in,
        synapse_count=neurons * fan_in,
        shared_weights=(False, False),
        synaptic_events=arriving * neurons[:, None],
        updates=neurons[:, None] / 2 * steps,
        spikes=np.array([[204.8], [3.0]]) * steps,
        spikes_in=arriving,
        mac_count=np.array([20_000.0, 0.0]),
        op_count=np.array([0.0, 7.0]),
    )


def test_an_inference_on_loihi() -> None:
    value = {key: figure.value for key, figure in load("loihi").figures.items()}
    costs = costs_of(spiking(), load("loihi"), MID)
    events = 3 * (10 * 2048 + 204.8 * 30)
    idle = 3 * (1024 + 15) + 2078  # and one more step until the last layer has seen what the first one sent
    compute_j = (events + 7) * value["synaptic_event_energy_j"] + 3 * 1039 * value["neuron_update_energy_j"]
    compute_j += idle * value["neuron_idle_update_energy_j"]
    messages = 3 * (10 * 2 + 204.8)  # every input spike goes to both cores of the first layer
    message_j = messages * (value["message_energy_j"] + 2 / 3 * value["hop_energy_j"])  # all on one tile
    # half of the first layer is the most that any core holds
    busy_s = 10 * 1024 * value["synaptic_event_time_s"] + 1024 * value["neuron_update_time_s"]
    busy_s += 102.4 * value["message_time_s"]
    time_s = value["inference_overhead_s"] + 10_000 * value["synaptic_event_time_s"]
    time_s += 3 * (busy_s + value["step_overhead_s"]) + value["step_overhead_s"]
    found = {cause: float(joules.sum()) for cause, joules in costs.energy_j.items()}
    assert costs.latency_s[0] == pytest.approx(time_s)
    assert found == pytest.approx(
        {
            Cause.COMPUTE: compute_j,
            Cause.COMMUNICATION: message_j,
            Cause.CONVERSION: 20_000 * value["synaptic_event_energy_j"],
            Cause.STATIC: (value["static_power_w"] + value["active_base_power_w"]) * time_s,
        }
    )


@pytest.mark.parametrize("side", [2, 4, 5])
def test_a_message_goes_as_far_as_two_random_tiles_of_a_square_are_apart(side: int) -> None:
    """Loihi: four cores a tile. A walk along rows and columns, all pairs of different tiles counted."""
    machine, cores = load("loihi"), 4 * side**2
    one = spiking()
    wide = SpikingWorkload(
        **{name: getattr(one, name) for name in one.__slots__}
        | {"neuron_count": np.array([1024.0 * (cores - 1), 30.0])}
    )
    capacity = capacity_of(machine)
    placement = place(wide, capacity)
    assert placement.core_total == cores
    hops = float(activity_of(wide, machine, placement, capacity).hops)
    tiles = list(product(range(side), repeat=2))
    apart = np.mean([abs(a - c) + abs(b - d) for (a, b), (c, d) in product(tiles, tiles) if (a, b) != (c, d)])
    assert hops == pytest.approx(apart, rel=0.01)


def crossbar(**changes: object) -> CrossbarWorkload:
    fields: dict[str, object] = {
        "layers": ("grouped",),
        "row_count": np.array([200.0]),
        "column_count": np.array([20.0]),
        "group_count": np.array([2.0]),
        "vector_count": np.array([3.0]),
        "active_frac": np.array([0.25]),
        "op_count": np.array([11.0]),
        "output_bytes": np.array([120.0]),
        "input_bits": 16,
        "weight_bits": 16,
        "dac_bits": 1,
        "cell_bits": 2,
        "adc_bits": 8,
    }
    return CrossbarWorkload(**(fields | changes))  # type: ignore[arg-type]


def test_two_groups_of_a_layer_on_isaac() -> None:
    """128 × 128 cells of two bits: 8 columns a weight, so two arrays high, two wide, for each of the two groups."""
    value = {key: figure.value for key, figure in load("isaac").figures.items()}
    costs = costs_of(crossbar(), load("isaac"), MID)
    drives, cells = 3 * 2 * 16 * 200 * 2, 3 * 2 * 16 * 200 * 160
    conversions = 3 * 2 * 16 * 2 * 160
    adds = 3 * 2 * 20  # of the lower array's sums to the upper's
    lit = 0.25 / 0.5
    compute_j = lit * (drives * value["row_drive_energy_j"] + cells * value["cell_read_energy_j"])
    compute_j += (11 + adds) * value["digital_op_energy_j"]
    read_bytes = 3 * 2 * 200 * 2 * 16 / 8  # inputs go to both arrays side by side
    sums_bytes = 2 * adds * (16 + 16 + 8) / 8  # written and read, 8 bits more for 200 summands
    time_s = 3 * 16 * max(value["array_read_time_s"], 128 * value["adc_time_s"])
    found = {cause: float(joules.sum()) for cause, joules in costs.energy_j.items()}
    assert costs.latency_s[0] == pytest.approx(time_s)
    assert found == pytest.approx(
        {
            Cause.COMPUTE: compute_j,
            Cause.CONVERSION: conversions * (value["adc_energy_j"] + value["shift_add_energy_j"]),
            Cause.MEMORY: (read_bytes + 120) * value["buffer_energy_j_per_byte"],
            Cause.COMMUNICATION: sums_bytes * value["buffer_energy_j_per_byte"],
            Cause.STATIC: value["static_power_w"] * time_s,
        }
    )


def test_what_does_not_fit_a_digital_macro_is_read_and_written_once_a_batch() -> None:
    """Four arrays' worth of 4-bit weights for one array of 256 × 256 bits, and inputs of 8 bits: two passes of four."""
    value = {key: figure.value for key, figure in load("dimc-22nm").figures.items()}
    sizes = {"row_count": np.array([256.0]), "column_count": np.array([128.0]), "vector_count": np.array([5.0])}
    bits = {"input_bits": 8, "weight_bits": 4, "cell_bits": 1, "adc_bits": 0}
    one, many = (
        costs_of(crossbar(**sizes, **bits), load("dimc-22nm"), Scenario(draws=0, boundary=Boundary.CHIP, batch=batch))
        for batch in (1, 10)
    )
    macs, weights = 5 * 2 * 256 * 128, 2 * 256 * 128
    reload_j = 4 * weights * value["cell_write_energy_j"] + weights / 2 * value["offchip_energy_j_per_byte"]
    buffers_j = (5 * 2 * 256 * 2 + 120) * value["buffer_energy_j_per_byte"]
    assert one.energy_j[Cause.MEMORY].sum() == pytest.approx(buffers_j + reload_j)
    assert many.energy_j[Cause.MEMORY].sum() == pytest.approx(buffers_j + reload_j / 10)
    assert one.energy_j[Cause.COMPUTE].sum() == pytest.approx(
        macs * 2 * value["digital_mac_energy_j"] + 11 * value["digital_op_energy_j"]
    )


def test_the_model_error_holds_for_seconds_as_for_joules() -> None:
    one = np.ones(1)
    work = ProcessorWorkload(
        layers=("fc",), mac_count=one * 1e9, op_count=one, weight_bytes=one * 1e6, input_bytes=one, output_bytes=one,
        kernel_count=one,
    )  # fmt: skip
    ledger, error = price(work, load("h100-sxm"), Scenario()), load_fitted("processor").model_error
    assert ledger.latency_s.interval.high / ledger.latency_s.mid > error.high * 0.9
    together = np.corrcoef(np.log(ledger.latency_s.values), np.log(ledger.energy_j.values))[0, 1]
    assert together > 0.5  # one multiplier for both
