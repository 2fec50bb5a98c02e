"""Properties that the price of arithmetic must have on every bundled processor, whatever the network."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.ledger import Ledger
from twentywatts.machines import bundled_names, load
from twentywatts.price import load_fitted, price
from twentywatts.price.accounting import costs_of, values_of
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import ProcessorWorkload

PROCESSORS = [name for name in bundled_names() if load(name).family == "processor" and not load(name).refused]
FIELDS = ("mac_count", "op_count", "weight_bytes", "input_bytes", "output_bytes", "kernel_count")
ONCE = ("weight_bytes", "kernel_count")  # not multiplied by the batch
SCENARIO = Scenario(draws=0)


@st.composite
def workloads(draw: st.DrawFn) -> ProcessorWorkload:
    """One inference of one to six layers, from a few operations to those of a large network."""
    size = draw(st.integers(1, 6))

    def column(largest: float) -> np.ndarray:
        exponents = st.floats(0.0, float(np.log10(largest)))
        values = draw(st.lists(st.one_of(st.just(0.0), exponents.map(lambda e: 10.0**e)), min_size=size, max_size=size))
        return np.array(values)

    return ProcessorWorkload(
        layers=tuple(f"layer {index}" for index in range(size)),
        mac_count=column(1e11),
        op_count=column(1e9),
        weight_bytes=column(1e9),
        input_bytes=column(1e8),
        output_bytes=column(1e8),
        kernel_count=np.array(draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), dtype=float),
        precision=draw(st.sampled_from(["fp32", "fp16", "int8"])),
    )


@cache
def values(name: str, draws: int) -> dict[str, np.ndarray]:
    """Figures and constants of a machine, drawn once for all examples."""
    return values_of(workload(), load(name), draws=draws, seed=0)


def workload() -> ProcessorWorkload:
    return ProcessorWorkload(layers=("one",), **{name: np.ones(1) for name in FIELDS})


factors = st.floats(1.0, 100.0)


def batched(work: ProcessorWorkload, batch: int) -> ProcessorWorkload:
    return replace(work, batch=batch, **{name: getattr(work, name) * batch for name in FIELDS if name not in ONCE})


def total_j(work: ProcessorWorkload, name: str) -> float:
    """Joules of one whole batch."""
    costs = costs_of(work, load(name), Scenario(batch=work.batch, draws=0), values=values(name, 0))
    return float(costs.total_j()[0]) * work.batch


def scaled(work: ProcessorWorkload, name: str, factor: float) -> ProcessorWorkload:
    return replace(work, **{name: getattr(work, name) * factor})


@given(workloads(), st.sampled_from(PROCESSORS), st.integers(1, 512))
def test_twice_the_batch_never_costs_less_in_total(work: ProcessorWorkload, name: str, batch: int) -> None:
    assert total_j(batched(work, 2 * batch), name) >= total_j(batched(work, batch), name) * (1 - 1e-9)


@given(workloads(), st.sampled_from(PROCESSORS), st.sampled_from(FIELDS), factors)
def test_more_work_or_more_bytes_never_cost_less(work: ProcessorWorkload, name: str, field: str, factor: float) -> None:
    more = scaled(work, field, factor)
    assert total_j(more, name) >= total_j(work, name) * (1 - 1e-9)


@given(workloads(), st.sampled_from(PROCESSORS))
def test_half_the_weight_bytes_never_cost_more(work: ProcessorWorkload, name: str) -> None:
    assert total_j(scaled(work, "weight_bytes", 0.5), name) <= total_j(work, name) * (1 + 1e-9)


@given(workloads(), st.sampled_from(PROCESSORS), st.integers(1, 64))
def test_power_never_exceeds_the_limit(work: ProcessorWorkload, name: str, batch: int) -> None:
    work, machine = batched(work, batch), load(name)
    drawn = values(name, 200)
    costs = costs_of(work, machine, Scenario(batch=batch, draws=200), values=drawn)
    assert np.all(costs.total_j() * batch <= drawn["max_power_w"] * costs.latency_s * (1 + 1e-9))


@settings(max_examples=40)
@given(workloads(), st.sampled_from(PROCESSORS), st.sampled_from(list(Boundary)))
def test_the_total_is_the_sum_by_part_and_by_cause(work: ProcessorWorkload, name: str, boundary: Boundary) -> None:
    ledger: Ledger = price(work, load(name), Scenario(boundary=boundary, draws=20, rate_per_s=3.0))
    total = ledger.energy_j.values
    for parts in (ledger.by_part().values(), ledger.by_cause().values()):
        assert np.sum([part.values for part in parts], axis=0) == pytest.approx(total, rel=1e-9)


@given(workloads(), st.sampled_from(PROCESSORS))
def test_energy_is_at_least_idle_power_over_the_time(work: ProcessorWorkload, name: str) -> None:
    costs = costs_of(work, load(name), SCENARIO, values=values(name, 0))
    assert costs.total_j()[0] >= costs.idle_power_w[0] * costs.latency_s[0] * (1 - 1e-9)


def test_the_fitted_constants_are_shares_with_held_out_error() -> None:
    fitted = load_fitted("processor")
    assert fitted.rows_count > 0
    assert fitted.held_out_error >= fitted.in_sample_error > 0
    assert fitted.model_error.low <= 0.5
    assert fitted.model_error.high >= 2.0
    for interval in fitted.constants.values():
        assert 0 < interval.low <= interval.mid <= interval.high <= 1
