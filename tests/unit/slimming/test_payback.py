import time

import pytest
from tests.support.living import living

from twentywatts.errors import TwentyWattsError
from twentywatts.meter.shared import close_shared
from twentywatts.slimming.timing.measuring import Timing
from twentywatts.slimming.timing.payback import Cost, payback, spending
from twentywatts.uncertain import Interval


def timing(name, windows_s):
    middle = Interval(low=min(windows_s), mid=sorted(windows_s)[len(windows_s) // 2], high=max(windows_s))
    return Timing(name=name, time_s=middle, saving=Interval(low=1, mid=1, high=1), windows_s=tuple(windows_s))


def around(value):
    return Interval(low=0.9 * value, mid=value, high=1.1 * value)


def test_processor_time_pays_back_processor_time():
    found = payback(Cost(cpu_s=60.0), timing("given", [3e-4] * 9), timing("best", [1e-4] * 9))
    assert found.inferences.mid == pytest.approx(300_000)
    assert "300,000" in found.sentence
    assert found.basis == "measured processor time"


def test_joules_pay_back_joules_with_both_intervals():
    cost = Cost(cpu_s=60.0, energy_j=around(1000.0))
    found = payback(cost, timing("given", [3e-4]), timing("best", [1e-4]), joules=(around(2e-3), around(1e-3)))
    assert found.inferences.mid == pytest.approx(1e6)
    assert found.inferences.low == pytest.approx(900 / (2.2e-3 - 0.9e-3))
    assert found.inferences.high == pytest.approx(1100 / (1.8e-3 - 1.1e-3))
    assert found.basis == "measured joules"


def test_joules_of_the_inferences_alone_are_not_mixed_with_seconds_of_the_search():
    cost = Cost(cpu_s=60.0, why_not="no counter")
    found = payback(cost, timing("given", [3e-4]), timing("best", [1e-4]), joules=(around(2e-3), around(1e-3)))
    assert found.basis == "measured processor time"


@pytest.mark.parametrize("best_s", [3e-4, 4e-4])
def test_what_saves_nothing_never_pays_back(best_s):
    found = payback(Cost(cpu_s=60.0), timing("given", [3e-4] * 5), timing("best", [best_s] * 5))
    assert found.inferences is None
    assert "never" in found.sentence


def test_a_saving_that_may_be_none_may_never_pay_back():
    given = timing("given", [2e-4, 2e-4, 2e-4, 2e-4, 2e-4])
    best = timing("best", [1e-4, 1e-4, 1.5e-4, 3e-4, 3e-4])
    found = payback(Cost(cpu_s=1.0), given, best)
    assert found.inferences.high == float("inf")
    assert found.inferences.mid == pytest.approx(1 / 0.5e-4)


def test_the_cost_is_told_once_the_work_has_ended():
    ticks = iter([10.0, 14.0])
    with spending(clock=lambda: next(ticks)) as cost, pytest.raises(TwentyWattsError, match="ended"):
        cost()
    assert cost().cpu_s == 4.0


def test_work_that_fails_has_cost_too():
    ticks = iter([0.0, 3.0])
    with pytest.raises(KeyError), spending(clock=lambda: next(ticks)) as cost:
        raise KeyError
    assert cost().cpu_s == 3.0


def test_joules_are_counted_where_a_counter_lives(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTYWATTS_ROOT", str(tmp_path))
    close_shared()
    with living("client", tmp_path), spending() as cost:
        time.sleep(0.3)
    close_shared()
    assert cost().energy_j.low <= cost().energy_j.mid <= cost().energy_j.high
    assert cost().energy_j.mid > 0
    assert cost().why_not == ""


def test_the_reason_is_told_where_no_counter_lives(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTYWATTS_ROOT", str(tmp_path))
    close_shared()
    with spending() as cost:
        pass
    close_shared()
    assert cost().energy_j is None
    assert cost().why_not
