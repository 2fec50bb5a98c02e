import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.errors import DataError, InputError, TwentyWattsError
from twentywatts.meter.contract import How
from twentywatts.slimming.timing import measuring
from twentywatts.slimming.timing.measuring import (
    Rounds,
    interleaved,
    median_interval,
    remeasured,
    session_call,
    wait_for_rest,
)
from twentywatts.uncertain import Interval


class Machine:
    """A processor whose clock moves only by what calls cost; `speed` makes it slower as time goes by."""

    def __init__(self, drift=0.0):
        self.now_s, self.drift, self.order = 0.0, drift, []

    def call(self, name, cost_s):
        def run():
            self.order.append(name)
            self.now_s += cost_s * (1 + self.drift * self.now_s)

        return run

    def plan(self, **more):
        return Rounds(clock=lambda: self.now_s, **more)


class Spec:
    def __init__(self, name, shape):
        self.name, self.shape, self.type = name, shape, "tensor(float)"


class Session:
    def __init__(self, shape=("batch", 2), on_run=None):
        self.shape, self.fed, self.on_run = shape, [], on_run

    def get_inputs(self):
        return [Spec("x", list(self.shape))]

    def run(self, names, feeds):
        self.fed.append(feeds["x"].copy())
        if self.on_run:
            self.on_run()
        return [feeds["x"]]


def test_savings_of_known_costs_are_told_exactly():
    machine = Machine()
    calls = {"base": machine.call("base", 8e-4), "half": machine.call("half", 4e-4), "dear": machine.call("dear", 1e-3)}
    found = interleaved(calls, count=4, plan=machine.plan())
    assert found["base"].time_s.mid == pytest.approx(2e-4)
    assert found["half"].saving.mid == pytest.approx(2.0)
    assert found["dear"].saving.mid == pytest.approx(0.8)
    moved = {name: not timing.saving.low <= 1 <= timing.saving.high for name, timing in found.items()}
    assert [name for name, is_moved in moved.items() if is_moved] == ["half", "dear"]


def test_the_reference_may_be_named():
    machine = Machine()
    calls = {"a": machine.call("a", 1e-3), "b": machine.call("b", 2e-3)}
    assert interleaved(calls, plan=machine.plan(), reference="b")["a"].saving.mid == pytest.approx(2.0)


def test_a_machine_that_slows_down_does_not_change_the_ratio():
    machine = Machine(drift=2.0)  # several times slower at the end than at the start
    calls = {"base": machine.call("base", 2e-3), "half": machine.call("half", 1e-3)}
    found = interleaved(calls, plan=machine.plan(rounds=31))
    assert found["base"].windows_s[-1] > 1.5 * found["base"].windows_s[0]
    assert found["half"].saving.mid == pytest.approx(2.0, rel=0.05)
    assert found["half"].saving.low < 2.0 < found["half"].saving.high


def test_calls_take_turns_in_every_round_and_in_varying_order():
    machine = Machine()
    calls = {name: machine.call(name, 0.02) for name in "abc"}
    interleaved(calls, plan=machine.plan(rounds=12))
    turns = [
        "".join(machine.order[place : place + 3]) for place in range(len(machine.order) - 36, len(machine.order), 3)
    ]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert len(set(turns)) > 1


@pytest.mark.parametrize(
    ("calls", "more"),
    [
        ({}, {}),
        ({"a": lambda: None}, {"reference": "b"}),
        ({"a": lambda: None}, {"plan": Rounds(rounds=0)}),
        ({"a": lambda: None}, {"plan": Rounds(window_s=0)}),
        ({"a": lambda: None}, {"count": 0}),
    ],
)
def test_a_plan_that_cannot_be_followed_is_told(calls, more):
    with pytest.raises(InputError):
        interleaved(calls, **more)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_the_interval_holds_the_median_and_stays_inside_the_values(values):
    found = median_interval(values)
    assert min(values) <= found.low <= found.mid <= found.high <= max(values)


@pytest.mark.parametrize("count", [5, 9, 15, 30, 60])
def test_the_interval_is_the_narrowest_that_reaches_ninety_percent(count):
    found = median_interval(range(count))
    place = int(found.low)
    outside = sum(math.comb(count, lost) for lost in range(place + 1)) / 2**count
    assert outside <= 0.05 < outside + math.comb(count, place + 1) / 2**count
    assert found.high == count - 1 - place


def test_every_call_runs_the_next_batch_and_begins_again():
    session = Session()
    x = np.arange(10, dtype=np.float32).reshape(5, 2)
    call = session_call(session, {"x": x}, batch=2)
    for _ in range(3):
        call()
    assert [fed[0, 0] for fed in session.fed] == [0, 4, 0]


