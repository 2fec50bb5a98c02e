"""The competitors of bench/spiking_engine.py, in a Python of their own: they build, run and count as they are told.

Needs numpy and torch; snntorch, sinabs, norse, spikingjelly, nest-simulator and Brian2 where they are installed. All
run on one thread, without gradients. Norse's box resets to zero, NEST too: their spikes differ, and the row says so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Client
from typing import Any

import numpy as np

STEPS, DECAY = 100, 0.9
Array = np.ndarray
Runner = Callable[[], tuple[float, list[int]]]


def main(address: str) -> None:
    with Client(address, "AF_UNIX") as line:
        runners: dict[str, Runner] = {}
        line.send(versions())
        while (word := line.recv()) is not None:
            try:
                if word[0] == "case":
                    runners = runners_of(*word[1:])
                    line.send(sorted(runners))
                else:
                    line.send(repeated(runners[word[1]], word[2]))
            except Exception as error:
                line.send(f"{type(error).__name__}: {error}"[:200])


def repeated(run: Runner, at_least_s: float) -> tuple[list[float], list[int]]:
    """Return the times of as many runs as fill a while, and the spikes of the last."""
    times: list[float] = []
    while True:
        took, spikes = run()
        times.append(took)
        if sum(times) > at_least_s:
            return times, spikes


def versions() -> dict[str, str]:
    found = {}
    for name in ("torch", "snntorch", "sinabs", "norse", "spikingjelly", "nest-simulator", "Brian2"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def runners_of(net: str, weights: list[Array], samples: Array, slow: bool) -> dict[str, Runner]:
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    x = torch.tensor(samples.swapaxes(0, 1).astype(np.float32))  # steps, batch, ...
    maps = torch_maps(net, weights)
    found: dict[str, Runner] = {}
    for name, make in (("snnTorch", snntorch_net), ("SpikingJelly", jelly_net), ("sinabs", sinabs_net)):
        try:
            found |= {key: timed(run, x) for key, run in make(maps).items()}
        except ImportError:
            print(f"{name} is not installed", file=sys.stderr)
    try:
        found |= {"Norse": timed(norse_net(maps), x)}
    except ImportError:
        print("Norse is not installed", file=sys.stderr)
    if slow and net == "mlp" and len(samples) == 1:
        found |= {"NEST": lambda: nest_run(weights, samples[0]), "Brian2": lambda: brian_run(weights, samples[0])}
    return found


def timed(run: Any, x: Any) -> Runner:
    def once() -> tuple[float, list[int]]:
        begin = time.perf_counter()
        trains = run(x)
        took = time.perf_counter() - begin
        return took, [int(train.sum()) for train in trains]

    return once


def torch_maps(net: str, weights: list[Array]) -> list[Any]:
    import torch
    from torch import nn

    maps: list[Any] = []
    for number, weight in enumerate(weights):
        if weight.ndim == 4:
            out, inputs = weight.shape[:2]
            one: Any = nn.Conv2d(inputs, out, 3, stride=1 + (number == 1), padding=1, bias=False)
        else:
            one = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        one.weight.data = torch.tensor(weight)
        maps.append(nn.Sequential(nn.Flatten(), one) if net == "conv" and weight.ndim == 2 else one)
    return maps


def flat(one: Any, x: Any) -> Any:
    """Apply a map to (steps, batch, …) at once."""
    out = one(x.flatten(0, 1))
    return out.unflatten(0, x.shape[:2])


def stepwise(maps: list[Any], fresh: Callable[[], list[Any]]) -> Callable[[Any], list[Any]]:
    """Return a run step by step, all layers in each, with functions (current) → spikes of one layer."""
    import torch

    def run(x: Any) -> list[Any]:
        neurons, trains = fresh(), [[] for _ in maps]
        for step in range(STEPS):
            signal = x[step]
            for one, neuron, train in zip(maps, neurons, trains, strict=True):
                signal = neuron(one(signal))
                train.append(signal)
        return [torch.stack(train) for train in trains]

    return run


def layerwise(maps: list[Any], fresh: Callable[[], list[Any]]) -> Callable[[Any], list[Any]]:
    """Return a run layer by layer, all steps at once."""

    def run(x: Any) -> list[Any]:
        trains, signal = [], x
        for one, neuron in zip(maps, fresh(), strict=True):
            signal = neuron(flat(one, signal))
            trains.append(signal)
        return trains

    return run


def snntorch_net(maps: list[Any]) -> dict[str, Any]:
    import snntorch

    leaky = [snntorch.Leaky(beta=DECAY, threshold=1.0, reset_delay=False) for _ in maps]

    def fresh() -> list[Any]:
        def of(neuron: Any) -> Any:
            held = [neuron.init_leaky()]

            def step(current: Any) -> Any:
                spikes, held[0] = neuron(current, held[0])
                return spikes

            return step

        return [of(neuron) for neuron in leaky]

    return {"snnTorch": stepwise(maps, fresh)}


def jelly_net(maps: list[Any]) -> dict[str, Any]:
    from spikingjelly.activation_based import neuron

    def nodes(mode: str) -> list[Any]:
        how = {"tau": 1 / (1 - DECAY), "decay_input": False, "v_threshold": 1.0, "v_reset": None}
        return [neuron.LIFNode(step_mode=mode, **how) for _ in maps]

    def fresh_of(made: list[Any]) -> Callable[[], list[Any]]:
        def fresh() -> list[Any]:
            for node in made:
                node.reset()
            return made

        return fresh

    return {
        "SpikingJelly, multi-step": layerwise(maps, fresh_of(nodes("m"))),
        "SpikingJelly, single-step": stepwise(maps, fresh_of(nodes("s"))),
    }


def sinabs_net(maps: list[Any]) -> dict[str, Any]:
    from sinabs.activation import SingleSpike
    from sinabs.layers import LIF

    tau = -1 / np.log(DECAY)
    made = [LIF(tau_mem=float(tau), spike_threshold=1.0, norm_input=False, spike_fn=SingleSpike) for _ in maps]

    def fresh() -> list[Any]:
        def of(neuron: Any) -> Any:
            neuron.reset_states()
            return lambda current: neuron(current.transpose(0, 1)).transpose(0, 1)

        return [of(neuron) for neuron in made]

    return {"sinabs": layerwise(maps, fresh)}


def norse_net(maps: list[Any]) -> Any:
    """Return Norse's LIF box: it decays its input too (undone by the gain of 10) and resets to zero."""
    import torch
    from norse.torch import LIFBoxCell, LIFBoxParameters

    how = LIFBoxParameters(tau_mem_inv=torch.tensor((1 - DECAY) * 1000), v_th=torch.tensor(1.0))
    cells = [LIFBoxCell(p=how, dt=0.001) for _ in maps]

    def fresh() -> list[Any]:
        def of(cell: Any) -> Any:
            held: list[Any] = [None]

            def step(current: Any) -> Any:
                spikes, held[0] = cell(current / (1 - DECAY), held[0])
                return spikes

            return step

        return [of(cell) for cell in cells]

    return stepwise(maps, fresh)


