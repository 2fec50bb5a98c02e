# ruff: noqa: E501
"""FP8 against BF16: matched pairs of runs, how noisy such runs are, and how often the sign of the saving is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fit_decoder import Fits
from twentywatts.uncertain import Array

__all__ = ["Pair", "is_sibling", "pairs_of", "run_scatter", "sign_lines", "sign_text", "sure_log", "threshold_right"]

_ALIKE = 1.15  # batches within this factor are called the same
_Z95 = 1.645
_NEIGHBOURS = (-2, -1, 1, 2)  # runs of a series that tell what the one between them should have given
_APART = 0.05  # batches whose logarithms are closer than this are one batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs of one checkpoint in two precisions: joules in FP8 over joules in BF16.

    predicted: the base model left out of the fit. calibrated: it was in it. is_alike: the chips share the model in the
    same way in both runs.
    """

    group: str
    place: str
    batch: float
    wide: int
    narrow: int
    measured: float
    predicted: float
    calibrated: float
    is_alike: bool

    @property
    def is_right(self) -> bool:
        """Whether it is predicted rightly that FP8 saves, or costs."""
        return (self.measured < 1.0) == (self.predicted < 1.0)


def is_sibling(fits: Fits, number: int, other: int, *, times: int = 1) -> bool:
    """Return whether two runs are of one checkpoint, chip and task, the other on ``times`` as many chips."""
    row, second = fits.table.rows[number], fits.table.rows[other]
    same = row.model.removesuffix("-FP8") == second.model.removesuffix("-FP8")
    same &= (row.machine, row.task) == (second.machine, second.task)
    return same and times * row.parallelism.chip_count == second.parallelism.chip_count


def pairs_of(fits: Fits, *, times: int = 1) -> list[Pair]:
    """Return the pairs: same checkpoint, chip and task, nearly the same batch; predictions held out.

    times: chips in BF16 over chips in FP8.
    """
    table = fits.table
    predicted = table.energy_j * np.exp(-fits.held_out)
    inside = table.energy_j * np.exp(-fits.in_sample)
    found = []
    for narrow in np.flatnonzero(table.narrow):
        wide = [int(n) for n in np.flatnonzero(~table.narrow)]
        same = [n for n in wide if is_sibling(fits, int(narrow), n, times=times)]
        near = min(same, key=lambda n: abs(np.log(table.batch[n] / table.batch[narrow])), default=None)
        if near is None or not 1 / _ALIKE < table.batch[near] / table.batch[narrow] < _ALIKE:
            continue
        row = table.rows[narrow]
        found.append(
            Pair(
                group=row.group,
                place=f"{row.machine} × {row.parallelism.chip_count}, {row.task}",
                batch=float(table.batch[narrow]),
                wide=int(near),
                narrow=int(narrow),
                measured=float(table.energy_j[narrow] / table.energy_j[near]),
                predicted=float(predicted[narrow] / predicted[near]),
                calibrated=float(inside[narrow] / inside[near]),
                is_alike=table.rows[near].parallelism.data == row.parallelism.data,
            )
        )
    return found


def threshold_right(pairs: Sequence[Pair]) -> tuple[int, list[float]]:
    """Return how often the best single threshold on batch is right, base model left out, and the thresholds."""
    right, thresholds = 0, []
    for group in sorted({pair.group for pair in pairs}):
        others = [pair for pair in pairs if pair.group != group]
        choices = sorted({0.0, np.inf, *(pair.batch for pair in others)})
        best = max(choices, key=lambda limit: sum((p.measured < 1) == (p.batch >= limit) for p in others))
        thresholds.append(float(best))
        right += sum((p.measured < 1) == (p.batch >= best) for p in pairs if p.group == group)
    return right, thresholds


def run_scatter(fits: Fits) -> Array:
    """Return the distance of one run's ln(joules) from its series, for every run that has two on either side.

    A series is one checkpoint in one place at one task; what a run should have given is the cubic in ln(batch) through
    the two runs on either side of it. Sharing, warm-up and other accidents of single runs are in it, not an error that
    all runs of a series share.
    """
    table = fits.table
    series: dict[tuple[object, ...], list[int]] = {}
    for number, row in enumerate(table.rows):
        if row.software == table.softwares[-1]:
            key = (row.model, row.machine, row.task, row.parallelism, row.precision)
            series.setdefault(key, []).append(number)
    found: list[float] = []
    for numbers in series.values():
        order = sorted(numbers, key=lambda number: table.batch[number])
        found += _scatter(np.log(table.batch[order]), np.log(table.energy_j[order]))
    return np.array(found)


def _noise_log(fits: Fits) -> tuple[float, int]:
    """Return the spread of a run, 1.48 median absolute deviations, and of how many runs it was taken."""
    found = run_scatter(fits)
    return 1.4826 * float(np.median(np.abs(found))), len(found)


def sure_log(fits: Fits) -> float:
    """Return |ln ratio| of two runs above which nine pairs in ten differ by more than noise."""
    return float(_Z95 * np.sqrt(2.0) * _noise_log(fits)[0])


