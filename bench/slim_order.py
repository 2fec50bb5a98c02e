"""In which order the guard is asked: by counts of right answers, or by the soft drop, and about which candidates.

Takes homes that bench/slim_digits.py, slim_text.py or slim_speech.py have filled (model.onnx, data.npz, test.npz,
slim.json and the candidates). A seed parts the data into search and guard samples as `slim` does; both orders walk
along the same candidates with the same exact bound; what is accepted is judged on the test samples. Told are means
over homes and seeds: the processor time of what ships over that of the model as given, how many times less that is,
how often the test samples lose more than the budget, and how many looks were taken.
Usage: python bench/slim_order.py HOME [HOME …] [--budget 0.03] [--seeds 60]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slim_walked import ORDERS, Pool, accepted, pool_of
from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.readers.samples import Samples
from twentywatts.slimming.proof.guard import parted


@dataclass(frozen=True, kw_only=True)
class Home:
    """The candidates of one model on its data, and what they answer to the test samples."""

    data: Pool
    test: Pool


def home_of(folder: Path) -> Home:
    return Home(data=pool_of(folder, "data"), test=pool_of(folder, "test"))


def walked(home: Home, goal: Goal, *, seed: int, order: str) -> tuple[float, float, int]:
    """Return (relative processor time, drop on the test samples, looks) of what one order accepts."""
    marked = Samples(name="data", inputs={"x": np.arange(len(home.data.targets))}, targets=home.data.targets)
    parts = parted(marked, seed=seed, trained=True)
    search, guard = (part.inputs["x"] for part in (parts.tuning, parts.reported))
    place, found = accepted(home.data, goal, search, guard, order=order)
    fresh = home.test.right
    drop = float(fresh[0].mean() - fresh[place].mean())
    return 1.0 / home.data.savings[place] if place else 1.0, drop, len(found.looks)


def line(name: str, homes: Sequence[Home], goal: Goal, *, seeds: int, order: str) -> str:
    found = np.array(
        [walked(home, goal, seed=seed, order=order) for home in homes for seed in range(seeds)], dtype=np.float64
    )
    time, drop, looks = found.T
    broken = int((drop > goal.max_drop).sum())
    return (
        f"| {name} | {order} | {time.mean():.3f} | {(1 / time).mean():.2f} | {broken} of {len(found)} "
        f"| {looks.mean():.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("homes", nargs="+", type=Path)
    parser.add_argument("--budget", type=float, default=0.03)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--name", default="")
    given = parser.parse_args()
    homes = [home_of(folder) for folder in given.homes]
    goal = Goal(metric=metric_of("accuracy"), max_drop=given.budget)
    print(
        "| models | order | time of what ships | times less | broken on test samples | looks |\n"
        "|---|---|---|---|---|---|"
    )
    for order in ORDERS:
        print(line(given.name or f"{len(homes)}", homes, goal, seeds=given.seeds, order=order), flush=True)


if __name__ == "__main__":
    main()
