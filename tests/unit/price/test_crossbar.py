from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.errors import RefusedError
from twentywatts.figures import load_figures
from twentywatts.ledger import Cause
from twentywatts.machines import Machine, load
from twentywatts.price import price
from twentywatts.price.accounting import costs_of
from twentywatts.price.crossbar import adc_scale
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import CrossbarWorkload

CHIP = Scenario(boundary=Boundary.CHIP, draws=200)


def products(
    machine: Machine, rows: float, columns: float, *, vectors: float = 1.0, **changes: object
) -> CrossbarWorkload:
    value = {key: int(machine.value(key, 1.0) or 0) for key in ("input_bits", "weight_bits", "dac_bits", "cell_bits")}
    fields = {
        "layers": ("product",),
        "row_count": np.array([rows]),
        "column_count": np.array([columns]),
        "group_count": np.array([1.0]),
        "vector_count": np.array([vectors]),
        "active_frac": np.array([0.5]),
        "op_count": np.array([0.0]),
        "output_bytes": np.array([0.0]),
        "adc_bits": int(machine.value("adc_bits") or 0),
        **value,
    }
    return CrossbarWorkload(**(fields | changes))  # type: ignore[arg-type]


def array_energy_per_op(machine: Machine, workload: CrossbarWorkload) -> float:
    """Joules per operation in arrays and converters, what a published TOPS/W covers."""
    costs = costs_of(workload, machine, CHIP)
    joules = sum(costs.energy_j[cause][..., 0].sum() for cause in (Cause.COMPUTE, Cause.CONVERSION))
    return float(joules / (2 * (workload.row_count * workload.column_count * workload.vector_count).sum()))


@pytest.mark.parametrize("index", range(4))
def test_neurram_reproduces_its_published_points(index: int):
    machine = load("neurram")
    point = machine.operating_points[index]
    workload = products(machine, 256, 128, input_bits=point["input_bits"], adc_bits=point["output_bits"])
    assert array_energy_per_op(machine, workload) * point["op_per_j"] == pytest.approx(1.0, abs=0.19)


def test_neurram_error_over_its_four_points_is_ten_percent():
    machine = load("neurram")
    errors = []
    for point in machine.operating_points:
        workload = products(machine, 256, 128, input_bits=point["input_bits"], adc_bits=point["output_bits"])
        errors.append(abs(array_energy_per_op(machine, workload) * point["op_per_j"] - 1.0))
    assert np.mean(errors) < 0.11


def test_hermes_reproduces_energy_and_time_of_table_one():
    machine = load("hermes")
    workload = products(machine, 256, 256)
    assert array_energy_per_op(machine, workload) * 2.48e12 == pytest.approx(1.0, rel=0.01)
    assert 64 * array_energy_per_op(machine, workload) * 2 * 256 * 256 == pytest.approx(3.38e-6, rel=0.01)
    assert 64 * 2 * 256 * 256 / costs_of(workload, machine, CHIP).latency_s[0] == pytest.approx(16.1e12, rel=0.01)


def test_digital_macro_reproduces_89_tops_per_watt():
    machine = load("dimc-22nm")
    workload = products(machine, 256, 64)
    assert array_energy_per_op(machine, workload) * 89e12 == pytest.approx(1.0, rel=0.01)
    doubled = products(machine, 256, 64, input_bits=8)
    assert array_energy_per_op(machine, doubled) == pytest.approx(2 * array_energy_per_op(machine, workload))


def test_isaac_spends_its_power_on_converters():
    # Table I: 16 mW of ADC against 2.4 mW of arrays and 4 mW of DACs in an IMA
    machine = load("isaac")
    costs = costs_of(products(machine, 128, 16), machine, CHIP)
    ratio = costs.energy_j[Cause.CONVERSION][0, 0] / costs.energy_j[Cause.COMPUTE][0, 0]
    assert ratio == pytest.approx((16 + 0.2) / (2.4 + 4), rel=0.02)


def test_a_conversion_grows_linearly_and_then_fourfold_per_bit():
    assert adc_scale(8, 8)[0] == 1
    assert adc_scale(8, 4)[0] == pytest.approx((800 + 65.536) / (400 + 0.256))
    assert adc_scale(14, 13)[0] > 3.5


