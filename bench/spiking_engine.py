"""The event engine against the libraries: one thread, interleaved in one run, spikes checked.

Method: an MLP 784-1024-1024-10 and a small convnet (2×32×32, conv 32 s1, conv 64 s2, fully connected 10) of leaky
neurons (decay 0.9, threshold 1, one spike per step, reset by subtraction in the same step, no decay of the input), 100
steps, random weights whose scale is set so that every layer fires at the rate of the input; a weight is one of 255
levels, so that int8 and float32 hold the same network. All get the same zeros and ones: the libraries as float32
tensors, the engine as booleans; packing (once per network) and compilation are timed apart. In every round each
competitor runs in turn, for 50 ms at least, and the medians over all its runs are compared. A row counts
only if every layer's spike count is within 1 % of the plain float32 reference; others are listed, not compared.
Peers run in their own Python (--peers, bench/spiking_peers.py), in a process that waits while others are timed. NEST
and Brian2 build the same network of their own neurons (batch 1 of the MLP) and run once per rate, as a run takes long.

Usage: OMP_NUM_THREADS=1 python bench/spiking_engine.py --peers /path/to/python [--rounds 9] [--quick]
where that Python has torch, snntorch, sinabs, norse, spikingjelly, and may have nest-simulator and brian2.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from twentywatts.forms.spiking import SpikingEngine
from twentywatts.forms.spiking.memory import bytes_per_neuron
from twentywatts.network_spiking import Conv, Dense, Neurons, Projection, SpikingLayer, SpikingNetwork

STEPS, DECAY, AT_LEAST_S = 100, 0.9, 0.05
RATES = (0.01, 0.05, 0.2)
ONCE = ("NEST", "Brian2")
GOALS = {  # times the fastest library: net, batch is 1, weights → by rate
    ("mlp", True, "int8"): (80, 20, 8),
    ("mlp", False, "int8"): (25, 8, 2.5),
    ("mlp", True, "float32"): (30, 8, 2.5),
    ("mlp", False, "float32"): (10, 3, 1),
    ("conv", True, "float32"): (15, 5, 1),
    ("conv", False, "float32"): (15, 5, 1),
    ("conv", True, "int8"): (15, 5, 1),
    ("conv", False, "int8"): (15, 5, 1),
}
Array = np.ndarray


@dataclass
class Case:
    """One network at one rate and batch. samples: (batch, steps, *shape) of booleans."""

    net: str
    rate: float
    batch: int
    network: SpikingNetwork
    samples: Array
    reference: list[int] = field(default_factory=list)


def mlp(scales: list[float]) -> SpikingNetwork:
    rng, layers, source, inputs = np.random.default_rng(0), [], "input", 784
    for number, (count, scale) in enumerate(zip((1024, 1024, 10), scales, strict=True)):
        weight = levels(rng.normal(0, 1, (count, inputs))) * np.float32(scale)
        layers.append(layer(f"layer {number + 1}", (count,), source, Dense(weight=weight)))
        source, inputs = layers[-1].name, count
    return SpikingNetwork(inputs={"input": (784,)}, layers=tuple(layers), name="mlp")


def convnet(scales: list[float]) -> SpikingNetwork:
    rng = np.random.default_rng(0)
    shapes = ((32, 2, 3, 3), (64, 32, 3, 3), (10, 64 * 16 * 16))
    first, second, last = (
        levels(rng.normal(0, 1, shape)) * np.float32(scale) for shape, scale in zip(shapes, scales, strict=True)
    )
    layers = (
        layer("layer 1", (32, 32, 32), "input", Conv(weight=first, padding=1)),
        layer("layer 2", (64, 16, 16), "layer 1", Conv(weight=second, padding=1, stride=2)),
        layer("layer 3", (10,), "layer 2", Dense(weight=last)),
    )
    return SpikingNetwork(inputs={"input": (2, 32, 32)}, layers=layers, name="conv")


def levels(normal: Array) -> Array:
    """Return weights of 255 levels, the largest 4 standard deviations."""
    return np.clip(np.rint(normal * 127 / 4), -127, 127).astype(np.float32) * np.float32(4 / 127)


def whole(network: SpikingNetwork) -> SpikingNetwork:
    """Return the same network with its weights as int8, without any loss."""

    def held(one: SpikingLayer) -> SpikingLayer:
        (projection,) = one.projections
        weight = projection.synapses.weight
        step = np.abs(weight[weight != 0]).min()
        counts = np.rint(weight / step)
        assert np.abs(counts).max() <= 127
        assert np.allclose(counts * step, weight, rtol=1e-5)
        synapses = replace(projection.synapses, weight=counts.astype(np.int8))
        return replace(one, projections=(replace(projection, synapses=synapses, scale=float(step)),))

    return replace(network, layers=tuple(held(one) for one in network.layers))


def layer(name: str, shape: tuple[int, ...], source: str, synapses: Dense | Conv) -> SpikingLayer:
    neurons = Neurons(shape=shape, threshold=1.0, decay=DECAY)
    return SpikingLayer(name=name, neurons=neurons, projections=(Projection(source=source, synapses=synapses),))


MAKERS: dict[str, Callable[[list[float]], SpikingNetwork]] = {"mlp": mlp, "conv": convnet}


def scales_for(net: str, samples: Array, rate: float) -> list[float]:
    """Return the scale of each layer's weights at which it fires at ``rate``, by bisection, layer after layer."""
    scales = [1e-6] * 3
    for number in range(3):
        low, high = 1e-4, 10.0
        for _ in range(11):
            scales[number] = (low * high) ** 0.5
            network = MAKERS[net](scales)
            counts = SpikingEngine(network).run(samples).counts
            chosen = network.layers[number]
            sent = counts[chosen.name].spikes_out.sum() / (samples.shape[0] * STEPS * chosen.neurons.count)
            low, high = (low, scales[number]) if sent > rate else (scales[number], high)
    return scales


