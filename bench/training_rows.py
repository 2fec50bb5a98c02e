"""Published training runs and the fit of what share of a chip's peak they reached; used by two benches."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conformal import conformal
from twentywatts.plan.operations import training_operations
from twentywatts.plan.utilisation import features
from twentywatts.uncertain import Interval

Array = NDArray[np.float64]

BUNDLED = Path(__file__).parents[1] / "src" / "twentywatts" / "data" / "plan" / "training_runs.csv"
FAMILIES = {
    "T5-11B": "google-2021",
    "GShard-600B": "google-2021",
    "Switch 1.5T": "google-2021",
    "GLaM 1.2T": "glam",
    "GLaM 280B tokens": "glam",
    "DeepSeek-V3": "deepseek",
}
PREFIXES = {"Llama 2": "llama-2", "Llama 3": "llama-3", "Llama 4": "llama-4", "GPT-4": "gpt-4"}
CANDIDATES = {"chip and overtraining": (0, 1, 2), "chip": (0, 1), "overtraining": (0, 2), "one number": (0,)}
RIDGE = 0.3
HUBER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A published training run. chip_hours is None where nobody published it; origin: ``given`` or ``bundled``."""

    name: str
    family: str
    params_count: float
    active_count: float
    tokens_count: float
    peak_flop_per_s: float
    chip_hours: float | None
    origin: str

    @classmethod
    def of(cls, row: Mapping[str, str]) -> Run:
        """Return the run of one row of a bundled table; without chip hours where the table has none."""
        return cls(
            name=row["name"],
            family=row["family"],
            params_count=float(row["params_count"]),
            active_count=float(row["active_params_count"]),
            tokens_count=float(row["tokens_count"]),
            peak_flop_per_s=float(row["peak_flop_per_s"]),
            chip_hours=float(row["chip_hours"]) if row.get("chip_hours") else None,
            origin="bundled",
        )

    @property
    def operations(self) -> float:
        """6 N D."""
        return training_operations(self.active_count, self.tokens_count)

    @property
    def mfu_frac(self) -> float:
        """Share of the peak over all published chip hours."""
        return self.operations / (self.peak_flop_per_s * (self.chip_hours or np.nan) * 3600)

    def hours(self, mfu_frac: float) -> float:
        """Return the chip hours at an MFU."""
        return self.operations / (self.peak_flop_per_s * mfu_frac * 3600)

    @property
    def row(self) -> Array:
        """The features of the fit."""
        return np.array(features(self.peak_flop_per_s, self.tokens_count / self.active_count))


def read_runs(folder: Path) -> list[Run]:
    """Return the runs of training.csv in a folder, then the bundled ones that it does not name.

    A run without published hours takes those that the bundled table cites for the same name.
    """
    bundled = {run.name: run for run in bundled_runs()}
    runs = []
    with (folder / "training.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            known = bundled.pop(row["model"], None)
            hours = float(row["chip_hours"]) if row["chip_hours"] else None
            runs.append(_given(row, hours or (known.chip_hours if known else None)))
    return [*runs, *bundled.values()]


def _given(row: dict[str, str], hours: float | None) -> Run:
    name = row["model"]
    family = next((family for prefix, family in PREFIXES.items() if name.startswith(prefix)), FAMILIES.get(name, name))
    return Run(
        name=name,
        family=family,
        params_count=float(row["params_b"]) * 1e9,
        active_count=float(row["active_params_b"]) * 1e9,
        tokens_count=float(row["tokens_t"]) * 1e12,
        peak_flop_per_s=float(row["peak_bf16_tflops"]) * 1e12,
        chip_hours=hours,
        origin="given",
    )


def bundled_runs() -> list[Run]:
    """Return the runs that the package brings, each with a primary source."""
    with BUNDLED.open(encoding="utf-8", newline="") as file:
        return [Run.of(row) for row in csv.DictReader(file)]


def rows_hash(runs: Sequence[Run]) -> str:
    """Return a hash of everything that is fitted."""
    text = "\n".join(f"{run.name} {run.operations:.6g} {run.peak_flop_per_s:.6g} {run.chip_hours:.6g}" for run in runs)
    return hashlib.sha256(text.encode()).hexdigest()


def fit(runs: Sequence[Run], columns: Sequence[int] = (0, 1, 2)) -> Array:
    """Return the coefficients of ln MFU: Huber's loss, a weak ridge, each family weighted by the root of its runs."""
    rows = np.array([run.row for run in runs])[:, list(columns)]
    target = np.log([run.mfu_frac for run in runs])
    families = [run.family for run in runs]
    weight = np.array([families.count(family) ** -0.5 for family in families])
    penalty = np.diag([0.0] + [RIDGE] * (len(columns) - 1))
    trust, found = np.ones(len(target)), np.zeros(len(columns))
    for _ in range(50):
        scale = (weight * trust)[:, None]
        before, found = found, np.linalg.solve(rows.T @ (scale * rows) + penalty, rows.T @ (scale[:, 0] * target))
        if np.abs(found - before).max() < 1e-9:
            break
        trust = np.minimum(1.0, HUBER / np.maximum(np.abs(target - rows @ found), 1e-9))
    full = np.zeros(3)
    full[list(columns)] = found
    return full


def left_out(runs: Sequence[Run], columns: Sequence[int] = (0, 1, 2)) -> Array:
    """Return the MFU of each run, predicted from the runs of all other families."""
    found = np.empty(len(runs))
    for family in dict.fromkeys(run.family for run in runs):
        coefficients = fit([run for run in runs if run.family != family], columns)
        for index, run in enumerate(runs):
            if run.family == family:
                found[index] = np.exp(run.row @ coefficients)
    return found


def spread(runs: Sequence[Run]) -> tuple[float, float]:
    """Return the factors on a foretold MFU between which one more run lies nine times in ten, its family unseen.

    The conformal quantile of |ln(published / foretold)|, each family predicted from the rest.
    """
    width = math.exp(conformal(np.abs(np.log([run.mfu_frac for run in runs] / left_out(runs)))))
    return 1.0 / width, width


def held_out_bands(runs: Sequence[Run], only: Run | None = None) -> list[Interval]:
    """Return the MFU of each run (or of ``only``) with a 90 % band, its family left out of the fit and of the band."""
    bands = {}
    for family in dict.fromkeys(run.family for run in ([only] if only else runs)):
        others = [run for run in runs if run.family != family]
        bands[family] = (fit(others), *spread(others))
    found = []
    for run in [only] if only else runs:
        coefficients, low, high = bands[run.family]
        mid = float(np.exp(run.row @ coefficients))
        found.append(Interval(low=mid * low, mid=mid, high=mid * high))
    return found


def nested(runs: Sequence[Run]) -> Array:
    """Return the MFU of each run, the model too chosen without its family."""
    found = np.empty(len(runs))
    for family in dict.fromkeys(run.family for run in runs):
        others = [run for run in runs if run.family != family]
        columns = min(CANDIDATES.values(), key=lambda columns: loss(others, left_out(others, columns)))
        coefficients = fit(others, columns)
        for index, run in enumerate(runs):
            if run.family == family:
                found[index] = np.exp(run.row @ coefficients)
    return found


def loss(runs: Sequence[Run], mfu: Array) -> float:
    """Return the mean absolute log error."""
    return float(np.mean(np.abs(np.log(mfu / [run.mfu_frac for run in runs]))))


def hours_error(runs: Sequence[Run], mfu: Array) -> Array:
    """Return |predicted / published hours - 1| of each run."""
    return np.abs(np.array([run.mfu_frac for run in runs]) / mfu - 1)
