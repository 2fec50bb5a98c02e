"""Slimming five networks on scikit-learn's digits: what the same accuracy costs, by pooled five-fold cross-validation.

For each of five networks of different kinds and seeds, and each of five folds: the network is trained on four fifths
of what lies outside the fold; the library's own slim gets that for training and the other fifth as data, a time budget
and one thread; the fold itself is seen by nothing. Requests ("prune 50 % → distil → int8") that all five folds have
are then judged on the five folds pooled (n = 1797, paired with the network as given) by the exact one-sided 95 % bound:
the cuts in float, the smallest first, trained where training was in time; at the first that is not proved the walk ends
(fixed sequence). The last that is proved is measured anew, beside quantisation alone (the library's int8, NNCF with
OpenVINO and Intel's neural compressor where these are installed), all in turns.
Usage: python bench/slim_digits.py FOLDER [--budget 120] [--only conv,dense] [--stage train|slim|table] [--seed 0]
What is there already in FOLDER is not done again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from slim_measured import accepted, entries_of, printed

FOLDS = 5
EPOCHS = 25
PROVABLE = (
    0.03  # what the 191 guard samples of one fold can prove with two lost; the folds together are held to a point
)
SEEDS = {"conv": 1, "vgg": 2, "residual": 3, "separable": 4, "dense": 5, "strided": 6}
FIVE = ("conv", "vgg", "residual", "dense", "strided")


def folds(seed: int) -> list[dict[str, np.ndarray]]:
    """Return, for each fold, the rows of train, data and test."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(digits()[1]))
    parts = np.array_split(order, FOLDS)
    found = []
    for place, test in enumerate(parts):
        rest = np.concatenate([part for other, part in enumerate(parts) if other != place])
        cut = len(rest) // 5
        found.append({"data": rest[:cut], "train": rest[cut:], "test": test})
    return found


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32).reshape(-1, 1, 8, 8), y.astype(np.int64)


def train(folder: Path, names: list[str], seed: int) -> None:
    """Train what is not there, and write it with its samples. seed: added to each network's own."""
    import torch

    from slim_networks import DIGITS, exported, trained

    torch.set_num_threads(1)
    x, y = digits()
    for name in names:
        for place, rows in enumerate(folds(SEEDS[name] + seed)):
            home = folder / f"{name}-{place}"
            if (home / "model.onnx").exists():
                continue
            home.mkdir(parents=True, exist_ok=True)
            start = time.process_time()
            torch.manual_seed(100 * (SEEDS[name] + seed) + place)
            net = trained(DIGITS[name](), x[rows["train"]], y[rows["train"]], epochs=EPOCHS, seed=seed + place)
            for part, index in rows.items():
                np.savez(home / f"{part}.npz", x=x[index], y=y[index])
            exported(net, x, home / "model.onnx")
            print(f"{home.name}: trained in {time.process_time() - start:.0f} s of processor time", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=float, default=120.0, help="wall-clock seconds of one slim")
    parser.add_argument("--only", default=",".join(FIVE), help=f"some of {', '.join(SEEDS)}")
    parser.add_argument("--stage", choices=("train", "slim", "table", "all"), default="all")
    parser.add_argument("--seed", type=int, default=0, help="another gives other weights and other folds")
    given = parser.parse_args()
    names = given.only.split(",")
    if given.stage in ("train", "all"):
        train(given.folder, names, given.seed)
    homes = {name: [given.folder / f"{name}-{place}" for place in range(FOLDS)] for name in names}
    if given.stage in ("slim", "all"):
        for home in (home for group in homes.values() for home in group):
            entries_of(home, budget_s=given.budget, max_drop=PROVABLE)
    if given.stage in ("table", "all"):
        printed({name: accepted(group) for name, group in homes.items()})


if __name__ == "__main__":
    main()
