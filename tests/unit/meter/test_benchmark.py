"""benchmark: per unit, interval, idle told apart, turns taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.meter.fakes import Clock, assembly, channel

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.meter import shared
from twentywatts.meter.benchmark import Plan, run
from twentywatts.meter.contract import How


class Machine:
    """A package that draws 10 W at rest and more at work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.energy_j = 1000.0
        self.turns: list[str] = []
        original = shared.Sampler
        monkeypatch.setattr(shared, "Sampler", lambda *given, **named: original(*given, clock=self.clock, **named))
        package = channel(lambda: self.energy_j, "rapl:0", range_j=None, period_s=0.001)
        self.plan = Plan(
            unit="image",
            count=4,
            repeats=3,
            idle_s=5.0,
            meter=lambda name: tw.Meter(name, sources=assembly(package)),
            wait=lambda seconds: self.draw(seconds, 10.0),
            clock=self.clock,
        )

    def draw(self, seconds: float, power_w: float) -> None:
        self.clock.wait(seconds)
        self.energy_j += seconds * power_w

    def work(self, name: str, seconds: float, power_w: float) -> Callable[[], None]:
        def call() -> None:
            self.turns.append(name)
            self.draw(seconds, power_w)

        return call


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_joules_per_unit_idle_and_interval(machine: Machine) -> None:
    found = run({"a": machine.work("a", 0.01, 50.0)}, machine.plan)["a"]
    assert found.energy_j is not None
    assert found.energy_j.mid == pytest.approx(0.01 * 50 / 4)
    assert found.energy_j.low < found.energy_j.mid < found.energy_j.high
    assert (found.idle_before_w, found.idle_after_w) == pytest.approx((10.0, 10.0))
    assert found.above_idle_j is not None
    assert found.above_idle_j.mid == pytest.approx(0.01 * 40 / 4)
    assert found.time_s == pytest.approx(0.01 / 4)
    assert found.how is How.COUNTER
    assert all(span.duration_s >= 0.2 for span in found.repeats)
    assert found.ledger.per == "image"
    assert found.ledger.energy_j.mid == pytest.approx(0.01 * 50 / 4)
    assert found.notes == ()


def test_functions_take_turns(machine: Machine) -> None:
    found = run({"a": machine.work("a", 1.0, 50.0), "b": machine.work("b", 1.0, 80.0)}, machine.plan)
    order = "".join(machine.turns)[-6:]
    assert order == "ababab"
    assert [found[name].energy_j.mid for name in "ab"] == pytest.approx([12.5, 20.0])  # type: ignore[union-attr]


def test_the_interval_holds_the_scatter_of_the_repeats(machine: Machine) -> None:
    powers = iter([50.0] * 2 + [40.0, 50.0, 60.0])
    found = run({"a": lambda: machine.draw(1.0, next(powers))}, machine.plan)["a"]
    assert found.energy_j is not None
    assert found.energy_j.mid == pytest.approx(12.5)
    assert found.energy_j.low < 11.5
    assert found.energy_j.high > 13.5


def test_a_drifting_idle_power_is_told(machine: Machine) -> None:
    from dataclasses import replace

    powers = iter([10.0, 20.0])
    plan = replace(machine.plan, wait=lambda seconds: machine.draw(seconds, next(powers)))
    assert "idle power changed" in run({"a": machine.work("a", 1.0, 50.0)}, plan)["a"].notes[0]


def test_without_counters_nothing_is_subtracted_and_it_says_modelled() -> None:
    found = tw.benchmark(lambda: sum(range(100)), min_time_s=0.001, repeats=2, idle_s=0.001)
    if found.how is How.MODELLED:
        assert found.above_idle_j is None
        assert "MODELLED, not measured" in found.notes
    both = tw.benchmark({"x": lambda: None, "y": lambda: None}, min_time_s=0.001, repeats=1, idle_s=0)
    assert both.keys() == {"x", "y"}


@pytest.mark.parametrize(
    "wrong", [{"repeats": 0}, {"count": 0}, {"count": float("nan")}, {"idle_s": -1}, {"min_time_s": 0}]
)
def test_a_plan_that_cannot_be_followed_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        tw.benchmark(lambda: None, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="function"):
        tw.benchmark({})
    with pytest.raises(InputError, match="function"):
        tw.benchmark({"a": 3})  # type: ignore[dict-item]
