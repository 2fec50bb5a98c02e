"""One network, one split: the run that the benches of text and of speech share.

The guard samples of slim prove what is taken; the test samples, which nothing has seen, judge it once more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slim_measured import LIMIT, Accepted, entries_of, measured, print_losses, print_savings, request_of


@dataclass(frozen=True, kw_only=True)
class Part:
    """Inputs and classes of one part of the samples."""

    x: np.ndarray
    y: np.ndarray


def run(
    text: str | None,
    *,
    parts: Callable[[], dict[str, Part]],
    train: Callable[[dict[str, Part], Path], None],
    baseline: Callable[[dict[str, Part]], str],
) -> None:
    """Do what the command line asks for; what is there already is not done again."""
    parser = argparse.ArgumentParser(description=(text or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=float, default=120.0, help="wall-clock seconds of slim")
    parser.add_argument("--stage", choices=("train", "slim", "table", "all"), default="all")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if not all((given.folder / f"{name}.npz").exists() for name in ("train", "data", "test")):
        for name, part in parts().items():
            np.savez(given.folder / f"{name}.npz", x=part.x, y=part.y)
    found = {name: _part(given.folder / f"{name}.npz") for name in ("train", "data", "test")}
    if not (given.folder / "model.onnx").exists():
        train(found, given.folder / "model.onnx")
    if given.stage in ("slim", "all"):
        entries_of(given.folder, budget_s=given.budget)
    if given.stage in ("table", "all"):
        _print(given.folder, found, baseline)


def _part(path: Path) -> Part:
    with np.load(path) as found:
        return Part(x=found["x"], y=found["y"])


def _print(home: Path, found: Mapping[str, Part], baseline: Callable[[dict[str, Part]], str]) -> None:
    document = entries_of(home, budget_s=0)
    best = request_of(home, document, document["best"])
    given = request_of(home, document, document["entries"][0]["digest"])
    table = Accepted(homes=(home,), accuracy=given.accuracy, requests=(given, best), asked=(best,), best=best)
    counts = ", ".join(f"{name} {len(part.y)}" for name, part in found.items())
    print(
        f"samples: {counts}; as given: {100 * given.accuracy:.2f} % of the test samples right; {baseline(dict(found))}"
    )
    bound = document["best_drop_bound"]
    print(f"slim took {document['wall_s']:.0f} s of wall clock, {document['cpu_s']:.0f} s of processor time, and "
          f"tried {len(document['entries'])} candidates\n")  # fmt: skip
    print("| what is taken | proved by the guard: drop at most | test accuracy | lost, gained of n | bound on test |")
    print("|---|---|---|---|---|")
    proved = "nothing" if bound is None else f"{100 * bound:.2f} points"
    print(f"| {best.name} | {proved} | {100 * best.accuracy:.2f} % | {best.lost}, {best.gained} of {best.count} | "
          f"{100 * best.verdict.bound:.2f} points |")  # fmt: skip
    savings, losses = measured(table)
    print_savings({home.name: savings})
    print_losses({home.name: losses})
    print(f"\nAll that was tried (limit {100 * LIMIT:.0f} point):\n")
    print("| candidate | in the search: times less | test accuracy | lost, gained |\n|---|---|---|---|")
    for entry in document["entries"]:
        one = request_of(home, document, entry["digest"])
        print(f"| {one.name} | {one.saving:.2f} | {100 * one.accuracy:.2f} % | {one.lost}, {one.gained} |")
