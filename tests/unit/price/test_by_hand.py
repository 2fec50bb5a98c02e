"""Whole accounts added up by hand from what was counted and what is published, term by term; no code of the pricers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from twentywatts.counting.diffusion import DiffusionUse, diffusion_workload
from twentywatts.figures import load_figures
from twentywatts.ledger import Cause
from twentywatts.machines import load
from twentywatts.price import load_fitted, price
from twentywatts.price.accounting import costs_of
from twentywatts.price.decoder_step import NAMES, Setting, step
from twentywatts.price.decoder_work import PassWork, rates_of
from twentywatts.price.diffusion import (
    DIFFUSION_NAMES,
    DrawingWork,
    diffusion_constants,
    diffusion_price,
    drawing_work,
)
from twentywatts.price.mapping import Capacity, capacity_of, place
from twentywatts.price.neuromorphic import activity_of
from twentywatts.readers.diffusions import load_diffusion
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import CrossbarWorkload, ProcessorWorkload, SpikingWorkload
from twentywatts.workload_crossbar import ArrayShape, tile

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


@pytest.mark.parametrize(
    ("shares", "held"),
    [
        (True, 30),  # 27 inputs let in 3 positions of 9; 90 synapses hold the kernels of 10 of the 16 channels: 3 × 10
        (False, 10),  # a synapse each: 90 of them are 10 neurons
    ],
)
def test_a_core_holds_positions_times_kernels_or_neurons_with_synapses_of_their_own(shares: bool, held: int) -> None:
    one = spiking()
    changed = {"fan_in_count": np.array([9.0, 9.0]), "weight_count": np.array([144.0, 144.0])}
    fields = {name: getattr(one, name) for name in one.__slots__} | changed | {"shared_weights": (True, True)}
    capacity = Capacity(machine="m", cores=16, neurons=1024, synapses=90, inputs=27, shares_weights=shares)
    placement = place(SpikingWorkload(**fields), capacity)
    assert placement.neurons_per_core.tolist() == [held, min(held, 30)]
    assert placement.cores.tolist() == [-(-2048 // held), -(-30 // held)]
    assert placement.chips == -(-placement.cores.sum() // 16)


@pytest.mark.parametrize("name", ["tpu-v4", "jetson-orin"])
def test_a_server_that_nobody_published_is_a_share_of_its_chip(name: str) -> None:
    one = np.ones(1)
    work = ProcessorWorkload(
        layers=("fc",), mac_count=one * 1e9, op_count=one, weight_bytes=one * 1e6, input_bytes=one, output_bytes=one,
        kernel_count=one,
    )  # fmt: skip
    device, system = (
        price(work, load(name), Scenario(draws=0, boundary=boundary)) for boundary in (Boundary.DEVICE, Boundary.SYSTEM)
    )
    share = load_figures("boundaries")["server_overhead_frac"].value
    assert system.energy_j.mid == pytest.approx(device.energy_j.mid * (1 + share))
    assert system.by_cause()[Cause.HOST].mid == pytest.approx(device.energy_j.mid * share)


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


def nothing(names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {name: np.zeros(1) for name in names}


def test_one_step_of_a_routed_model_in_eight_bits() -> None:
    """Four chips; every term has a number of its own, so that none can stand for another."""
    names = tuple(PassWork.__slots__)
    told = {"dense_s": 1.0, "expert_s": 2.0, "cache_s": 3.0, "dense_flop_s": 0.5, "expert_flop_s": 0.7, "link_s": 0.11}
    told |= {"moved_bytes": 100.0, "expert_bytes": 60.0, "flop_count": 70.0, "link_bytes": 80.0, "padded_s": 0.9}
    told |= {"touched_frac": 0.36, "heads_ratio": 4.0, "layer_count": 10.0, "expert_layer_count": 6.0}
    told |= {"round_count": 5.0, "is_narrow": 1.0, "padded_flop_count": 30.0}
    work = PassWork(**(nothing(names) | {name: np.array([value]) for name, value in told.items()}))
    constants = (0.8, 0.5, 0.25, 0.6, 0.5, 0.4, 0.7, 0.9, 0.3, 0.55, 2.0, 0.5, 0.01, 0.02, 0.03, 0.45, 0.04, 0.05)
    constants += (0.65, 0.06, 0.07, 0.08, 0.15, 0.05, 1e-3, 2e-3, 3e-3)
    k = dict(zip(NAMES, constants, strict=True))
    setting = Setting(chip_count=4.0, power_w=100.0, groups=2.0, batch=3.0, contention=2.0)
    found = step(work, setting, k, prefill=False)
    ratio = (1 - 0.64**0.5) / 0.36  # touched: a fifth of the experts, not 36 %
    memory_s = 1 / 0.8 + 2 * ratio / (0.5 * 0.25) + 3 / 0.6 * 4**0.5
    compute_s = 1.2 / 0.4
    launch_s = 10 * 0.01 + 6 * (0.02 + 0.03 + 2 * 0.05) + 5 * 2 * 0.04 + 0.11 / 0.65
    busy_s = (memory_s**2 + compute_s**2) ** 0.5 + launch_s + 0.9 / 0.45
    waiting_s = 2 * (0.06 + 3 * 0.07)
    assert found.time_s == pytest.approx(busy_s + waiting_s)
    joules = 400 * (0.15 * busy_s + 0.05 * waiting_s) + (100 + 60 * ratio) * 1e-3 + (70 + 30) * 2e-3 + 80 * 3e-3
    limit_j = 400 * (busy_s + waiting_s)
    assert found.energy_j == pytest.approx((joules**-4 + limit_j**-4) ** -0.25)
    first = step(
        work, setting, k, prefill=True
    )  # every expert counted is read, no rows fill tiles, the host works once
    memory_s = 1 / 0.8 + 2 / (0.5 * 0.25) + 3 / 0.6 * 4**0.5
    compute_s = (0.5 + 0.7 / (0.9 * 0.3)) / (0.7 * 0.55)
    assert first.busy_s == pytest.approx((memory_s**2 + compute_s**2) ** 0.5 + launch_s)
    assert first.waiting_s == pytest.approx(2 * 3 * 0.08)


def test_an_image_of_three_parts_on_two_chips() -> None:
    """Denoising is shared by the chips; the prompt is read and the pixels are made by one while the other waits."""
    work = DrawingWork(
        product_s=np.array(3.0), attention_s=np.array(2.0), activation_s=np.array(0.6), exchange_s=np.array(0.5),
        text_s=np.array(0.07), decode_s=np.array(0.9), layer_count=np.array(40.0), flop_count=np.array(200.0),
        chip_count=2.0, limit_w=100.0,
    )  # fmt: skip
    k = dict(zip(DIFFUSION_NAMES, (0.5, 0.4, 0.3, 0.02, 0.25, 0.2, 0.45, 0.9), strict=True))
    time_s, joules = diffusion_price(work, k)
    shared_s = (3 / 0.5 + 2 / 0.4 + 0.6 / 0.3 + 0.5 / 0.2) / 2
    wanted_s = (shared_s**2 + (40 * 0.02) ** 2) ** 0.5 + 0.07 / 0.5 + 0.9 / 0.25
    assert time_s == pytest.approx(wanted_s)
    limit_j = 2 * 100 * wanted_s
    assert joules == pytest.approx(((0.45 * limit_j + 200 * 0.9) ** -4 + limit_j**-4) ** -0.25)


def test_the_operations_of_a_batch_of_images_and_what_each_is_charged() -> None:
    machine, use = load("h100-sxm"), DiffusionUse(batch=3, steps=4, chips=2)
    counted = diffusion_workload(load_diffusion("flux.1-dev"), use)
    rates = rates_of(machine)
    work = drawing_work(counted, rates)
    once = counted.text.mac_count + counted.decode.mac_count
    step = counted.denoise.weight_mac_count + counted.denoise.attention_mac_count
    assert work.flop_count == pytest.approx(2 * (counted.evaluation_count * step + once))
    full_s = work.product_s + work.attention_s + work.text_s + work.decode_s
    assert full_s == pytest.approx(work.flop_count / rates.peak_flop_per_s[16])
    whole_j = float(diffusion_price(work, diffusion_constants(machine)[0])[1])
    costs = costs_of(counted, machine, Scenario(draws=0, batch=3))  # type: ignore[arg-type]
    assert costs.total_j()[0] == pytest.approx(whole_j / 3)


@pytest.mark.parametrize(("rows", "outputs", "arrays"), [(4, 2, 8), (4, 5, 22), (9, 1, 5), (100, 1, 64)])
def test_small_groups_stand_side_by_side_in_an_array_of_128(rows: int, outputs: int, arrays: int) -> None:
    """64 groups, eight columns a weight: as many as fit both ways along the diagonal, at least one."""
    one = np.ones(1)
    shape = ArrayShape(rows=128, columns=128, active_rows=128, slices=8)
    found = tile(
        shape, row_count=rows * one, column_count=outputs * one, group_count=64 * one, vector_count=one, phases=one
    )
    fitting = max(n for n in range(1, 129) if n == 1 or (n * rows <= 128 and n * outputs * 8 <= 128))
    assert found.array_count == arrays == -(-64 // fitting)
