"""The yardstick: twenty watts for as long as the reference takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twentywatts.ledger import Cause
from twentywatts.machines import load
from twentywatts.price import price
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import BrainWorkload


def test_joules_are_twenty_watts_times_the_reference() -> None:
    ledger = price(BrainWorkload(time_s=0.25), load("human-brain"), Scenario())
    assert ledger.energy_j.mid == pytest.approx(5.0)
    assert ledger.latency_s.mid == 0.25


def test_causes_follow_the_published_audit() -> None:
    ledger = price(BrainWorkload(time_s=1.0), load("human-brain"), Scenario(draws=0))
    joules = {cause: spread.mid for cause, spread in ledger.by_cause().items()}
    assert joules == pytest.approx({Cause.COMPUTE: 0.1, Cause.COMMUNICATION: 3.5, Cause.UNSPLIT: 16.4})
    assert joules[Cause.COMMUNICATION] / joules[Cause.COMPUTE] == pytest.approx(35)
    assert {"levy2021", "balasubramanian2021"} <= set(ledger.sources)


def test_waiting_board_and_host_are_not_charged_to_a_brain() -> None:
    scenario = Scenario(rate_per_s=1, boundary=Boundary.SYSTEM, draws=0)
    ledger = price(BrainWorkload(time_s=0.1), load("human-brain"), scenario)
    assert ledger.energy_j.mid == pytest.approx(2.0)


def test_a_brain_file_without_shares_is_unsplit() -> None:
    brain = load("human-brain")
    plain = replace(brain, figures={"power_w": brain.figures["power_w"]})
    ledger = price(BrainWorkload(time_s=2.0), plain, Scenario(draws=0))
    assert {cause: spread.mid for cause, spread in ledger.by_cause().items()} == pytest.approx({Cause.UNSPLIT: 40.0})


def test_the_interval_is_that_of_the_power() -> None:
    interval = price(BrainWorkload(time_s=1.0), load("human-brain"), Scenario()).energy_j.interval
    assert (interval.low, interval.high) == pytest.approx((17, 23), rel=0.02)


def test_parts_share_the_brain_equally() -> None:
    ledger = price(BrainWorkload(time_s=0.5, layers=("left", "right")), load("human-brain"), Scenario(draws=0))
    joules = {part: spread.mid for part, spread in ledger.by_part().items()}
    assert joules == pytest.approx({"left": 5.0, "right": 5.0})
