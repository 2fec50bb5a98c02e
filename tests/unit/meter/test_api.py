"""measure, Meter, measured, mark: what a person sees."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import pytest
from tests.unit.meter.fakes import Clock, Counter, FakeSource, assembly, channel

import twentywatts as tw
from twentywatts.errors import TwentyWattsError
from twentywatts.figures import Boundary, Evidence
from twentywatts.meter import api, shared
from twentywatts.meter.assemble import Assembly, without
from twentywatts.meter.contract import Channel, How, Scope
from twentywatts.meter.marks import VARIABLE, address, parse, tell_parent


class Bench:
    """A machine with one package (50 W) and one board (200 W) whose meters run on a clock of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.package = channel(Counter(self.clock), "rapl:0", component="cpu 0")
        board = Counter(self.clock, power_w=200.0, range_j=None)
        self.board = channel(board, "nvml:0", component="gpu 0", scope=Scope.GPU, range_j=None)
        self.board = _with_error(self.board, 0.05)
        self.dead = channel(lambda: 7.0, "rapl:9", component="cpu 9")
        original = shared.Sampler

        def sampler(*given: object, **named: object) -> object:
            return original(*given, clock=self.clock, **named)  # type: ignore[misc, arg-type]

        monkeypatch.setattr(shared, "Sampler", sampler)


def _with_error(one: Channel, error_frac: float) -> Channel:
    from dataclasses import replace

    return replace(one, error_frac=error_frac)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_a_window_gives_joules_interval_evidence_and_a_ledger(bench: Bench) -> None:
    with tw.measure("epoch", sources=assembly(bench.package, bench.board)) as m:
        bench.clock.wait(10.0)
    assert m.energy_j == pytest.approx(2500.0, abs=1e-3)
    assert (m.how, m.evidence, m.duration_s) == (How.COUNTER, Evidence.CHIP_COUNTER, 10.0)
    interval = m.interval
    assert interval is not None
    assert interval.low < 2500 - 99 < 2500 + 99 < interval.high
    ledger = m.ledger
    assert ledger.energy_j.mid == pytest.approx(2500.0, abs=1e-3)
    assert (ledger.per, ledger.boundary, ledger.evidence) == ("run", Boundary.DEVICE, Evidence.CHIP_COUNTER)
    assert {entry.part for entry in ledger.entries} == {"cpu 0", "gpu 0"}
    assert "main memory: no live counter" in ledger.not_covered


def test_a_sensor_s_own_error_cancels_in_a_ratio(bench: Bench) -> None:
    windows = []
    for seconds in (1000.0, 2000.0):
        with tw.measure(str(seconds), sources=assembly(bench.board)) as m:
            bench.clock.wait(seconds)
        windows.append(m.ledger)
    spread = windows[1].energy_j.interval
    assert (spread.high - spread.low) / spread.mid == pytest.approx(0.1, rel=0.1)
    ratio = windows[1].ratio(windows[0]).interval
    assert ratio.mid == pytest.approx(2.0, rel=1e-3)
    assert (ratio.high - ratio.low) / ratio.mid < 0.001


def test_laps_part_the_whole(bench: Bench) -> None:
    with tw.measure(sources=assembly(bench.package)) as m:
        bench.clock.wait(1.0)
        tw.mark("prefill")
        bench.clock.wait(3.0)
        m.mark("decode")
        bench.clock.wait(1.0)
    laps = m.laps
    assert [lap.name for lap in laps] == ["prefill", "decode"]
    assert [lap.energy_j for lap in laps] == pytest.approx([50.0, 150.0], abs=1e-3)
    assert m.energy_j == pytest.approx(250.0, abs=1e-3)
    assert laps[1].ledger.energy_j.mid == pytest.approx(150.0, abs=1e-3)


def test_windows_nest_and_marks_go_to_the_innermost(bench: Bench) -> None:
    machine = assembly(bench.package)
    with tw.measure("outer", sources=machine) as outer:
        bench.clock.wait(1.0)
        with tw.measure("inner", sources=machine) as inner:
            bench.clock.wait(2.0)
            tw.mark("lap")
        bench.clock.wait(1.0)
    assert inner.energy_j == pytest.approx(100.0, abs=1e-3)
    assert outer.energy_j == pytest.approx(200.0, abs=1e-3)
    assert [len(inner.laps), len(outer.laps)] == [1, 0]


