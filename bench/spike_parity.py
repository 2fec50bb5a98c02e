"""Whether networks of four libraries, read through NIR, spike as they do there, and NeuroBench's metrics beside ours.

Each library builds a small random network (12-9-5, 60 steps, input rate 40 %), runs it and exports it to NIR with its
own exporter; the graph is read in that library's dialect and run by the event engine. A spike counts as wrong where
the two trains differ. NeuroBench's numbers come from NeuroBench on a snnTorch convnet; ours from the engine's
counters on the same network, read through NIR. Libraries that are not installed are named and skipped.
Usage: python bench/spike_parity.py  (peers: snntorch, sinabs, norse, spikingjelly, neurobench, in an environment apart)
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.spiking_peers import CASES, answer

from twentywatts.forms.spiking.network_engine import SpikingEngine
from twentywatts.forms.spiking.neurobench import neurobench
from twentywatts.readers.nir import from_nir, read_nir

STEPS, SAMPLES = 20, 6


def installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def parity_row(library: str, what: str) -> str:
    """Return a row of the table: their spikes, ours, and where they differ."""
    import nir

    case = answer(library, what)
    with tempfile.TemporaryDirectory() as folder:
        path, where = Path(folder) / "net.nir", "file"
        try:
            nir.write(path, case.graph)
            network = read_nir(path, dialect=case.dialect)
        except TypeError:  # nir itself cannot write what some exporters give it: constants without a shape
            network, where = from_nir(case.graph, dialect=case.dialect), "memory"
    ((source, shape),) = network.inputs.items()  # Norse counts the batch of one as an axis of its input
    run = SpikingEngine(network).run({source: case.fed.reshape(1, len(case.fed), *shape)})
    ours = run.outputs[network.results[0]][0].reshape(case.spikes.shape).astype(np.float64)
    wrong = int(np.count_nonzero(ours != case.spikes))
    spikes = f"{int(case.spikes.sum())} | {int(ours.sum())} | {wrong}"
    name = case.dialect if isinstance(case.dialect, str) else f"{library}, one spike a step"
    return f"| {library} {installed(library)} | {what} | {name} | {where} | {spikes} |"


def snntorch_convnet() -> Any:
    import snntorch
    import torch
    from torch import nn

    def leaky(*shape: int) -> Any:
        return snntorch.Leaky(beta=torch.full(shape, 0.9), threshold=torch.ones(shape), init_hidden=True)

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, stride=2),
        leaky(4, 4, 4),
        nn.Flatten(),
        nn.Linear(64, 12),
        leaky(12),
        nn.Linear(12, 5, bias=False),
        snntorch.Leaky(beta=torch.full((5,), 0.9), threshold=torch.ones(5), init_hidden=True, output=True),
    )
    for part in net:
        if isinstance(part, nn.Linear | nn.Conv2d):
            part.weight.data *= 3
            part.weight.data[torch.rand(part.weight.shape) < 0.2] = 0
    return net


def theirs(net: Any, x: Any) -> dict[str, Any]:
    """Return NeuroBench's own metrics, flat."""
    import torch
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
    from neurobench.models import SNNTorchModel
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(x, torch.zeros(len(x), dtype=torch.long))
    metrics = [[Footprint, ConnectionSparsity], [ActivationSparsity, SynapticOperations]]
    benchmark = Benchmark(SNNTorchModel(net), DataLoader(data, batch_size=len(x)), [], [], metrics)
    return flat(benchmark.run(quiet=True))


def ours(net: Any, x: Any) -> dict[str, Any]:
    """Return our metrics of the same network and inputs, flat."""
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    utils.reset(net)
    network = from_nir(export_to_nir(net, x[:1, 0], ignore_dims=[0]), dialect="snntorch")
    arrays = x.numpy()
    run = SpikingEngine(network).run(arrays)
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in net.buffers())
    return flat(neurobench(network, run, arrays, buffer_bytes=buffers).as_results())


def flat(results: dict[str, Any]) -> dict[str, Any]:
    operations = results.pop("SynapticOperations")
    return {**results, **operations}


def neurobench_rows() -> list[str]:
    import torch

    net = snntorch_convnet()
    net(torch.zeros(1, 2, 8, 8))  # the states of its neurons exist from the first call on, and count as buffers
    torch.manual_seed(1)
    values = torch.rand(SAMPLES, STEPS, 2, 8, 8)
    rows = []
    for kind, x in (("binary", (values < 0.3).float()), ("analog", values)):
        first, second = theirs(net, x), ours(net, x)
        rows += [f"| {kind} | {name} | {float(first[name]):.6g} | {float(second[name]):.6g} |" for name in first]
    return rows


def main() -> None:
    """Print the two tables."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    warnings.simplefilter("ignore")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("| library | neurons | dialect | read from | their spikes | ours | wrong |\n|---|---|---|---|---|---|---|")
    for library, what in CASES:
        print(parity_row(library, what) if find_spec(library) else f"| {library} | {what} | not installed | | | | |")
    if find_spec("neurobench") is None:
        print("\nNeuroBench is not installed")
        return
    print(f"\n| input | metric | NeuroBench {installed('neurobench')} | ours |\n|---|---|---|---|")
    print("\n".join(neurobench_rows()))


if __name__ == "__main__":
    main()
