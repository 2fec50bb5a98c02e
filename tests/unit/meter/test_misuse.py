"""Measuring with what cannot be measured: one plain sentence, or the caller's own exception untouched."""

from __future__ import annotations

import asyncio
import functools
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from tests.unit.meter.fakes import Clock, Counter, assembly, channel

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.meter import api

QUICK = {"idle_s": 0, "repeats": 1, "min_time_s": 0.001}


async def coroutine() -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def stream() -> AsyncIterator[int]:
    yield 1


class Model:
    """A model as many are: called like a function."""

    def __call__(self, times: int = 2) -> int:
        return 3 * times

    async def serve(self) -> int:
        return 4


class Server:
    async def __call__(self) -> int:
        return 5


LATER = [coroutine, generator, stream, functools.partial(coroutine), Model().serve, Server()]


@pytest.mark.parametrize("make", [tw.measure, tw.Meter])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": 3}, "name .*text"),
        ({"name": None}, "name .*text"),
        ({"period_s": -1}, "period"),
        ({"period_s": "fast"}, "period"),
        ({"period_s": True}, "period"),
        ({"period_s": math.nan}, "period"),
        ({"sources": 3}, "sources"),
        ({"sources": "powercap"}, "sources"),
        ({"sources": [3]}, "sources"),
        ({"on_sample": 3}, "on_sample"),
    ],
)
def test_a_meter_of_something_else_is_refused_before_it_runs(
    make: Callable[..., object], wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        make(**wrong)


@pytest.mark.parametrize("make", [tw.measure, tw.Meter])
def test_an_unknown_keyword_is_python_s_own_error(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="rate"):
        make(rate=-1)


@pytest.mark.parametrize("wrong", [None, 3, "f", [len], {"a": 3}, {"a": coroutine}, *LATER])
def test_a_benchmark_of_no_function_or_of_later_work_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"function|later"):
        tw.benchmark(wrong, **QUICK)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": "a"}, {"repeats": 0}, {"unit": ""}, {"unit": 3}])
def test_a_benchmark_without_units_or_repeats_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        tw.benchmark(generator().close, **(QUICK | wrong))


def test_a_function_that_gives_a_coroutine_is_found_out_at_its_first_call() -> None:
    def hidden() -> Any:
        return coroutine()

    with pytest.raises(InputError, match="later"):
        tw.benchmark(hidden, **QUICK)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [3, "f", *LATER])
def test_only_a_function_that_works_now_can_be_decorated(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"function|later"):
        tw.measured(wrong)
    with pytest.raises(InputError, match=r"function|later"):
        tw.measured(repeat=2)(wrong)


@pytest.mark.parametrize("wrong", [{"repeat": 0}, {"repeat": 1.5}, {"warmup": -1}])
def test_a_function_is_called_a_whole_number_of_times(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="repeat"):
        tw.measured(**wrong)


def test_partial_functions_and_objects_are_measured_by_their_own_names() -> None:
    def add(one: int, other: int) -> int:
        return one + other

    partial, model = tw.measured(functools.partial(add, 1)), tw.measured(Model())
    assert (partial(2), model(times=4)) == (3, 12)
    assert partial.last.name.endswith("add")  # type: ignore[attr-defined]
    assert model.last.name == "Model"  # type: ignore[attr-defined]


def fail() -> None:
    raise KeyError("mine")


def test_the_caller_s_own_exception_comes_through_and_leaves_no_meter_behind() -> None:
    with pytest.raises(KeyError, match="mine"), tw.measure("outer"), tw.measure("inner"):
        fail()
    with pytest.raises(KeyError, match="mine"):
        tw.measured(fail)()
    with pytest.raises(KeyError, match="mine"):
        tw.benchmark(fail, **QUICK)
    with pytest.raises(ZeroDivisionError):
        tw.benchmark(lambda: 1 / 0, **QUICK)
    with pytest.raises(TypeError, match="missing 1 required"):
        tw.benchmark(lambda x: x, **QUICK)  # type: ignore[arg-type, misc]
    assert api._stack() == []


def test_one_meter_does_not_run_twice_at_once_and_the_outer_window_goes_on() -> None:
    clock = Clock()
    meter = tw.Meter("x", sources=assembly(channel(Counter(clock))))
    with meter:
        with pytest.raises(InputError, match="running already"), meter:
            pass
        meter.mark("still running")
    assert [lap.name for lap in meter.laps] == ["still running"]
    for misuse in (meter.stop, meter.mark):
        with pytest.raises(InputError, match="not running"):
            misuse()
    with pytest.raises(InputError, match="no result yet"):
        _ = tw.Meter().energy_j


def test_a_printed_meter_tells_its_joules_and_how() -> None:
    meter = tw.Meter("epoch", sources=assembly(channel(lambda: 50.0 * time.monotonic(), range_j=None)))
    assert str(meter) == "<Meter 'epoch': not started>"
    with meter:
        assert str(meter) == "<Meter 'epoch': running>"
        time.sleep(0.02)
    assert re.fullmatch(r"<Meter 'epoch': .* J \(.*\) in .*, counter>", str(meter))
    with tw.measure("x", sources=[]) as modelled:
        pass
    assert str(modelled).endswith("modelled, not measured>")
    assert re.fullmatch(r"<lambda>: .* per call, .*", str(tw.benchmark(lambda: None, unit="call", **QUICK)))  # type: ignore[call-overload]


def test_windows_that_overlap_end_in_any_order() -> None:
    first, second = tw.Meter("first").start(), tw.Meter("second").start()
    first.stop()
    tw.mark("second alone")
    second.stop()
    assert (len(first.laps), len(second.laps)) == (0, 1)
    assert api._stack() == []


def test_a_failing_consumer_of_samples_is_told_at_the_end() -> None:
    source = assembly(channel(Counter(Clock())))
    with (
        pytest.warns(RuntimeWarning, match="on_sample failed .ZeroDivisionError"),
        tw.measure("x", sources=source, on_sample=lambda samples: 1 / 0),  # type: ignore[arg-type, return-value]
    ):
        pass


def test_a_window_inside_a_coroutine_is_what_the_error_advises() -> None:
    async def serve() -> tw.Meter:
        with tw.measure("request") as meter:
            await asyncio.sleep(0)
        return meter

    assert asyncio.run(serve()).duration_s > 0