def test_threads_share_the_sampler_and_have_marks_of_their_own(bench: Bench) -> None:
    machine = assembly(bench.package)
    found: list[tw.Meter] = []

    def work() -> None:
        tw.mark("nobody")
        with tw.measure("thread", sources=machine) as m:
            bench.clock.wait(1.0)
            tw.mark("mine")
        found.append(m)

    with tw.measure("main", sources=machine) as whole:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [lap.name for lap in found[0].laps] == ["mine"]
    assert whole.laps == ()
    assert found[0].energy_j == pytest.approx(50.0, abs=1e-3)


def test_this_process_opens_its_counters_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def find_all(**_: object) -> list[FakeSource]:
        asked.append(1)
        return [FakeSource([bench.package])]

    monkeypatch.setattr("twentywatts.meter.here.find_all", find_all)
    monkeypatch.setattr("twentywatts.meter.here.cache_file", lambda: None)
    monkeypatch.setattr("twentywatts.meter.checks.Judge.__call__", lambda self, channels: {})
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    shared.close_shared()
    try:
        for _ in range(3):
            with tw.measure() as m:
                bench.clock.wait(1.0)
            assert m.energy_j == pytest.approx(50.0, abs=1e-3)
        assert asked == [1]
    finally:
        shared.close_shared()


def test_nothing_alive_is_modelled_and_says_so() -> None:
    with tw.measure(sources=Assembly()) as m:
        sum(range(1000))
    assert m.how is How.MODELLED
    assert m.evidence <= Evidence.MODELLED
    assert m.energy_j is not None
    interval = m.interval
    assert interval is not None
    assert interval.low < m.energy_j < interval.high
    assert "MODELLED" in m.readings[-1].notes[0]
    assert m.ledger.evidence <= Evidence.MODELLED
    assert not m.span.is_measured


def test_a_counter_that_dies_is_modelled_in_the_open(bench: Bench) -> None:
    with tw.measure(sources=assembly(bench.dead)) as m:
        bench.clock.wait(5.0)
    assert [reading.how for reading in m.readings] == [How.UNAVAILABLE, How.MODELLED]
    assert m.readings[0].energy_j is None
    assert any("frozen" in text for text in m.span.total.not_covered)


def test_a_required_measurement_fails_before_the_work_where_nothing_lives(bench: Bench) -> None:
    with pytest.raises(TwentyWattsError, match="twentywatts doctor"), tw.measure(sources=[], require_measured=True):
        pytest.fail("the work must not begin")
    with (
        pytest.raises(TwentyWattsError, match="frozen"),
        tw.measure(sources=assembly(bench.dead), require_measured=True),
    ):
        bench.clock.wait(5.0)


def test_what_goes_wrong_inside_is_not_hidden(bench: Bench) -> None:
    meter = tw.measure(sources=assembly(bench.dead), require_measured=True)

    def work() -> None:
        with meter:
            bench.clock.wait(5.0)
            raise KeyError("work")

    with pytest.raises(KeyError):
        work()
    assert meter.duration_s == 5.0
    assert api._stack() == []


def test_a_board_alone_is_measured_and_the_processor_is_told_apart(bench: Bench) -> None:
    with tw.measure(sources=assembly(bench.board)) as m:
        bench.clock.wait(10.0)
    assert m.energy_j == pytest.approx(2000.0, abs=1e-3)
    assert m.how is How.COUNTER
    assert [reading.how for reading in m.readings] == [How.COUNTER, How.MODELLED]
    assert "the processor: no live counter" in m.ledger.not_covered


def test_a_window_so_far_ends_no_lap(bench: Bench) -> None:
    with tw.Meter("x", sources=assembly(bench.package)) as meter:
        bench.clock.wait(10.0)
        so_far = meter.now()
        bench.clock.wait(10.0)
    assert (so_far.duration_s, meter.duration_s, meter.laps) == (10.0, 20.0, ())
    assert so_far.energy_j == pytest.approx(meter.energy_j / 2, abs=1e-3)