def case_of(net: str, rate: float, batch: int, scales: list[float]) -> Case:
    network = MAKERS[net](scales)
    shape = network.inputs["input"]
    samples = np.random.default_rng(batch).random((batch, STEPS, *shape)) < rate
    case = Case(net=net, rate=rate, batch=batch, network=network, samples=samples)
    case.reference = reference(network, samples)
    return case


def reference(network: SpikingNetwork, samples: Array) -> list[int]:
    """Return spikes of each layer, by plain NumPy in float32: every step, every neuron, no event lists.

    Sums are matrix products, so their order is the library's; tests compare the trains bit for bit.
    """
    signal, totals = samples.astype(np.float32), []
    for one in network.layers:
        neurons = one.neurons
        membrane = np.zeros((len(samples), *neurons.shape), np.float32)
        trains = np.zeros((len(samples), STEPS, *neurons.shape), np.bool_)
        for step in range(STEPS):
            total = propagated(signal[:, step].astype(np.float32), one.projections[0].synapses)
            membrane = membrane * np.float32(DECAY) + total.reshape(membrane.shape)
            spikes = membrane >= 1
            membrane -= spikes
            trains[:, step] = spikes
        totals.append(int(trains.sum()))
        signal = trains
    return totals


def propagated(x: Array, synapses: Any) -> Array:
    if isinstance(synapses, Dense):
        return x.reshape(len(x), -1) @ synapses.weight.T
    (stride, _), ((begin, end), _), _ = synapses.window()
    padded = np.pad(x, ((0, 0), (0, 0), (begin, end), (begin, end)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, synapses.weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    samples, _, rows, columns = windows.shape[:4]
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(samples * rows * columns, -1)
    out = flat @ synapses.weight.reshape(len(synapses.weight), -1).T
    return out.reshape(samples, rows, columns, -1).transpose(0, 3, 1, 2)


@contextmanager
def peers_at(python: str) -> Iterator[tuple[Connection, dict[str, str]]]:
    with TemporaryDirectory() as folder:
        address = str(Path(folder, "line"))
        with Listener(address, "AF_UNIX") as listener:
            child = subprocess.Popen(
                [python, "-W", "ignore", str(Path(__file__).with_name("spiking_peers.py")), address], stdout=sys.stderr
            )
            line = listener.accept()
            try:
                yield line, line.recv()
            finally:
                line.send(None)
                child.wait(timeout=60)


def timed_rounds(case: Case, line: Connection, rounds: int, slow: bool) -> dict[str, tuple[float, list[int]]]:
    """Return by competitor the median time per sample [s] and the spikes of each layer."""
    weights = [np.asarray(one.projections[0].synapses.weight) for one in case.network.layers]
    line.send(("case", case.net, weights, case.samples, slow))
    names = line.recv()
    if isinstance(names, str):
        raise SystemExit(f"the peers cannot run: {names}")
    engines = {"ours, float32": SpikingEngine(case.network), "ours, int8": SpikingEngine(whole(case.network))}
    took: dict[str, list[float]] = {name: [] for name in [*engines, *names]}
    spikes: dict[str, list[int]] = {}
    for number in range(rounds + 1):  # the first round warms up and is not counted
        if number == 1:
            took = {name: [] if name not in ONCE else times for name, times in took.items()}
        for name, engine in engines.items():
            end = time.perf_counter() + AT_LEAST_S
            while True:
                begin = time.perf_counter()
                done = engine.run(case.samples)
                took[name].append(time.perf_counter() - begin)
                if time.perf_counter() > end:
                    break
            spikes[name] = [int(count.spikes_out.sum()) for count in done.counts.values()]
        for name in names:
            if name not in took or (name in ONCE and number):
                continue
            line.send(("run", name, AT_LEAST_S))
            answer = line.recv()
            if isinstance(answer, str):
                print(f"  {name}: {answer}", file=sys.stderr)
                took.pop(name, None)
                continue
            took[name] += answer[0]
            spikes[name] = answer[1]
    return {name: (statistics.median(times) / case.batch, spikes[name]) for name, times in took.items() if times}


def report(case: Case, found: dict[str, tuple[float, list[int]]]) -> None:
    """Print the rows of a case, the fastest first."""
    same = {
        name: max(abs(a - b) / max(1, b) for a, b in zip(s, case.reference, strict=True))
        for name, (_, s) in found.items()
    }
    peers = {name: time_s for name, (time_s, _) in found.items() if not name.startswith("ours") and same[name] <= 0.01}
    best = min(peers, key=lambda name: peers[name])
    for name, (time_s, _) in sorted(found.items(), key=lambda item: item[1][0]):
        off = same[name]
        words = f"{off:.2%}" if off <= 0.01 else f"{off:.0%}: not compared"
        times = f"{time_s / peers[best]:.2f}"
        if name.startswith("ours"):
            goal = GOALS[case.net, case.batch == 1, name.removeprefix("ours, ")][RATES.index(case.rate)]
            ratio = peers[best] / time_s
            times = f"**{ratio:.1f}×** (goal {goal}×{'' if off <= 0.01 and ratio >= goal else ': missed'})"
        print(f"| {case.net} | {case.rate:.0%} | {case.batch} | {name} | {time_s * 1e3:.3f} | {times} | {words} |")
    sys.stdout.flush()


def compile_time_s(python: str) -> float:
    """Return how long all kernels take to compile in a fresh process with an empty cache [s]."""
    code = (
        "import time, numpy as np\nfrom bench.spiking_engine import *\nbegin = time.perf_counter()\n"
        "for make, shape in ((mlp, (784,)), (convnet, (2, 32, 32))):\n"
        "    network = make([.1, .1, .1])\n"
        "    x = np.zeros((1, 2, *shape), bool)\n"
        "    for one in (network, whole(network)): SpikingEngine(one).run(x)\n"
        "print(time.perf_counter() - begin)"
    )
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
            cwd=Path(__file__).parents[1],
        )
    return float(done.stdout)


def linearity(rounds: int) -> tuple[float, float, float]:
    """Return R² of a line through time against synaptic events, its slope [s] and intercept [s], float32 MLP."""
    rng, points = np.random.default_rng(3), []
    network = mlp([0.03, 0.03, 0.03])
    engine = SpikingEngine(network)
    samples = [rng.random((8, STEPS, 784)) < rate for rate in (0.01, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3)]
    took: list[list[float]] = [[] for _ in samples]
    for _ in range(rounds + 1):
        for number, x in enumerate(samples):
            begin = time.perf_counter()
            engine.run(x)
            took[number].append(time.perf_counter() - begin)
    for x, times in zip(samples, took, strict=True):
        counts = engine.run(x).counts.values()
        events = sum(int((c.synaptic_events + c.zero_weight_events).sum()) for c in counts)
        points.append((events, min(times[1:])))  # the least: what other programs add is no cost of events
    events, times = np.array(points).T
    slope, start = np.polyfit(events, times, 1)
    left = times - (slope * events + start)
    return float(1 - left.var() / times.var()), float(slope), float(start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", required=True, help="a Python that has torch and the libraries")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that are timed")
    parser.add_argument("--only", default="", help="a net, to look at it alone")
    parser.add_argument("--quick", action="store_true", help="without NEST, Brian2 and the time to compile")
    given = parser.parse_args()
    with peers_at(given.peers) as (line, versions):
        print(
            f"{platform.machine()}, Python {platform.python_version()}, one thread; medians of {given.rounds} rounds; "
            + ", ".join(f"{name} {version}" for name, version in versions.items())
        )
        print("\n| net | rate | batch | engine | ms per sample | against the fastest library | spikes off by |")
        print("|---|---|---|---|---|---|---|")
        for net, batches in (("mlp", (1, 128)), ("conv", (1, 16))):
            if given.only not in ("", net):
                continue
            for rate in RATES:
                shape = (784,) if net == "mlp" else (2, 32, 32)
                scales = scales_for(net, np.random.default_rng(9).random((2, STEPS, *shape)) < rate, rate)
                for batch in batches:
                    case = case_of(net, rate, batch, scales)
                    rounds = given.rounds if batch == 1 else max(3, given.rounds // 3)
                    report(case, timed_rounds(case, line, rounds, slow=not given.quick))
    squared, slope, start = linearity(given.rounds)
    print(
        f"\ncost against synaptic events (float32 MLP, 8 samples, rates 1 to 30 %): R² = {squared:.4f}, "
        f"{slope * 1e9:.3f} ns per event, {start * 1e3:.2f} ms at none"
    )
    print(f"memory: {bytes_per_neuron():.0f} bytes per neuron in a batch of one, weights and their tables apart")
    if not given.quick:
        print(f"compiling all kernels, once per machine: {compile_time_s(sys.executable):.0f} s")


if __name__ == "__main__":
    main()
