"""Serving: queues against brute force and scipy, Little's law, energy that adds up, bad input."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twentywatts as tw
from twentywatts.errors import InputError, RefusedError
from twentywatts.estimation import EstimationRow
from twentywatts.figures import Boundary, Evidence
from twentywatts.ledger import Cause, Entry, Ledger
from twentywatts.plan import Plan, TokenCost, token_cost
from twentywatts.plan.inputs import point
from twentywatts.plan.queueing import erlang_b, erlang_c, servers_for_wait, wait_above_frac
from twentywatts.uncertain import Interval, Spread

COST = TokenCost(
    energy_j=point(0.5), stream_s=point(1 / 30), streams=64, chips=2, boundary=Boundary.DEVICE, how="given"
)


def recursion(servers: int, load: float) -> float:
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked


@given(servers=st.integers(1, 400), share=st.floats(0.05, 3.0))
def test_erlang_b_is_the_textbook_recursion(servers: int, share: float) -> None:
    load = servers * share
    assert erlang_b(servers, load) == pytest.approx(recursion(servers, load), rel=1e-9, abs=1e-280)


def test_erlang_b_of_many_servers_is_scipy_s_gamma_function() -> None:
    special = pytest.importorskip("scipy.special")
    for servers, load in ((10_000, 9_900.0), (1_000_000, 999_000.0), (50_000, 50_500.0)):
        exact = servers * math.log(load) - load - special.gammaln(servers + 1)
        exact -= math.log(special.gammaincc(servers + 1, load))
        assert math.log(erlang_b(servers, load)) == pytest.approx(exact, rel=1e-6)


def test_erlang_c_in_tables() -> None:
    assert erlang_c(10, 8.0) == pytest.approx(0.4092, abs=5e-4)  # a value of textbooks
    assert erlang_c(1, 0.5) == pytest.approx(0.5)  # M/M/1: the load itself
    assert erlang_c(5, 5.0) == 1.0
    assert erlang_b(3, 0.0) == 0.0


@given(load=st.floats(0.01, 5000), late=st.sampled_from([0.01, 0.05, 0.2]))
def test_the_servers_are_the_fewest_that_keep_the_wait(load: float, late: float) -> None:
    servers = servers_for_wait(load, service_s=20, wait_s=2, late_frac=late)
    assert wait_above_frac(servers, load, service_s=20, wait_s=2) <= late
    assert servers == 1 or wait_above_frac(servers - 1, load, service_s=20, wait_s=2) > late


def test_large_queues_need_the_square_root_above_the_load() -> None:
    servers = servers_for_wait(1e6, service_s=20, wait_s=0.0, late_frac=0.05)
    assert 1 < (servers - 1e6) / math.sqrt(1e6) < 2.2  # Halfin and Whitt: 5 % wait at beta 1.4


def test_the_example_of_the_help() -> None:
    plan = tw.plan.serving(COST, "h100-sxm", users=100e6, concurrent=1e6, tokens=400, peak=2.5, slo_s=2)
    assert plan.amount("concurrent_mean_count").mid == pytest.approx(1e6)
    assert plan.amount("place_count").mid >= 2.5e6
    assert plan.amount("chip_count").mid == math.ceil(plan.amount("place_count").mid / 64) * 2
    assert plan.amount("busy_frac").mid == pytest.approx(0.4, rel=1e-3)
    assert plan.amount("tokens_day_count").mid == pytest.approx(1e6 * 30 * 86_400)
    assert any("64.8 requests of each user" in note for note in plan.notes)


@pytest.mark.parametrize("machine", ["h100-sxm", "tpu-v4"])  # watts of a server are published, and a share of its chips
def test_the_peak_is_a_mean_day_of_so_many_requests_on_the_same_chips(machine: str) -> None:
    plan = tw.plan.serving(COST, machine, concurrent=1000, tokens=300, peak=2.0, slo_s=0.01, late_frac=0.01, pue=1.25)
    known = {item.key: item.interval.mid for item in plan.inputs}
    places, chips = plan.amount("place_count").mid, plan.amount("chip_count").mid
    assert places > 2000
    tokens_w = 2000 * 30 * 0.5  # requests at the peak × tokens a second × joules
    idle_w = chips * (1 - 2000 / places) * known["idle_power_w"]
    around_w = chips * known.get("host_power_w", 0) + (tokens_w + idle_w) * known.get("server_overhead_frac", 0)
    assert plan.amount("peak_power_w").mid == pytest.approx((tokens_w + idle_w + around_w) * 1.25)


def test_little_s_law_makes_one_rate_of_three() -> None:
    by_count = tw.plan.serving(COST, "h100-sxm", concurrent=1e4, tokens=300, peak=2)
    rate = 1e4 / (300 / 30)
    by_rate = tw.plan.serving(COST, "h100-sxm", requests_per_s=rate, tokens=300, peak=2)
    by_users = tw.plan.serving(COST, "h100-sxm", users=rate * 8640, requests_per_user=10, tokens=300, peak=2)
    for plan in (by_rate, by_users):
        assert plan.amount("day_energy_j").mid == pytest.approx(by_count.amount("day_energy_j").mid)


def test_a_day_adds_up() -> None:
    plan = tw.plan.serving(COST, "h100-sxm", concurrent=1e4, tokens=300, grid="DE")
    causes, waits = plan.tables
    assert sum(row.numbers["energy_j"].mid for row in causes.rows) == pytest.approx(plan.amount("day_energy_j").mid)
    late = [row.numbers["late_frac"].mid for row in waits.rows]
    assert late == sorted(late, reverse=True)
    assert plan.amount("year_energy_j").mid == pytest.approx(365 * plan.amount("day_energy_j").mid)
    carbon = plan.amount("carbon_kg").mid / plan.amount("day_energy_j").mid * 3.6e9
    assert carbon == pytest.approx(344, rel=1e-6)  # g/kWh


@settings(max_examples=15)
@given(share=st.floats(1.1, 5.0))
def test_a_higher_peak_needs_more_chips_and_wastes_more(share: float) -> None:
    flat = tw.plan.serving(COST, "h100-sxm", concurrent=1e4, tokens=300, peak=1.0)
    steep = tw.plan.serving(COST, "h100-sxm", concurrent=1e4, tokens=300, peak=share)
    assert steep.amount("chip_count").mid >= flat.amount("chip_count").mid
    assert steep.amount("answer_energy_j").mid >= flat.amount("answer_energy_j").mid


def test_a_brain_is_not_a_server() -> None:
    with pytest.raises(RefusedError, match="food"):
        tw.plan.serving(COST, "human-brain", concurrent=1, tokens=300)


def test_pools_that_do_not_help_each_other_need_more() -> None:
    one = tw.plan.serving(COST, "h100-sxm", concurrent=1e3, tokens=300)
    many = tw.plan.serving(COST, "h100-sxm", concurrent=1e3, tokens=300, pools=50)
    assert many.amount("place_count").mid > one.amount("place_count").mid


def _ledger(per: str = "token", boundary: Boundary = Boundary.DEVICE) -> Ledger:
    entry = Entry(
        part="chip",
        cause=Cause.COMPUTE,
        energy_j=Spread(np.array([0.5, 0.4, 0.6])),
        scope=boundary,
        evidence=Evidence.NODE_COUNTER,
    )
    latency = Spread(np.array([1 / 30, 1 / 30, 1 / 30]))
    return Ledger(machine="h100-sxm", per=per, boundary=boundary, entries=(entry,), latency_s=latency, chip_count=2)


def test_any_account_per_token_is_a_valid_input() -> None:
    cost = token_cost(_ledger(), streams=64)
    assert (cost.chips, cost.how, cost.streams) == (2, "measured", 64)
    plan = tw.plan.serving(cost, "h100-sxm", concurrent=1e4, tokens=300)
    assert plan.amount("chip_count").mid > 0
    assert tw.plan.serving(_ledger(), "h100-sxm", concurrent=10, tokens=300).amount("chip_count").mid > 0


def test_an_account_per_request_is_shared_out_over_its_tokens() -> None:
    by_token = tw.plan.serving(_ledger(), "h100-sxm", concurrent=1e3, tokens=300, streams=8)
    whole = _ledger("request")
    entry = whole.entries[0]
    many = replace(
        whole,
        entries=(replace(entry, energy_j=entry.energy_j * 300),),
        latency_s=whole.latency_s * 300,
    )
    by_request = tw.plan.serving(many, "h100-sxm", concurrent=1e3, tokens=300, streams=8)
    for key in ("day_energy_j", "chip_count", "answer_energy_j"):
        assert by_request.amount(key).mid == pytest.approx(by_token.amount(key).mid), key


def test_an_account_per_inference_needs_no_tokens() -> None:
    plan = tw.plan.serving(_ledger("inference"), "h100-sxm", requests_per_s=1e4)
    assert plan.amount("tokens_day_count").mid == pytest.approx(1e4 * 86_400)


def test_an_estimated_reply_is_a_valid_account() -> None:
    row = tw.estimate("llama-3.1-8b", on="h100-sxm", batch=16, output_tokens=400).rows[0]
    plan = tw.plan.serving(row.ledger, "h100-sxm", concurrent=1e4, tokens=400, streams=row.batch)
    assert plan.amount("chip_count").mid >= 1e4 / 16
    assert set(row.ledger.sources) <= set(plan.sources)


def _estimated(boundary: str = "device", batch: int = 256) -> tuple[EstimationRow, TokenCost]:
    options: dict[str, int | str] = {"prompt_tokens": 4000, "output_tokens": 300, "boundary": boundary}
    row = tw.estimate("llama-3.1-8b", on="h100-sxm", batch=batch, **options).rows[0]  # type: ignore[arg-type]
    return row, token_cost(row.ledger, streams=row.batch, tokens=300)


def _busy_w(plan: Plan, chips: float) -> Interval:
    row = next(row for row in plan.tables[0].rows if row.name == "tokens")
    ends = row.numbers["energy_j"]
    return Interval(low=ends.low / 86400 / chips, mid=ends.mid / 86400 / chips, high=ends.high / 86400 / chips)


def test_joules_and_seconds_of_an_estimate_stay_together() -> None:
    _, cost = _estimated(batch=16)
    joint = tw.plan.serving(cost, "h100-sxm", concurrent=1600, tokens=300)
    apart = tw.plan.serving(replace(cost, draws=None), "h100-sxm", concurrent=1600, tokens=300)
    assert joint.amount("power_w").mid == pytest.approx(apart.amount("power_w").mid)
    widths = [np.log(held.high / held.low) for held in (_busy_w(joint, 100), _busy_w(apart, 100))]
    assert widths[0] < 0.9 * widths[1]
    for key in ("token_energy_j", "token_time_s"):  # what is known of each alone is the same
        held = [next(item.interval for item in plan.inputs if item.key == key) for plan in (joint, apart)]
        assert held[0] == held[1]


def test_busy_chips_draw_what_the_estimate_says_and_never_beyond_their_limits() -> None:
    row, cost = _estimated(batch=16)
    plan = tw.plan.serving(cost, "h100-sxm", concurrent=1600, tokens=300)
    busy = _busy_w(plan, 1600 / 16)
    assert busy.mid == pytest.approx(row.power_w.mid)
    limits = tw.machine("h100-sxm").figures
    assert limits["idle_power_w"].value <= busy.low < busy.high <= limits["max_power_w"].value * (1 + 1e-12)
    by_rate = tw.plan.serving(cost, "h100-sxm", requests_per_s=1, tokens=300)  # then time plays no part
    held = next(row for row in by_rate.tables[0].rows if row.name == "tokens").numbers["energy_j"]
    assert held.high / held.mid == pytest.approx(cost.energy_j.high / cost.energy_j.mid, rel=0.01)


def test_a_wider_account_is_not_charged_for_its_server_again() -> None:
    device = tw.plan.serving(_ledger(), "h100-sxm", concurrent=1e3, tokens=300)
    system = tw.plan.serving(_ledger(boundary=Boundary.SYSTEM), "h100-sxm", concurrent=1e3, tokens=300)
    facility = tw.plan.serving(_ledger(boundary=Boundary.FACILITY), "h100-sxm", concurrent=1e3, tokens=300)
    energies = [plan.amount("day_energy_j").mid for plan in (device, system, facility)]
    assert energies == sorted(energies, reverse=True)
    assert not any(item.key == "host_power_w" for item in system.inputs)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"tokens": 0, "concurrent": 1}, "tokens"),
        ({"tokens": 400}, "concurrent"),
        ({"tokens": 400, "concurrent": 1, "streams": 0, "ledger": True}, "streams"),
        ({"tokens": 400, "concurrent": 1, "requests_per_s": 1}, "either"),
        ({"tokens": 400, "concurrent": -1}, "concurrent"),
        ({"tokens": 400, "concurrent": 1, "climate": "temperat"}, "did you mean 'temperate'"),
        ({"tokens": 400, "concurrent": 1, "grid": "Grmany"}, "did you mean 'Germany'"),
        ({"tokens": 400, "concurrent": 1, "pools": 0}, "pools"),
        ({"tokens": 400, "concurrent": 1, "peak": 0.5}, "peak"),
        ({"tokens": 400, "concurrent": 1e18}, "beyond"),
    ],
)
def test_nonsense_is_named(options: dict[str, float], word: str) -> None:
    cost = _ledger() if options.pop("ledger", False) else COST
    with pytest.raises(InputError, match=word):
        tw.plan.serving(cost, "h100-sxm", **options)


def test_a_billion_requests_at_once_need_no_memory_of_their_size() -> None:
    assert erlang_b(2 * 10**9, 1e9) == 0.0
    assert servers_for_wait(1e9, service_s=10.0, wait_s=2.0, late_frac=0.05) < 1.001e9