def test_a_meter_is_started_and_stopped_in_order(bench: Bench) -> None:
    meter = tw.Meter("x", sources=assembly(bench.package))
    with pytest.raises(TwentyWattsError, match="not running"):
        meter.stop()
    with pytest.raises(TwentyWattsError, match=r"the meter 'x' is not running: start it first, by `with meter:`"):
        meter.mark("a")
    with pytest.raises(TwentyWattsError, match="not running"):
        meter.now()
    with pytest.raises(TwentyWattsError, match="no result yet"):
        _ = meter.energy_j
    meter.start()
    with pytest.raises(TwentyWattsError, match="running already"):
        meter.start()
    bench.clock.wait(1.0)
    assert meter.stop().energy_j == pytest.approx(50.0, abs=1e-3)
    meter.start()
    bench.clock.wait(2.0)
    assert meter.stop().energy_j == pytest.approx(100.0, abs=1e-3)
    with pytest.raises(TwentyWattsError, match="sampling period"):
        tw.Meter(period_s=0.0)


def test_a_function_is_measured_at_every_call(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = assembly(bench.package)
    monkeypatch.setattr(shared, "shared", lambda: shared.instrument(machine))
    calls: list[int] = []

    @tw.measured(repeat=3, warmup=2)
    def work(number: int) -> int:
        """Work."""
        calls.append(number)
        bench.clock.wait(1.0)
        return number + len(calls)

    assert work(10) == 15
    assert len(calls) == 5
    assert work.__doc__ == "Work."
    assert work.last.energy_j == pytest.approx(150.0, abs=1e-3)  # type: ignore[attr-defined]
    assert len(work.last.laps) == 3  # type: ignore[attr-defined]

    @tw.measured
    def plain() -> str:
        bench.clock.wait(1.0)
        return "done"

    assert plain() == "done"
    assert plain.last.energy_j == pytest.approx(50.0, abs=1e-3)  # type: ignore[attr-defined]
    with pytest.raises(TwentyWattsError, match="repeat"):
        tw.measured(repeat=0)

    async def later() -> None: ...

    with pytest.raises(TwentyWattsError, match="coroutine"):
        tw.measured(later)


def test_another_rank_s_joules_are_not_counted_again(bench: Bench) -> None:
    machine = without(assembly(bench.package, bench.board), {"rapl:0": "another rank"})
    with tw.measure(sources=machine) as m:
        bench.clock.wait(10.0)
    assert m.energy_j == pytest.approx(2000.0, abs=1e-3)
    assert all(reading.how is not How.MODELLED for reading in m.readings)
    assert any("another rank" in text for text in m.span.total.not_covered)
    alone = without(assembly(bench.package), {"rapl:0": "another rank"})
    with tw.measure(sources=alone) as m:
        bench.clock.wait(10.0)
    assert (m.energy_j, m.how) == (None, How.UNAVAILABLE)
    with pytest.raises(TwentyWattsError, match="another rank"):
        _ = m.ledger


def test_marks_reach_the_parent_over_a_pipe_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        monkeypatch.setenv(VARIABLE, address(writing))
        tw.mark("step\t1\nx" + "é" * 500)
        line = os.read(reading, 4096)
        assert len(line) < 512
        found = parse(line.decode("utf-8", "replace"))
        assert found is not None
        assert (found[1], found[2][:8]) == (os.getpid(), "step 1 x")
        monkeypatch.setenv(VARIABLE, f"{writing}:1")
        assert not tell_parent("other pipe")
        for bad in ("", "x", "-1", "99999", "9" * 30):
            monkeypatch.setenv(VARIABLE, bad)
            assert not tell_parent("nobody")
        with (tmp_path / "mine").open("wb") as file:
            monkeypatch.setenv(VARIABLE, str(file.fileno()))
            assert not tell_parent("a file is not written to")
        assert (tmp_path / "mine").read_bytes() == b""
    finally:
        os.close(reading)
        os.close(writing)
    monkeypatch.delenv(VARIABLE)
    tw.mark("nobody listens")


@pytest.mark.parametrize("line", ["", "x\t1\ta", "1\tx\ta", "1\t2", "nan\t2\ta", "1\t2\ta\tb"])
def test_a_damaged_mark_is_none(line: str) -> None:
    assert parse(line) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own_counters() -> None:
    shared._SHARED.append(shared.Instrument(assembly=Assembly(), sampler=shared.Sampler([])))
    shared._LOCK.acquire()
    api._stack().append(tw.Meter())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads that other tests left
            pid = os.fork()
        if pid == 0:
            os._exit(0 if not (shared._SHARED or shared._LOCK.locked() or api._stack()) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        api._stack().clear()
        shared._LOCK.release()
        shared.close_shared()
