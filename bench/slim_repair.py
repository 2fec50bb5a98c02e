"""What a cut loses before anything is trained: five networks on digits, three ways to choose, with and without repair.

python bench/slim_repair.py FOLDER > docs/benchmarks/slim_repair.md
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from slim_networks import DIGITS, exported, trained
from twentywatts.forms.runtime import shipped_session
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.learning.pruners import taylor_scores
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.prune import Importance, prune
from twentywatts.slimming.steps.repair import prune_repaired

SHARES = (0.25, 0.5, 0.75)
SPLIT = 1200  # samples to train on; the other 597 judge
EPOCHS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:SPLIT], order[SPLIT:]
    print("# Repair after a cut\n\nPrinted by `bench/slim_repair.py`. How many digits are still right when a share of "
          "all channels is cut, by three ways to\nchoose them, with and without a repair of what is left "
          "([method](../method/slimming.md)). Nothing is trained after the cut.\n")  # fmt: skip
    print(f"Digits, {SPLIT} samples to train on, {len(test)} that judge. Right answers [%]; *repaired*: least squares, "
          "layer by layer, on training inputs without targets.\n")  # fmt: skip
    print("| network, as given | cut | random | magnitude | first order | random, repaired | magnitude, repaired | "
          "first order, repaired | seconds of a repair |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for name, build in DIGITS.items():
        path = folder / f"{name}.onnx"
        if not path.exists():
            torch.manual_seed(0)
            exported(trained(build(), x[train], y[train], epochs=EPOCHS, seed=0), x, path)
        rows(name, path, Samples(name="digits", inputs={"x": x[train]}, targets=y[train]), (x[test], y[test]))
    print("\nProcessor time of one thread on two cores of an x86-64 server in the cloud.")


def rows(name: str, path: Path, samples: Samples, judge: tuple[np.ndarray, np.ndarray]) -> None:
    """Print a network's rows."""
    given = fold(Candidate(content=path.read_bytes()))
    key = shipped_session(given.content, what=name).get_inputs()[0].name
    samples = Samples(name="digits", inputs={key: samples.inputs["x"]}, targets=samples.targets)
    ways: dict[str, Callable[[], Importance]] = {
        "random": lambda: drawn(given),
        "magnitude": lambda: "magnitude",
        "first order": lambda: taylor_scores(given, samples),
    }
    scores = {way: make() for way, make in ways.items()}
    for share in SHARES:
        cut = [right(prune(given, ratio=share, importance=score), judge) for score in scores.values()]
        before = time.process_time()
        fixed = [prune_repaired(given, samples.inputs, ratio=share, importance=score) for score in scores.values()]
        seconds = (time.process_time() - before) / len(fixed)
        cells = [*cut, *(right(one, judge) for one in fixed)]
        start = f"{name}, {100 * right(given, judge):.1f}" if share == SHARES[0] else ""
        numbers = " | ".join(f"{100 * cell:.1f}" for cell in cells)
        print(f"| {start} | {100 * share:.0f} % | {numbers} | {seconds:.1f} |", flush=True)


def drawn(given: Candidate) -> Mapping[str, np.ndarray]:
    """Return scores that mean nothing."""
    from twentywatts.slimming.shipping.recipe import weights_of

    random = np.random.default_rng(1)
    return {name: random.exponential(size=value.shape) ** 4 for name, value in weights_of(given.content).items()}


def right(candidate: Candidate, judge: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the share of right answers."""
    session = shipped_session(candidate.content, what="the candidate")
    scores = session.run(None, {session.get_inputs()[0].name: judge[0]})[0]
    return float((scores.argmax(axis=1) == judge[1]).mean())


if __name__ == "__main__":
    main()
