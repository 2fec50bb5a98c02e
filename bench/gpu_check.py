"""Check the NVML source on a real board: how often the counter moves, idle and load, and how long a window must be.

Method: the energy counter is the one that ``twentywatts.meter`` uses. (1) Counter and instant power are polled about
every millisecond; the median time between changes is their period. (2) Idle, then under a constant load (a matrix
product in a process of its own), counter and power are recorded; the mean power by the counter is compared with the
integral of the instant power. (3) The recordings are cut into windows of 0.1 to 20 s: the spread of (counter ÷
integral) shows how long a window must be. The rule under test: an edge is off by at most one period u on each side,
so a window T at constant power is off by at most 2u/T.
The idle part needs Python and nvidia-ml-py alone; the load needs PyTorch, CuPy or Numba with CUDA.
Usage: python bench/gpu_check.py [--gpu 0] [--seconds 60] [--idle-only] > report.md
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

try:
    import twentywatts  # noqa: F401
except ImportError:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from twentywatts.meter.contract import Channel, Quantity, ReadError
from twentywatts.meter.sources.nvml import find
from twentywatts.meter.sources.nvml_api import Board, Library
from twentywatts.meter.sources.sensors import board_sensor

WINDOWS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
POLL_S = 0.001
SAMPLE_S = 0.02
PERIOD_PART_S = 3.0
WARM_S = 5.0
Read = Callable[[], float]
Loader = Callable[[float], Any]


@dataclass(frozen=True)
class Bench:
    """clock, sleep: of the machine or of a test."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Recording:
    """Samples: time [s], counter [J], instant power [W]; the last two are None where the board does not tell."""

    samples: list[tuple[float, float | None, float | None]]

    @property
    def length_s(self) -> float:
        """From the first sample to the last."""
        return self.samples[-1][0] - self.samples[0][0]


def period_s(read: Read, bench: Bench) -> float | None:
    """Return the median time between two changes of a value [s], None where it changed fewer than 5 times."""
    changes, last = [], read()
    ends_s = bench.clock() + PERIOD_PART_S
    while (now_s := bench.clock()) < ends_s:
        value = read()
        if value != last:
            changes.append(now_s)
            last = value
        bench.sleep(POLL_S)
    gaps = [later - earlier for earlier, later in pairwise(changes)]
    return statistics.median(gaps) if len(gaps) >= 4 else None


def record(counter: Read | None, power: Read | None, length_s: float, bench: Bench) -> Recording:
    """Return what counter and power gave over ``length_s``; failed reads are None."""

    def value(read: Read | None) -> float | None:
        try:
            return None if read is None else read()
        except ReadError:
            return None

    samples = []
    ends_s = bench.clock() + length_s
    while (now_s := bench.clock()) < ends_s:
        samples.append((now_s, value(counter), value(power)))
        bench.sleep(SAMPLE_S)
    return Recording(samples)


def integral_j(samples: Sequence[tuple[float, float | None, float | None]]) -> float | None:
    """Return the energy of the instant power over samples by the trapezoid rule [J]."""
    if any(power is None for _, _, power in samples):
        return None
    pairs = pairwise(samples)
    return sum((later[0] - earlier[0]) * (later[2] + earlier[2]) / 2 for earlier, later in pairs)  # type: ignore[operator]


def ratios(recording: Recording, window_s: float) -> list[float]:
    """Return counter ÷ integral for the windows of a recording, half a window apart."""
    samples, found, start = recording.samples, [], 0
    while start < len(samples):
        end = start
        while end < len(samples) and samples[end][0] - samples[start][0] < window_s - SAMPLE_S / 2:
            end += 1
        if end >= len(samples):
            break
        part = samples[start : end + 1]
        first, last, integral = part[0][1], part[-1][1], integral_j(part)
        if first is not None and last is not None and integral:
            found.append((last - first) / integral)
        start += max((end - start) // 2, 1)
    return found


def window_table(recording: Recording, update_s: float) -> Iterator[str]:
    """Yield the lines of the table of windows."""
    whole = ratios(recording, recording.length_s * 0.95)
    if not whole:
        yield "counter or instant power is missing: no table"
        return
    gain = statistics.fmean(whole)
    yield "| window s | windows | mean ratio | sd % | worst % | bound 2u/T % | holds |"
    yield "|---|---|---|---|---|---|---|"
    for window_s in WINDOWS_S:
        found = ratios(recording, window_s)
        if len(found) < 3:
            continue
        worst = max(abs(ratio / gain - 1) for ratio in found)
        sd = statistics.stdev(found) / gain
        bound = 2 * update_s / window_s
        yield (
            f"| {window_s:g} | {len(found)} | {statistics.fmean(found):.4f} | {sd * 100:.2f} | {worst * 100:.2f} "
            f"| {bound * 100:.2f} | {'yes' if worst <= bound else 'no'} |"
        )
    yield ""
    yield f"counter ÷ integral over the whole recording: {gain:.4f}"


def part(title: str, recording: Recording, update_s: float) -> Iterator[str]:
    """Yield the lines on one recording."""
    yield f"## {title}"
    yield ""
    first, last = recording.samples[0], recording.samples[-1]
    failed = sum(sample[1] is None for sample in recording.samples)
    length_s = recording.length_s
    if first[1] is not None and last[1] is not None:
        yield f"- counter: {(last[1] - first[1]) / length_s:.2f} W over {length_s:.1f} s, {failed} failed reads"
    integral = integral_j(recording.samples)
    if integral is not None:
        powers = [sample[2] for sample in recording.samples if sample[2] is not None]
        spread = f"{min(powers):.1f} to {max(powers):.1f}"
        yield f"- instant power: {integral / length_s:.2f} W in the mean, {spread} W"
    yield ""
    yield from window_table(recording, update_s)
    yield ""


@contextmanager
def process_load(seconds: float, *, uuid: str) -> Iterator[str]:
    """Run the load on a board in a process of its own; gives its name, empty where there is nothing to run it with."""
    command = [sys.executable, __file__, "--load", str(seconds)]
    seen = {**os.environ, "CUDA_VISIBLE_DEVICES": uuid}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=seen) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def run_load(seconds: float) -> None:
    """Multiply matrices on the board for so long; prints what with, or an empty line where there is nothing."""
    step = _torch() or _cupy() or _numba()
    if step is None:
        print("", flush=True)
        return
    name, multiply = step
    multiply()
    print(name, flush=True)
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        multiply()


