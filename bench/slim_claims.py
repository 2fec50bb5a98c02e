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
from slim_measured import BATCHES, right, samples, shipped
from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.guard import look, walk
from twentywatts.slimming.proof.trial import Trial, score_of
from twentywatts.slimming.searching.choice import asking_order, cost_of
from twentywatts.slimming.searching.rungs import Rung
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


def pooled(home: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return flags (candidates, samples) of data and test together, the model as given first, and savings."""
    document = json.loads((home / "slim.json").read_text())
    sessions = [shipped((home / f"{entry['digest']}.onnx").read_bytes()) for entry in document["entries"]]
    flags = np.array([np.concatenate([right(one, home, part) for part in ("data", "test")]) for one in sessions])
    return flags, np.array([entry["saving"] for entry in document["entries"]]), np.arange(flags.shape[1])


def outputs_of(flags: np.ndarray) -> np.ndarray:
    """Return two-class scores whose largest is class 1 exactly where a flag is set."""
    return np.stack([~flags, flags], axis=1).astype(np.float32)


def accepted(flags: np.ndarray, savings_: np.ndarray, parts: Sequence[np.ndarray], budget: float) -> tuple[int, int]:
    """Return (by the library, by point estimates) which candidate is accepted, 0 for the model as given."""
    goal = Goal(metric=metric_of("accuracy"), max_drop=budget)
    search, guard = parts
    trials = {}
    for place in range(1, len(flags)):
        candidate = Candidate(content=str(place).encode())
        wanted = np.ones(len(search), dtype=np.int64)
        score = score_of(goal, outputs_of(flags[0, search]), outputs_of(flags[place, search]), wanted)
        trials[candidate.digest] = place, Trial(
            rung=Rung(seed=place), floating=candidate, shipped=candidate, packing="fp32", score=score,
            saving=float(savings_[place]),
        )  # fmt: skip
    order = asking_order([trial for _, trial in trials.values()], budget)

    def ask(digest: str) -> Any:
        now = outputs_of(flags[trials[digest][0], guard])
        return look(digest, goal, outputs_of(flags[0, guard]), now, np.ones(len(guard), dtype=np.int64))

    proved = walk([trial.digest for trial in order], ask).accepted
    both = np.concatenate(parts)
    drops = flags[0, both].mean() - flags[:, both].mean(axis=1)
    cheap = [place for place, trial in trials.values() if drops[place] <= budget and cost_of(trial) < 1]
    by_point = max(cheap, key=lambda place: savings_[place], default=0)
    return (trials[proved][0] if proved else 0), by_point


def guards(homes: Sequence[Path], repeats: int) -> None:
    """Print how often what was accepted breaks its budget."""
    print("| samples | budget, points | accepted in | breaks it | by point estimate: accepted in | breaks it |")
    print("|---|---|---|---|---|---|")
    for home in homes:
        flags, savings_, rows = pooled(home)
        for budget in BUDGETS:
            _print_guard(home.name, flags, savings_, rows, (budget, repeats))
    for budget in BUDGETS:
        flags, savings_ = planted_pool(budget)
        _print_guard("planted", flags, savings_, np.arange(flags.shape[1]), (budget, repeats))


def planted_pool(budget: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
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
    return np.array(rows), np.array([1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0])


def _print_guard(name: str, flags: np.ndarray, savings_: np.ndarray, rows: np.ndarray, how: tuple[float, int]) -> None:
    budget, repeats = how
    generator = np.random.Generator(np.random.PCG64(5))
    truth = flags[0].mean() - flags.mean(axis=1)
    tally = np.zeros(4, dtype=int)
    for _ in range(repeats):
        order = generator.choice(
            rows, SEARCHED + GUARDED
        )  # with replacement: the pool stands for everyone who will be served
        search, guard = np.split(order, [SEARCHED])
        for column, place in enumerate(accepted(flags, savings_, (search, guard), budget)):
            tally[2 * column] += place > 0
            tally[2 * column + 1] += place > 0 and truth[place] > budget
    cells = (f"{name} ({len(rows)})", f"{100 * budget:.1f}", f"{tally[0]} of {repeats}", *map(str, tally[1:]))
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