def test_a_batch_larger_than_the_data_repeats_samples():
    session = Session()
    session_call(session, {"x": np.arange(6, dtype=np.float32).reshape(3, 2)}, batch=5)()
    assert session.fed[0][:, 0].tolist() == [0, 2, 4, 0, 2]


@pytest.mark.parametrize("batch", [0, 4])
def test_a_batch_that_the_model_does_not_take_is_told(batch):
    with pytest.raises(InputError, match="batch"):
        session_call(Session(shape=(8, 2)), {"x": np.zeros((8, 2), np.float32)}, batch=batch)


def test_inputs_that_do_not_fit_are_told():
    with pytest.raises(DataError):
        session_call(Session(), {"y": np.zeros((8, 2))}, batch=1)


def test_a_fresh_measurement_opens_new_sessions_and_holds_what_they_differ_by():
    machine = Machine()
    costs = iter([1e-3, 1.1e-3, 0.9e-3])  # of each new session of the reference
    opened = []

    def base():
        opened.append("base")
        return Session(on_run=machine.call("base", next(costs)))

    def small():
        opened.append("small")
        return Session(on_run=machine.call("small", 5e-4))

    x = {"x": np.zeros((4, 2), np.float32)}
    found = remeasured({"base": base, "small": small}, x, batch=2, plan=machine.plan())
    assert opened == ["base", "small"] * 3
    assert found["small"].saving.mid == pytest.approx(2.0)
    assert (found["small"].saving.low, found["small"].saving.high) == pytest.approx((1.8, 2.2))
    assert found["base"].time_s.mid == pytest.approx(5e-4)
    assert len(found["small"].windows_s) == 45


class Result:
    def __init__(self, energy_j, how):
        self.energy_j, self.how = energy_j, how


def test_joules_are_what_the_counters_say(monkeypatch):
    told = Interval(low=1.0, mid=2.0, high=3.0)
    monkeypatch.setattr(measuring, "benchmark_processor", lambda calls, count: {"a": Result(told, How.COUNTER)})
    assert measuring.joules({"a": lambda: None}, count=1) == {"a": told}


@pytest.mark.parametrize(
    "result",
    [
        Result(None, How.COUNTER),
        Result(Interval(low=1, mid=1, high=1), How.MODELLED),
        Result(Interval(low=1, mid=1, high=1), How.ATTRIBUTED),
    ],
)
def test_joules_that_no_counter_gave_are_refused(monkeypatch, result):
    monkeypatch.setattr(measuring, "benchmark_processor", lambda calls, count: {"a": result})
    with pytest.raises(TwentyWattsError, match="counters"):
        measuring.joules({"a": lambda: None}, count=1)


def test_a_model_of_seconds_ends_after_five_rounds():
    found = interleaved({"slow": lambda: None}, plan=Rounds(rounds=50, window_s=1e-5, most_s=0.0))
    assert len(found["slow"].windows_s) == 5


@pytest.mark.parametrize("tick_s", [0.01, 0.004])
def test_windows_are_longer_where_the_kernel_counts_processor_time_in_ticks(monkeypatch, tick_s):
    machine = Machine()

    def ticks():
        machine.now_s += 1e-6  # a look takes time too
        return math.floor(machine.now_s / tick_s) * tick_s

    monkeypatch.setattr(measuring.time, "process_time", ticks)
    calls = {"base": machine.call("base", 8e-4), "half": machine.call("half", 4e-4)}
    found = interleaved(calls, plan=Rounds(clock=ticks, window_s=0.002))
    assert found["base"].time_s.mid == pytest.approx(8e-4, rel=0.15)
    assert found["half"].saving.mid == pytest.approx(2.0, rel=0.3)
    assert found["half"].saving.low > 1


def test_a_clock_that_stands_still_divides_nothing_by_zero(monkeypatch):
    monkeypatch.setattr(measuring, "_READINGS", 10)
    monkeypatch.setattr(measuring, "_repeats", lambda call, plan: 1)
    monkeypatch.setattr(measuring.time, "process_time", stands := lambda: 3.0)
    found = interleaved({"a": lambda: None, "b": lambda: None}, plan=Rounds(clock=stands, rounds=5))
    assert found["b"].saving.low > 0


@pytest.mark.parametrize(("spinning_s", "looks"), [(0.0, 1), (0.055, 7), (60.0, 30)])
def test_measuring_waits_until_threads_that_spin_have_stopped(spinning_s, looks):
    """A second thread keeps working for so long: processor time goes on while we sleep."""
    now_s, slept = 0.0, []

    def sleep(seconds):
        nonlocal now_s
        now_s += seconds
        slept.append(seconds)

    wait_for_rest(lambda: min(now_s, spinning_s), sleep)
    assert len(slept) == looks
