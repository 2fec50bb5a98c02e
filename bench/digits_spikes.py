"""How much accuracy a digits convnet loses as spikes, and what its spikes cost in events: ten seeds, ten splits.

conv 1-16, conv 16-32 with stride 2, dense 64, dense 10 with plain ReLU, trained with torch on 60 % of scikit-learn's
digits; the other 40 % are tested and seen by nothing else. Each live module goes through the library's own chain:
export, percentile conversion (no training) and QCFS fine-tuning on the training samples, weights of 8 bits. The loss
is the dense network's accuracy less the spiking one's on the same test samples, in points; events are synaptic events
(not of the analog first layer) per multiply-accumulate of the dense network. The twin is the dense network of
ceil(log2(T + 1)) bits that the same chip would run in one pass. Medians over the seeds; needs torch.
Usage: python bench/digits_spikes.py [seeds]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from twentywatts.counting import count
from twentywatts.forms import spiking
from twentywatts.forms.spiking.qcfs import Schedule, fine_tune
from twentywatts.forms.spiking.twin import run_twin
from twentywatts.machines import SpikingTraits
from twentywatts.readers import read
from twentywatts.readers.torch_module import model_file

STEPS = (1, 2, 4, 8, 16, 32)
TESTED = 0.4
EPOCHS = 40
TRAITS = SpikingTraits(
    weight_bits=8,
    weight_value_count=None,
    fan_in_count=None,
    neurons_per_core_count=1024,
    synapses_per_core_count=2**20,
)
METHODS = ("percentile, not trained", "QCFS, fine-tuned", "dense twin of the QCFS network")


def split(seed: int) -> tuple[np.ndarray, ...]:
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(x))
    cut = round(TESTED * len(x))
    test, train = order[:cut], order[cut:]
    return x[train], y[train], x[test], y[test]


def trained(x: np.ndarray, y: np.ndarray, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(inputs), generator=generator).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(inputs[rows]), targets[rows]).backward()
            optimiser.step()
        schedule.step()
    return net.eval()


def one(seed: int) -> dict[tuple[str, int], tuple[float, float]]:
    """Return (points lost, events per multiply-accumulate) by method and number of steps."""
    x, y, tested, wanted = split(seed)
    net = trained(x, y, seed)
    with torch.no_grad():
        dense = float((net(torch.from_numpy(tested)).argmax(1).numpy() == wanted).mean())
    found = {("dense", 0): (100 * dense, 0.0)}
    with model_file(net, example=x[:2]) as path:
        network = read(path)
        macs = count(network).mac_count
        name = network.inputs[0].name
        prepared = (
            spiking.prepare(network, {name: x}),
            fine_tune(network, {name: x}, y, schedule=Schedule(seed=seed)),
        )
    for method, one_prepared in zip(METHODS, prepared, strict=False):
        converted = spiking.convert(one_prepared, TRAITS)
        for steps, result in spiking.run_steps(converted, {name: tested}, STEPS).items():
            right = float((result.outputs.argmax(1) == wanted).mean())
            found[method, steps] = (100 * (dense - right), float(result.workload.synaptic_events.sum()) / macs)
            if method == METHODS[1]:
                twin = run_twin(converted, result.workload, {name: tested})
                right = float((twin.outputs.argmax(1) == wanted).mean())
                events = float(twin.workload.synaptic_events.sum()) / macs
                found[METHODS[2], steps] = (100 * (dense - right), events)
    return found


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="?", default=10)
    seeds = parser.parse_args().seeds
    start = time.process_time()
    runs = [one(seed) for seed in range(seeds)]
    accuracies = [run["dense", 0][0] for run in runs]
    print(f"{seeds} seeds and splits; dense network: median accuracy {np.median(accuracies):.2f} %, "
          f"{min(accuracies):.2f} to {max(accuracies):.2f} %\n")  # fmt: skip
    print("Points lost, and events per dense multiply-accumulate (medians):\n")
    print("| method | " + " | ".join(f"T={steps}" for steps in STEPS) + " |\n" + "|---" * (1 + len(STEPS)) + "|")
    for method in METHODS:
        cells = [np.median([run[method, steps] for run in runs], axis=0) for steps in STEPS]
        print(f"| {method} | " + " | ".join(f"{lost:.2f} ({events:.2f})" for lost, events in cells) + " |")
    print("\nPoints lost at T = 4 by seed:\n")
    for method in METHODS[:2]:
        print(f"- {method}: " + ", ".join(f"{run[method, 4][0]:.2f}" for run in runs))
    print(f"\n{(time.process_time() - start) / seeds:.0f} s of processor time for each seed, training included")


if __name__ == "__main__":
    main()