def _torch() -> tuple[str, Callable[[], object]] | None:
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    left = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)

    def multiply() -> None:
        for _ in range(20):
            torch.mm(left, left)
        torch.cuda.synchronize()

    return f"torch {torch.__version__}, 8192² float16 products", multiply


def _cupy() -> tuple[str, Callable[[], object]] | None:
    try:
        import cupy

        left = cupy.random.standard_normal((8192, 8192), dtype=cupy.float32)
    except Exception:  # not installed, or no board that it can use
        return None

    def multiply() -> None:
        for _ in range(5):
            left @ left
        cupy.cuda.Device().synchronize()

    return f"cupy {cupy.__version__}, 8192² float32 products", multiply


def _numba() -> tuple[str, Callable[[], object]] | None:
    try:
        import numba
        import numpy as np
        from numba import cuda

        if not cuda.is_available():
            return None
        values = cuda.to_device(np.ones(1 << 24, dtype=np.float32))
    except Exception:  # not installed, or no board that it can use
        return None

    @cuda.jit
    def spin(array: Any) -> None:
        index = cuda.grid(1)
        if index < array.size:
            value = array[index]
            for _ in range(4096):
                value = value * 1.0000001 + 1e-7
            array[index] = value

    def multiply() -> None:
        for _ in range(5):
            spin[(1 << 24) // 256, 256](values)
        cuda.synchronize()

    return f"numba {numba.__version__}, chains of multiply-add", multiply


def choose(channels: Sequence[Channel], gpu: int) -> Channel:
    """Return the channel of one board; exits with one line where there is none."""
    found = [channel for channel in channels if channel.component.startswith(f"gpu {gpu}")]
    if not found:
        raise SystemExit(f"gpu_check: no readable NVIDIA board {gpu}")
    return found[0]


def report(
    *,
    gpu: int,
    seconds: float,
    idle_only: bool,
    nvml: Any = None,
    bench: Bench | None = None,
    load: Loader | None = None,
) -> Iterator[str]:
    """Yield the lines of the report; exits with one line where there is no board. nvml, bench, load: for tests."""
    bench = bench or Bench()
    source = find(nvml=nvml, environ={})
    if not source.channels():
        reasons = "; ".join(finding.reason for finding in source.findings())
        raise SystemExit(f"gpu_check: nothing to check here: {reasons}")
    channel = choose(source.channels(), gpu)
    if nvml is None:
        import pynvml as nvml  # type: ignore[no-redef]
    library = Library(nvml)
    library.hold()
    board = Board(library, channel.key.split(":")[1], None)
    load = load or partial(process_load, uuid=board.uuid)
    sensor = board_sensor(board.architecture())
    counter = channel.read if channel.quantity is Quantity.ENERGY else None
    power = board.instant_w if _works(board.instant_w) else board.usage_w if _works(board.usage_w) else None
    driver = library.text("nvmlSystemGetDriverVersion")
    yield f"# {channel.component}, driver {driver}"
    yield ""
    yield f"- architecture: {sensor.architecture or 'unknown'}, board limit {board.limit_w() or 0:g} W"
    yield f"- source: {channel.key.split(':')[0]}, {channel.quantity}; notes: {'; '.join(channel.notes) or 'none'}"
    yield f"- Python {sys.version.split()[0]}, nvidia-ml-py {getattr(nvml, '__version__', 'unknown')}"
    periods = {name: period_s(read, bench) for name, read in (("counter", counter), ("power", power)) if read}
    for name, found in periods.items():
        assumed_s = channel.period_s if name == "counter" else sensor.update_s
        said = f"{found * 1e3:.1f} ms" if found else "changed fewer than 5 times in 3 s"
        yield f"- update period of the {name}: {said} (assumed {assumed_s * 1e3:.0f} ms)"
    yield ""
    update_s = periods.get("counter") or channel.period_s
    yield from part("Idle", record(counter, power, seconds / 2, bench), update_s)
    if not idle_only:
        with load(seconds + 2 * WARM_S) as name:
            if not name:
                yield "No load: neither PyTorch, CuPy nor Numba can use the board here."
            else:
                bench.sleep(WARM_S)
                yield from part(f"Load: {name}", record(counter, power, seconds, bench), update_s)
    library.release()
    for each in source.channels():
        each.close()


def _works(read: Read) -> bool:
    try:
        read()
    except ReadError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--gpu", type=int, default=0, help="number of the board in NVML's order")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the recording under load")
    parser.add_argument("--idle-only", action="store_true", help="no load")
    parser.add_argument("--load", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.load is not None:
        run_load(given.load)
        return
    for line in report(gpu=given.gpu, seconds=given.seconds, idle_only=given.idle_only):
        print(line, flush=True)


if __name__ == "__main__":
    main()