def nest_run(weights: list[Array], sample: Array) -> tuple[float, list[int]]:
    import nest

    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR if hasattr(nest, "VerbosityLevel") else nest.verbosity
    nest.resolution, nest.local_num_threads = 1.0, 1
    tau = float(-1 / np.log(DECAY))
    give = nest.Create("spike_generator", sample.shape[1])
    give.set([{"spike_times": (np.flatnonzero(sample[:, i]) + 1.0).tolist()} for i in range(sample.shape[1])])
    before = nest.Create("parrot_neuron", sample.shape[1])
    nest.Connect(give, before, "one_to_one", {"delay": 1.0})
    recorders = []
    for weight in weights:
        how = {"V_th": 1.0, "E_L": 0.0, "V_reset": 0.0, "V_m": 0.0, "tau_m": tau, "C_m": tau, "t_ref": 0.0}
        after = nest.Create("iaf_psc_delta", len(weight), params=how)
        nest.Connect(before, after, "all_to_all", {"weight": weight.astype(float), "delay": 1.0})
        recorders.append(nest.Create("spike_recorder"))
        nest.Connect(after, recorders[-1])
        before = after
    nest.Prepare()
    begin = time.perf_counter()
    nest.Run(float(STEPS + 8))
    took = time.perf_counter() - begin
    nest.Cleanup()
    return took, [int(recorder.n_events) for recorder in recorders]


def brian_run(weights: list[Array], sample: Array) -> tuple[float, list[int]]:
    import brian2 as b

    b.start_scope()
    b.prefs.codegen.target = "cython"
    b.defaultclock.dt = 1 * b.ms
    times, neurons = np.nonzero(sample)
    source = b.SpikeGeneratorGroup(sample.shape[1], neurons, times * b.ms)
    network, monitors, before = b.Network(source), [], source
    for weight in weights:
        after = b.NeuronGroup(
            len(weight),
            "dv/dt = -v / tau : 1",
            threshold="v >= 1",
            reset="v -= 1",
            method="exact",
            namespace={"tau": float(-1 / np.log(DECAY)) * b.ms},
        )
        synapses = b.Synapses(before, after, "w : 1", on_pre="v_post += w")
        synapses.connect()
        synapses.w = weight.T.ravel()
        monitors.append(b.SpikeMonitor(after, record=False))
        network.add(after, synapses, monitors[-1])
        before = after
    network.run(1 * b.ms)
    begin = time.perf_counter()
    network.run((STEPS + 3) * b.ms)
    return time.perf_counter() - begin, [int(monitor.num_spikes) for monitor in monitors]


if __name__ == "__main__":
    main(sys.argv[1])
