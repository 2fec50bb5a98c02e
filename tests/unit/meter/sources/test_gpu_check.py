"""bench/gpu_check.py against a fake board: what it measures is what the fake plays."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest
from tests.support.fake_nvml import LIBRARY_NOT_FOUND, Clock, FakeBoard, FakeNvml
from tests.support.repository import ROOT

from twentywatts.meter.sources.nvml import find

SCRIPT = ROOT / "bench" / "gpu_check.py"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module
    spec.loader.exec_module(module)
    return module


def _report(check: ModuleType, board: FakeBoard, clock: Clock, *, idle_only: bool = False) -> str:
    @contextmanager
    def load(_: float) -> Iterator[str]:
        board.counted_from_s, board.started_j = clock(), board.energy_j(clock())
        board.power_w = 600.0
        yield "a test"

    nvml = FakeNvml([board], clock)
    bench = check.Bench(clock=clock, sleep=clock.sleep)
    lines = check.report(gpu=0, seconds=45.0, idle_only=idle_only, nvml=nvml, bench=bench, load=load)
    text = "\n".join(lines)
    assert nvml.open == 0
    return text


def test_a_constant_load_holds_the_rule(check: ModuleType) -> None:
    clock = Clock(0.5)
    text = _report(check, FakeBoard(power_w=70.0), clock)
    assert "driver 580.00.00" in text
    assert "update period of the counter: 100.0 ms" in text
    assert "counter: 70.0" in text or "counter: 69.9" in text
    assert "Load: a test" in text
    assert "| no |" not in text
    assert "| 20 |" in text


def test_a_counter_that_is_slower_than_it_is_said_to_be_is_seen(check: ModuleType) -> None:
    text = _report(check, FakeBoard(power_w=70.0, update_s=0.5), Clock(0.5), idle_only=True)
    assert "update period of the counter: 50" in text


def test_a_board_without_a_counter_is_told(check: ModuleType) -> None:
    board = FakeBoard(has=frozenset({"usage"}), architecture="pascal", capability=(6, 1))
    assert "no table" in _report(check, board, Clock(0.0), idle_only=True)


def test_without_a_board_there_is_one_line(check: ModuleType) -> None:
    with pytest.raises(SystemExit, match="nothing to check here"):
        list(check.report(gpu=0, seconds=1.0, idle_only=True, nvml=FakeNvml(init_error=LIBRARY_NOT_FOUND)))
    with pytest.raises(SystemExit, match="no readable NVIDIA board 3"):
        list(check.report(gpu=3, seconds=1.0, idle_only=True, nvml=FakeNvml([FakeBoard()])))


@pytest.mark.skipif(bool(find(environ={}).channels()), reason="this machine has a board")
def test_the_script_says_so_in_one_line() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
