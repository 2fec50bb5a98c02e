"""What must hold for any ledger, and for any price."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.figures import Boundary, Evidence
from twentywatts.ledger import Cause, Entry, Ledger
from twentywatts.machines import bundled_names, load
from twentywatts.price import price
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Interval, Spread, lognormal
from twentywatts.workload import ProcessorWorkload

PROCESSORS = [name for name in bundled_names() if load(name).family == "processor" and not load(name).refused]
counts = st.lists(st.floats(min_value=1, max_value=1e9), min_size=1, max_size=5)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    mid = draw(st.floats(min_value=1e-15, max_value=1e6))
    part, cause = draw(st.sampled_from("abc")), draw(st.sampled_from(list(Cause)))
    interval = Interval(low=mid / 3, mid=mid, high=mid * 2)
    return Entry(
        part=part,
        cause=cause,
        energy_j=Spread(lognormal(f"{part}{cause}{mid}", interval, draws=20, seed=0)),
        scope=draw(st.sampled_from(list(Boundary))),
        evidence=draw(st.sampled_from(list(Evidence))),
        sources=tuple(draw(st.lists(st.sampled_from(["x", "y"]), max_size=2))),
    )


@given(found=st.lists(entries(), min_size=1, max_size=12))
def test_the_total_is_the_sum_by_part_and_by_cause_in_every_draw(found: list[Entry]) -> None:
    account = Ledger(
        machine="m",
        per="run",
        boundary=Boundary.DEVICE,
        entries=tuple(found),
        latency_s=Spread(np.ones(21)),
    )
    total = account.energy_j.values
    for groups in (account.by_part(), account.by_cause()):
        assert sum(spread.values for spread in groups.values()) == pytest.approx(total, rel=1e-12)
    assert account.evidence == min(entry.evidence for entry in found)
    assert 0 <= account.guessed_frac <= 1 + 1e-12
    assert set(account.sources) == {key for entry in found for key in entry.sources}


def work(macs: list[float], *, batch: int, scale: float = 1.0) -> ProcessorWorkload:
    """Layers with ``macs`` multiply-accumulates per sample; weights are read once per batch."""
    mac_count = np.array(macs)
    return ProcessorWorkload(
        layers=tuple(f"layer{index}" for index in range(len(macs))),
        mac_count=mac_count * batch * scale,
        op_count=mac_count * 0.1 * batch,
        weight_bytes=mac_count * 0.01,
        input_bytes=mac_count * 0.02 * batch,
        output_bytes=mac_count * 0.02 * batch,
        kernel_count=np.ones(len(macs)),
        batch=batch,
    )


@settings(max_examples=40)
@given(macs=counts, batch=st.integers(1, 64), name=st.sampled_from(PROCESSORS))
def test_twice_the_batch_never_costs_less_in_total(macs: list[float], batch: int, name: str) -> None:
    machine = load(name)
    one, two = (price(work(macs, batch=b), machine, Scenario(batch=b, draws=0)) for b in (batch, 2 * batch))
    assert two.energy_j.mid * 2 * batch >= one.energy_j.mid * batch * (1 - 1e-9)
    assert two.latency_s.mid >= one.latency_s.mid * (1 - 1e-9)


@settings(max_examples=40)
@given(macs=counts, more=st.floats(1.0, 100.0), name=st.sampled_from(PROCESSORS))
def test_more_work_never_costs_less_in_any_draw(macs: list[float], more: float, name: str) -> None:
    machine, scenario = load(name), Scenario(draws=50)
    less, much = (price(work(macs, batch=1, scale=scale), machine, scenario).energy_j.values for scale in (1.0, more))
    assert np.all(much >= less * (1 - 1e-9))


@settings(max_examples=40)
@given(
    macs=counts,
    name=st.sampled_from(PROCESSORS),
    rates=st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)),
    boundary=st.sampled_from(list(Boundary)),
)
def test_every_number_is_finite_and_a_slower_rate_is_never_cheaper(
    macs: list[float], name: str, rates: tuple[float, float], boundary: Boundary
) -> None:
    machine = load(name)
    back_to_back = price(work(macs, batch=1), machine, Scenario(boundary=boundary, draws=20))
    for rate in rates:
        account = price(work(macs, batch=1), machine, Scenario(rate_per_s=rate, boundary=boundary, draws=20))
        assert np.all(np.isfinite(account.energy_j.values))
        assert np.all(account.energy_j.values >= back_to_back.energy_j.values * (1 - 1e-9))