def test_weights_that_do_not_fit_are_written_for_every_batch():
    machine = load("dimc-22nm")
    fits = price(products(machine, 256, 64), machine, CHIP)
    large = products(machine, 1024, 640)
    one, eight = (price(large, machine, replace(CHIP, batch=n)) for n in (1, 8))
    assert Cause.MEMORY in one.by_cause()
    assert "rewritten" not in " ".join(fits.notes)
    assert "rewritten for every batch" in " ".join(one.notes)
    assert eight.energy_j.mid < one.energy_j.mid
    assert eight.energy_j.mid * 8 >= one.energy_j.mid
    cells = 1024 * 640 * 4
    offchip = 1024 * 640 / 2 * 210e-12
    written = cells * 20e-15
    on_chip = one.by_cause()[Cause.MEMORY].mid
    memory = price(large, machine, replace(CHIP, boundary=Boundary.DEVICE)).by_cause()[Cause.MEMORY].mid
    assert memory == pytest.approx(offchip + written, rel=0.02)
    assert memory - on_chip == pytest.approx(offchip)


def test_memory_beside_the_chip_is_no_part_of_a_chips_account():
    machine = load("dimc-22nm")
    large = products(machine, 1024, 640)
    chip, device = (price(large, machine, replace(CHIP, boundary=each)) for each in (Boundary.CHIP, Boundary.DEVICE))
    assert any("off-chip memory" in text for text in chip.not_covered)
    assert all(entry.scope is Boundary.CHIP for entry in chip.entries)
    assert {entry.scope for entry in device.entries} == {Boundary.CHIP, Boundary.DEVICE}
    (board,) = (entry.energy_j.mid for entry in device.entries if entry.part == "board")
    assert board == pytest.approx(load_figures("boundaries")["board_overhead_frac"].value * chip.energy_j.mid)


def test_signed_inputs_cost_two_passes_where_the_chip_cannot_drive_both_signs():
    machine = load("neurram")
    workload = products(machine, 256, 128, signed_inputs=(True,))
    unable = replace(machine, traits={**machine.traits, "signed_inputs": False})
    assert array_energy_per_op(unable, workload) == pytest.approx(2 * array_energy_per_op(machine, workload))


def test_sources_and_what_is_not_covered_are_told():
    machine = load("hermes")
    workload = products(machine, 600, 256, op_count=np.array([1000.0]), output_bytes=np.array([256.0]))
    ledger = price(workload, machine, CHIP)
    assert {"legallo2023", "horowitz2014"} <= set(ledger.sources)
    assert any("time of digital operations" in text for text in ledger.not_covered)
    assert sum(spread.mid for spread in ledger.by_cause().values()) == pytest.approx(ledger.energy_j.mid)


def test_a_machine_without_array_energies_is_refused():
    machine = load("neurram")
    bare = replace(machine, figures={k: f for k, f in machine.figures.items() if k != "adc_energy_j"})
    with pytest.raises(RefusedError, match="adc_energy_j"):
        price(products(machine, 10, 10), bare, CHIP)


def test_many_settings_are_priced_at_once():
    machine = load("isaac")
    single = products(machine, 300, 70)
    many = replace(single, vector_count=np.arange(1.0, 1001.0)[:, None], row_count=np.full((1000, 1), 300.0))
    many = replace(many, column_count=np.full((1000, 1), 70.0))
    total = costs_of(many, machine, replace(CHIP, draws=0)).total_j()
    assert total.shape == (1000, 1)
    assert total[0, 0] == pytest.approx(costs_of(single, machine, replace(CHIP, draws=0)).total_j()[0])


@given(rows=st.integers(1, 3000), columns=st.integers(1, 600), batch=st.integers(1, 32))
@settings(max_examples=40, deadline=None)
def test_twice_the_batch_never_costs_less_in_total(rows: int, columns: int, batch: int):
    machine = load("dimc-22nm")
    workload = products(machine, rows, columns)
    once = price(workload, machine, replace(CHIP, batch=batch, draws=0)).energy_j.mid * batch
    twice = price(workload, machine, replace(CHIP, batch=2 * batch, draws=0)).energy_j.mid * 2 * batch
    assert twice >= once
