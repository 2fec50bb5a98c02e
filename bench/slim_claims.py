"""What slimming claims, held against what is seen: savings measured anew, guards on fresh samples, planted failures.

Takes the folders that bench/slim_digits.py, slim_text.py and slim_speech.py have filled (no network is trained here).
1. Savings: every result that slim reported as measured is measured anew in another process, and whatever each search
   had on its front beside it; a claim holds within 15 %.
2. Guards: the answers of every candidate on data and test samples are pooled for each model; 200 times a search set and
   a guard set are drawn from them, and the library's own choice and guard (fixed sequence, exact bound)
   accept one candidate or none. It breaks the budget where its drop on the whole pool is above it. Beside it: what a
   guard by point estimate accepts. Then the hardest case, planted: candidates that lose a little more than the budget.
3. Planted: steps that do nothing, steps that cost, models that were damaged.
Usage: python bench/slim_claims.py DIGITS_FOLDER TEXT_FOLDER SPEECH_FOLDER [--repeats 200]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import slim_planted
from slim_measured import BATCHES, samples, shipped
from slim_walked import ORDERS, Pool, accepted, pool_of
from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.slimming.timing.measuring import Rounds, remeasured

WITHIN = 0.15
BUDGETS = (0.005, 0.01, 0.02)
SEARCHED, GUARDED = 1000, 3000  # samples


def again(home: Path) -> list[tuple[str, float]]:
    """Return (digest, saving at the bench's first batch) of the candidates on the front, measured in this process."""
    document = json.loads((home / "slim.json").read_text())
    contents = {digest: (home / f"{digest}.onnx").read_bytes() for digest in _fronted(document)}
    models = {digest: (lambda content=content: shipped(content)) for digest, content in contents.items()}
    inputs, _ = samples(home, "train")
    plan = Rounds(rounds=15, window_s=0.01, seed=991)
    found = remeasured(models, inputs, batch=BATCHES[0], plan=plan)
    return [(digest, timing.saving.mid) for digest, timing in found.items()]


def _fronted(document: dict[str, Any]) -> list[str]:
    """Return the digests of the model as given, of what shipped, and of two more: the likely one and the fastest."""
    entries = sorted(document["entries"][1:], key=lambda one: -one["saving"])
    wanted = [
        document["entries"][0]["digest"],
        document["best"],
        document["likely"],
        *(e["digest"] for e in entries[:1]),
    ]
    return list(dict.fromkeys(wanted))


def savings(homes: Sequence[Path]) -> None:
    """Print how many savings hold when they are measured anew, twice, each time in a process of its own."""
    reported, others = [], []
    first, second = (_elsewhere(homes) for _ in range(2))
    for home in homes:
        document = json.loads((home / "slim.json").read_text())
        given, best = document["entries"][0]["digest"], document["best"]
        before, after = first[str(home)], second[str(home)]
        if document["fresh"] and best != given:
            reported += [new[best] / document["fresh"][1] for new in (before, after)]
        others += [after[digest] / before[digest] for digest in before if digest != given]
    print("| savings | number | within 15 % | median of new over reported | 5 % to 95 % |\n|---|---|---|---|---|")
    for name, ratios in (("what slim reported of what ships", reported), ("measured in two processes", others)):
        within = [abs(ratio - 1) <= WITHIN for ratio in ratios]
        low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95]) if ratios else [float("nan")] * 3
        print(f"| {name} | {len(ratios)} | {sum(within)} ({100 * np.mean(within):.0f} %) | {middle:.3f} | "
              f"{low:.3f} to {high:.3f} |")  # fmt: skip


def _elsewhere(homes: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Return ``again`` of another process, by home."""
    command = [sys.executable, "-W", "ignore", __file__, "--again", *map(str, homes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {home: dict(found) for home, found in json.loads(done.stdout.splitlines()[-1]).items()}


def outputs_of(flags: np.ndarray) -> np.ndarray:
    """Return two-class scores whose largest is class 1 exactly where a flag is set."""
    return np.stack([~flags, flags], axis=-1).astype(np.float32)


def taken(pool: Pool, right: np.ndarray, parts: Sequence[np.ndarray], budget: float) -> tuple[int, int]:
    """Return (by the library, by point estimates) which candidate is accepted, 0 for the model as given."""
    goal = Goal(metric=metric_of("accuracy"), max_drop=budget)
    proved, _ = accepted(pool, goal, *parts, order=ORDERS[1])
    both = np.concatenate(parts)
    drops = right[0, both].mean() - right[:, both].mean(axis=1)
    cheap = [place for place in range(1, len(right)) if drops[place] <= budget and pool.savings[place] > 1]
    return proved, max(cheap, key=lambda place: pool.savings[place], default=0)


def guards(homes: Sequence[Path], repeats: int) -> None:
    """Print how often what was accepted breaks its budget."""
    print("| samples | budget, points | accepted in | breaks it | by point estimate: accepted in | breaks it |")
    print("|---|---|---|---|---|---|")
    for home in homes:
        pool = pool_of(home, "data", "test")
        for budget in BUDGETS:
            _print_guard(home.name, pool, budget, repeats)
    for budget in BUDGETS:
        _print_guard("planted", planted_pool(budget), budget, repeats)


def planted_pool(budget: float, count: int = 20_000) -> Pool:
    """Return a pool where every candidate loses a fiftieth more than the budget; 2 % of the answers change."""
    generator = np.random.Generator(np.random.PCG64(11))
    given = generator.random(count) < 0.97
    rows = [given]
    for _ in range(6):
        now = given.copy()
        gained = round(count * max(0.0, 0.01 - 0.55 * budget))
        lost = gained + round(count * 1.02 * budget)
        now[generator.choice(np.flatnonzero(given), lost, replace=False)] = False
        now[generator.choice(np.flatnonzero(~given), min(gained, int((~given).sum())), replace=False)] = True
        rows.append(now)
    return Pool(
        outputs=outputs_of(np.array(rows)),
        targets=np.ones(count, dtype=np.int64),
        savings=np.array([1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0]),
    )


def _print_guard(name: str, pool: Pool, budget: float, repeats: int) -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    right = pool.right
    truth = right[0].mean() - right.mean(axis=1)
    tally = np.zeros(4, dtype=int)
    for _ in range(repeats):
        # with replacement: the pool stands for everyone who will be served
        parts = np.split(generator.choice(len(pool.targets), SEARCHED + GUARDED), [SEARCHED])
        for column, place in enumerate(taken(pool, right, parts, budget)):
            tally[2 * column] += place > 0
            tally[2 * column + 1] += place > 0 and truth[place] > budget
    cells = (f"{name} ({len(pool.targets)})", f"{100 * budget:.1f}", f"{tally[0]} of {repeats}", *map(str, tally[1:]))
    print(f"| {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--again", action="store_true", help="measure one home anew, and print JSON")
    given = parser.parse_args()
    if given.again:
        print(json.dumps({str(home): again(home) for home in given.folders}))
        return
    homes = [path.parent for folder in given.folders for path in sorted(folder.glob("**/slim.json"))]
    print("Savings measured anew:\n")
    savings(homes)
    print("\nGuards, drawn anew:\n")
    guards([home for home in homes if home.name in ("text", "speech")], given.repeats)
    print("\nPlanted:\n")
    slim_planted.report(given.folders[0] / "conv-0")


if __name__ == "__main__":
    main()
