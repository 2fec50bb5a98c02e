"""One recipe, several machines: joules of the same float candidates on GPUs, spiking chips and crossbars, a front each.

The digits network that the examples use is cut to several widths, or loses single weights, and is trained again with
itself for a teacher (train.npz of examples/digits_data.py). A third of test.npz chooses form and setting on each
machine and draws the fronts, the other two thirds prove. Prints the fronts and where the order of candidates differs.
Usage: python bench/slim_targets.py FOLDER [--epochs 40] [--max-drop 0.02]  (one thread, some minutes)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.search import Goal
from twentywatts.comparison.text import ratio_interval_text, ratio_text, setting_text
from twentywatts.readers.samples import Samples
from twentywatts.reports.slim_records import order_record
from twentywatts.reports.slim_words import order_sentence
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.fronts import Target, Terms
from twentywatts.slimming.elsewhere.orders import energies_of, order_differences
from twentywatts.slimming.elsewhere.targets import targets
from twentywatts.slimming.learning.distil import Schedule, distil, planted_zeros
from twentywatts.slimming.proof.guard import parted
from twentywatts.slimming.steps.fold import fold
from twentywatts.slimming.steps.prune import prune
from twentywatts.slimming.steps.zeros import zeros
from twentywatts.units import format_interval

ROOT = Path(__file__).resolve().parents[1]
MACHINES = (
    "h100-sxm",
    "jetson-orin",
    "raspberry-pi-4",
    "loihi",
    "spinnaker2",
    "truenorth",
    "isaac",
    "hermes",
    "dimc-22nm",
)
CUTS = (0.25, 0.5, 0.75)
ZEROS = (0.5, 0.8)
BATCH = 64
_MOST_ORDERS = 12


def samples(folder: Path, name: str) -> Samples:
    """Return train or test samples of the digits."""
    with np.load(folder / f"{name}.npz") as arrays:
        return Samples(name=f"{name}.npz", inputs={"image": arrays["x"]}, targets=arrays["y"])


def candidates(train: Samples, epochs: int) -> Iterator[Candidate]:
    """Yield the model as given, then float candidates, trained again."""
    given = Candidate(content=(ROOT / "examples" / "digits.onnx").read_bytes())
    yield given
    schedule = Schedule(epochs=epochs)
    folded = fold(given)
    for cut in CUTS:
        yield distil(prune(folded, ratio=cut), teacher=given, samples=train, schedule=schedule)
    for share in ZEROS:
        sparse = zeros(folded, share_frac=share)
        keep = planted_zeros(sparse.content)
        yield distil(sparse, teacher=given, samples=train, schedule=schedule, keep=keep)


def front(target: Target) -> list[str]:
    """Return the table of one machine."""
    lines = [f"### {target.title}", ""]
    if not target.points:
        return [*lines, f"Refused: {target.reason}", ""]
    lines += [
        "| candidate | form | joules an inference (90 %) | against as given | search | guard | |",
        "|---|---|---|---|---|---|---|",
    ]
    for point in target.points:
        energy = point.energy.energy_j.interval
        joules = format_interval(energy.low, energy.mid, energy.high, "J")
        bounds = ratio_interval_text(point.against_given)
        ratio = (
            f"{ratio_text(point.against_given.mid)}{f' ({bounds})' if bounds else ''}" if point.candidate.steps else ""
        )
        guard = "" if point.guard is None else f"{100 * point.guard.value:.1f} %"
        state = "proved" if point.is_accepted else "" if point.guard is None else "not proved"
        state = f"**best**, {state}" if point is target.best else state
        form = f"{point.form} {setting_text(point.setting)}".strip()
        cells = (point.candidate.brief, form, joules, ratio, f"{100 * point.search.value:.1f} %", guard, state)
        lines.append(f"| {' | '.join(cells)} |")
    told = [f"{brief}: {reason}" for brief, reason in target.refused]
    return [*lines, *(["", *told] if told else []), ""]


def orders(found: Sequence[Target], names: dict[str, str]) -> list[str]:
    """Return where the order of two candidates differs between two machines, sure ones first."""
    every = order_differences(energies_of(found))
    sure = [one for one in every if one.is_sure]
    lines = [
        f"{len(every)} times two candidates change places between two machines, {len(sure)} times beyond the intervals."
    ]
    return [
        *lines,
        "The widest:",
        "",
        *(f"- {order_sentence(order_record(one), names)}" for one in sure[:_MOST_ORDERS]),
    ]


def main() -> None:
    """Make the candidates, price them, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with train.npz and test.npz of examples/digits_data.py")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--max-drop", type=float, default=0.02)
    options = parser.parse_args()
    train, test = (samples(options.folder, name) for name in ("train", "test"))
    made = list(candidates(train, options.epochs))
    terms = Terms(
        parts=parted(test, seed=0, trained=True),
        goal=Goal(metric=metric_of("accuracy"), max_drop=options.max_drop),
        scenario=Scenario(batch=BATCH),
        train=train,
        progress=lambda text, share: print(f"{100 * share:3.0f} % {text}", file=sys.stderr),
    )
    found = targets(made, MACHINES, terms=terms)
    print("# One recipe, several machines\n")
    told = "Printed by `bench/slim_targets.py`; nothing is timed: every joule is predicted."
    print(told, (__doc__ or "").partition("\n\n")[2].rpartition("Usage")[0])
    print(f"At most {100 * options.max_drop:g} points may go; batch {BATCH} where a machine takes batches.\n")
    for target in found:
        print("\n".join(front(target)))
    print("## Where the order differs\n")
    print("\n".join(orders(found, {one.digest: one.brief for one in made})))


if __name__ == "__main__":
    main()
