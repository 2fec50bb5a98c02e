"""In which order the guard is asked: by counts of right answers, or by the soft drop.

Takes homes that bench/slim_digits.py, slim_text.py or slim_speech.py have filled (model.onnx, data.npz, test.npz,
slim.json and the candidates). A seed parts the data into search and guard samples as `slim` does; both orders walk
along the same candidates with the same exact bound; what is accepted is judged on the test samples. Told are means
over homes and seeds: the processor time of what ships over that of the model as given, how many times less that is,
how often the test samples lose more than the budget, and how many looks were taken.
Usage: python bench/slim_order.py HOME [HOME …] [--budget 0.03] [--seeds 60]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slim_measured import shipped
from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.guard import look, parted, walk
from twentywatts.slimming.proof.soft import soft_drop_bound
from twentywatts.slimming.proof.trial import Trial, score_of
from twentywatts.slimming.searching.choice import asking_order
from twentywatts.slimming.searching.rungs import Rung

ORDERS = ("counts", "soft drop")


@dataclass(frozen=True, kw_only=True)
class Home:
    """The candidates of one model, the model as given first: outputs on the data, right answers on the test samples."""

    outputs: np.ndarray
    targets: np.ndarray
    fresh: np.ndarray
    savings: np.ndarray


def home_of(folder: Path) -> Home:
    document = json.loads((folder / "slim.json").read_text())
    sessions = [shipped((folder / f"{entry['digest']}.onnx").read_bytes()) for entry in document["entries"]]
    data, test = (np.load(folder / f"{part}.npz") for part in ("data", "test"))
    answers = [ran(session, test["x"]).argmax(axis=1) == test["y"] for session in sessions]
    return Home(
        outputs=np.stack([ran(session, data["x"]) for session in sessions]),
        targets=data["y"].astype(np.int64),
        fresh=np.stack(answers),
        savings=np.array([entry["saving"] or 1.0 for entry in document["entries"]]),
    )


def ran(session: object, x: np.ndarray) -> np.ndarray:
    name = session.get_inputs()[0].name  # type: ignore[attr-defined]
    parts = [session.run(None, {name: x[start : start + 256]})[0] for start in range(0, len(x), 256)]  # type: ignore[attr-defined]
    return np.concatenate(parts)


def walked(home: Home, goal: Goal, *, seed: int, order: str) -> tuple[float, float, int]:
    """Return (relative processor time, drop on the test samples, looks) of what one order accepts."""
    marked = Samples(name="data", inputs={"x": np.arange(len(home.targets))}, targets=home.targets)
    parts = parted(marked, seed=seed, trained=True)
    search, guard = (part.inputs["x"] for part in (parts.tuning, parts.reported))
    trials = [trial(home, goal, place, search, order) for place in range(1, len(home.savings))]
    places = {one.digest: place for place, one in enumerate(trials, 1)}

    def ask(digest: str):
        return look(digest, goal, home.outputs[0][guard], home.outputs[places[digest]][guard], home.targets[guard])

    found = walk([one.digest for one in asking_order(trials, goal.max_drop)], ask)
    place = places[found.accepted] if found.accepted else 0
    drop = float(home.fresh[0].mean() - home.fresh[place].mean())
    return 1.0 / home.savings[place] if place else 1.0, drop, len(found.looks)


def trial(home: Home, goal: Goal, place: int, search: np.ndarray, order: str) -> Trial:
    candidate = Candidate(content=str(place).encode())
    before, after, targets = home.outputs[0][search], home.outputs[place][search], home.targets[search]
    return Trial(
        rung=Rung(seed=place),
        floating=candidate,
        shipped=candidate,
        packing="fp32",
        score=score_of(goal, before, after, targets),
        saving=float(home.savings[place]),
        risk=soft_drop_bound(before, after, targets) if order == ORDERS[1] else None,
    )


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