def _scatter(batches: Array, energies: Array) -> list[float]:
    """Return each inner run's distance from the cubic through its neighbours, as large as that of a single run."""
    found = []
    for middle in range(2, len(batches) - 2):
        near = [middle + step for step in _NEIGHBOURS]
        if np.diff(batches[middle - 2 : middle + 3]).min() < _APART:
            continue
        weights = np.array(
            [
                np.prod([(batches[middle] - batches[o]) / (batches[n] - batches[o]) for o in near if o != n])
                for n in near
            ]
        )
        found.append(float((energies[middle] - weights @ energies[near]) / np.sqrt(1.0 + (weights**2).sum())))
    return found


def _twins_text(fits: Fits) -> str:
    """Return by how much the joules of DeepSeek R1 and V3.1 differ, batch by batch."""
    table = fits.table
    found = []
    for first, row in enumerate(table.rows):
        for second, other in enumerate(table.rows):
            alike = (row.group, row.machine, row.task) == (other.group, other.machine, other.task)
            if (
                alike
                and "R1" in row.model
                and "R1" not in other.model
                and round(row.batch) == round(other.batch)
                and row.task == "gpqa"
            ):
                change = 100 * (table.energy_j[first] / table.energy_j[second] - 1.0)
                found.append((row.batch, f"{change:+.0f} % at {row.batch:.0f}"))
    return ", ".join(text for _, text in sorted(found))


def sign_lines(fits: Fits, pairs: Sequence[Pair], halved: Sequence[Pair]) -> list[str]:
    """Return how often the sign of the saving is right: of pairs on equal chips, of those on half the chips, of both."""
    limit = sure_log(fits)
    lines = [
        "| pairs | number | FP8 saves in | **sign right, held out** | calibrated | threshold, held out | in hindsight | error of the ratio |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    alike, both = [pair for pair in pairs if pair.is_alike], [*pairs, *halved]
    choices = (("all", pairs, pairs), ("shared alike", alike, pairs), ("FP8 on half the chips", halved, halved))
    for name, found, pool in (*choices, ("both", both, both)):
        clear = [pair for pair in found if abs(np.log(pair.measured)) > limit]
        lines += [_line(name, found, pool), _line(f"{name}, clear of the noise", clear, pool)]
    return lines


def _line(name: str, found: Sequence[Pair], pool: Sequence[Pair]) -> str:
    """Return one line; pool: the pairs on which the threshold of a base model is chosen, without its own."""
    count, right = len(found), sum(pair.is_right for pair in found)
    inside = sum((pair.measured < 1) == (pair.calibrated < 1) for pair in found)
    limits = dict(zip(sorted({p.group for p in pool}), threshold_right(pool)[1], strict=True))
    plain = sum((p.measured < 1) == (p.batch >= limits[p.group]) for p in found)
    after = max(
        sum((p.measured < 1) == (p.batch >= best) for p in found) for best in (0.0, np.inf, *(p.batch for p in found))
    )
    error = np.median([abs(np.log(p.predicted / p.measured)) for p in found])
    saves = sum(pair.measured < 1 for pair in found)
    cells = [name, str(count), str(saves), f"**{right} ({100 * right / count:.0f} %)**"]
    cells += [f"{inside} ({100 * inside / count:.0f} %)", str(plain), str(after), f"{100 * np.expm1(error):.0f} %"]
    return f"| {' | '.join(cells)} |"


def sign_text(fits: Fits, pairs: Sequence[Pair], halved: Sequence[Pair]) -> list[str]:
    """Return in sentences what the pairs are, and what they cannot tell."""
    sd, count = _noise_log(fits)
    other = sum(not pair.is_alike for pair in pairs)
    _, limits = threshold_right(pairs)
    shown = ", ".join("never" if limit == np.inf else "always" if limit == 0 else f"{limit:.0f}" for limit in limits)
    margin = 100 * np.expm1(sure_log(fits))
    bases = sorted({pair.group for pair in halved})
    return [
        f"{len(pairs)} pairs of runs: same checkpoint, chip, number of chips and task, batch within {100 * (_ALIKE - 1):.0f} %. Two things about them:",
        "",
        f"- **{other} of them differ in more than precision**: Qwen3 Coder 480B in FP8 was served with data-parallel attention, in BF16 with",
        "  tensor-parallel attention. They say what that serving costs, not what FP8 does. All others are of one base model, Qwen3 235B.",
        f"- **A ratio within {margin:.0f} % of 1 has no sign.** No run was repeated; the scatter of {count} runs about the curve of their own series is",
        f"  {100 * sd:.1f} % (1.48 median deviations), that of a ratio of two 1.4 times it, and nine in ten are within {margin:.1f} %. Some runs",
        f"  are noisier: two checkpoints of one shape in one place (DeepSeek V3.1 and R1, gpqa) differ by {_twins_text(fits)}.",
        "",
        f"Besides, {len(halved)} pairs in which FP8 ran on **half as many chips** as BF16, as it was served ({', '.join(bases)}): what smaller weights",
        "allow, and what is asked more often. They compare two machines, and are counted apart.",
        "",
        *sign_lines(fits, pairs, halved),
        "",
        f"*Threshold*: the best single batch from which FP8 is said to save, chosen on the other base models ({shown}), and chosen in hindsight",
        "on the very pairs that it is tried on. The error of the ratio is the median of |ln(predicted / measured)|, held out.",
        "",
    ]
