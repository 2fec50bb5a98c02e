"""Where rounding to eight bits loses accuracy, and what training for it gets back, on scikit-learn's digits.

Each network is trained on half of the digits, slimmed as `slim` does it (BatchNormalization folded, widths cut,
repaired by least squares, distilled), and shipped in five ways: in float, in eight bits after calibration alone
(weights of eight and of seven bits), and in the same two after the library's QAT. The other half of the digits,
which nothing has seen, says what each keeps; a loss is proved or not by the exact paired bound at one point. Nothing is
timed.
Usage: python bench/slim_qat.py [--only separable,residual] [--cuts 0,0.5,0.75] [--seeds 3]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from slim_digits import digits
from slim_networks import DIGITS, exported, trained
from twentywatts.comparison.bound import judge
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.learning.distil import Schedule, distil
from twentywatts.slimming.learning.qat import qat
from twentywatts.slimming.proof.trial import opened
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.int8 import quantised
from twentywatts.slimming.steps.repair import prune_repaired

EPOCHS, RETRAIN, HARDEN = 25, 40, 10  # of the network, after a cut, and for eight bits: those of `slim`
WAYS = ("float", "int8", "QAT, int8", "int8, weights of 7 bits", "QAT, int8, weights of 7 bits")


def halves(seed: int) -> tuple[Samples, Samples]:
    """Return samples to train on and samples that judge."""
    x, y = digits()
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(y))
    cut = len(y) // 2
    return tuple(Samples(name=name, inputs={"x": x[rows]}, targets=y[rows]) for name, rows in
                 (("train", order[:cut]), ("test", order[cut:])))  # fmt: skip


def network(name: str, train: Samples, seed: int) -> Candidate:
    """Return a network trained and exported."""
    torch.manual_seed(seed)
    net = trained(DIGITS[name](), train.inputs["x"], train.targets, epochs=EPOCHS, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        exported(net, train.inputs["x"], path)
        return Candidate(content=path.read_bytes())


def named(samples: Samples, candidate: Candidate) -> Samples:
    """Return the samples under the name of the model's only input."""
    import onnx

    (spec,) = onnx.load_model_from_string(candidate.content).graph.input
    return Samples(name=samples.name, inputs={spec.name: samples.inputs["x"]}, targets=samples.targets)


def slimmed(given: Candidate, cut: float, train: Samples, seed: int) -> Candidate:
    """Return the float model that would ship."""
    folded = fold(given)
    if not cut:
        return folded
    pruned = prune_repaired(folded, train.inputs, ratio=cut, round_to=8, importance="magnitude")
    return distil(pruned, teacher=given, samples=train, schedule=Schedule(epochs=RETRAIN, seed=seed))


def ways(given: Candidate, floating: Candidate, train: Samples, seed: int) -> Iterator[Candidate]:
    """Yield what ships in the order of WAYS."""
    yield floating
    for is_narrow in (False, True):
        yield quantised(floating, train.inputs, is_narrow=is_narrow)
        schedule = Schedule(epochs=HARDEN, seed=seed, is_narrow=is_narrow)
        hardened = qat(floating, teacher=given, samples=train, schedule=schedule)
        yield quantised(hardened, train.inputs, is_narrow=is_narrow)


def right(candidate: Candidate, test: Samples) -> np.ndarray:
    return opened(candidate).outputs(test).argmax(axis=1) == test.targets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="separable,residual,conv", help=f"some of {', '.join(DIGITS)}")
    parser.add_argument("--cuts", default="0,0.5,0.75", help="shares of the widths that go")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | widths cut | " + " | ".join(WAYS) + " |\n|---|---|" + "---|" * len(WAYS))
    for name in args.only.split(","):
        found: dict[float, list[list[np.ndarray]]] = {}
        for seed in range(args.seeds):
            train, test = halves(seed)
            given = network(name, train, seed)
            train, test = named(train, given), named(test, given)
            for cut in map(float, args.cuts.split(",")):
                floating = slimmed(given, cut, train, seed)
                found.setdefault(cut, []).append([right(one, test) for one in ways(given, floating, train, seed)])
        for cut, runs in found.items():
            print(f"| {name} | {100 * cut:.0f} % | " + " | ".join(_cells(runs)) + " |", flush=True)


def _cells(runs: list[list[np.ndarray]]) -> Iterator[str]:
    """Yield each way's accuracy over all seeds, and its losses against float with the verdict at one point."""
    pooled = [np.concatenate([run[place] for run in runs]) for place in range(len(WAYS))]
    for place, flags in enumerate(pooled):
        text = f"{100 * flags.mean():.2f} %"
        if place:
            lost, gained = int((pooled[0] & ~flags).sum()), int((flags & ~pooled[0]).sum())
            mark = {True: "✓", False: "✗", None: "?"}[judge(lost, gained, len(flags), 0.01).keeps]
            text += f" {mark} (−{lost}, +{gained})"
        yield text


if __name__ == "__main__":
    main()
