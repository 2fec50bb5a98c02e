"""Write docs/validation/published.md: published figures recomputed from their own inputs, and figures foretold.

    python bench/validate_published.py [--out FILE]

Both come from tables that the package brings: data/plan/published.csv, training_runs.csv, training_energy.csv.
"""

from __future__ import annotations

import argparse
import ast
import csv
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training_rows import Run, bundled_runs, held_out_bands
from twentywatts.plan import fleet
from twentywatts.plan.inputs import bundled, given
from twentywatts.plan.result import Input
from twentywatts.plan.simulation import simulate
from twentywatts.plan.train import run_model
from twentywatts.uncertain import Interval
from twentywatts.units import to_base

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src" / "twentywatts" / "data" / "plan"
OUT = ROOT / "docs" / "validation" / "published.md"
DRAWS = 2000
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A published figure and what its own inputs give, both in base units."""

    row: Mapping[str, str]
    computed: float
    published: float

    @property
    def error(self) -> float:
        """Relative error of the recomputation."""
        return self.computed / self.published - 1.0

    @property
    def is_counted(self) -> bool:
        """Tell a real test from a row whose inputs were inferred from its result, recalled, or trivial."""
        return self.row["counted"] == "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A published figure and what a model of twentywatts foretells of it, without having seen it or its family."""

    name: str
    what: str
    unit: str
    published: float
    interval: Interval
    inputs: str

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.interval.mid / self.published - 1.0

    @property
    def is_covered(self) -> bool:
        """Tell whether the 90 % band holds the published figure."""
        return self.interval.low <= self.published <= self.interval.high


def evaluate(expression: str, values: Mapping[str, float]) -> float:
    """Return an arithmetic expression over names; nothing but + - * / ** and numbers is understood."""

    def walk(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](walk(node.left), walk(node.right))
        if isinstance(node, ast.Name):
            return values[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        raise ValueError(f"'{expression}' holds more than arithmetic")

    return walk(ast.parse(expression, mode="eval").body)


@functools.cache
def recomputed() -> list[Recomputed]:
    """Return every row of published.csv, recomputed."""
    with (DATA / "published.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        pairs = [item.split("=") for item in row["inputs"].split("; ")]
        values = {name: to_base(float(text.split()[0]), text.split()[1]) for name, text in pairs}
        published = to_base(float(row["published"]), row["unit"])
        found.append(Recomputed(row=row, computed=evaluate(row["formula"], values), published=published))
    return found


@functools.cache
def predicted() -> list[Predicted]:
    """Return chip hours and joules of training runs with their family left out, and totals of fleets."""
    runs = bundled_runs()
    bands = held_out_bands(runs)
    hours = [_hours(run, band) for run, band in zip(runs, bands, strict=True)]
    return [*hours, *energies(), *_fleets()]


def _hours(run: Run, band: Interval) -> Predicted:
    interval = Interval(low=run.hours(band.high), mid=run.hours(band.mid), high=run.hours(band.low))
    assert run.chip_hours is not None
    return Predicted(
        name=run.name,
        what="chip hours of training",
        unit="h",
        published=run.chip_hours,
        interval=interval,
        inputs="parameters, tokens, the chip's peak",
    )


def energies() -> list[Predicted]:
    """Return the joules of runs whose energy was published; those that are hours times a power limit say so."""
    runs = bundled_runs()
    with (DATA / "training_energy.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [_energy(row, runs) for row in rows]


def _energy(row: Mapping[str, str], runs: list[Run]) -> Predicted:
    run = Run.of(row)
    others = [other for other in runs if other.family != run.family]
    band = held_out_bands([*others, run], only=run)[0]
    mfu = Input(key="mfu_frac", label="MFU", interval=band)
    inputs = [
        given("active_params_count", "", run.active_count),
        given("tokens_count", "", run.tokens_count),
        given("peak_fp16_flop_per_s", "", run.peak_flop_per_s),
        given("max_power_w", "", float(row["max_power_w"])),
        given("pue", "", float(row["pue"])),
        mfu,
        bundled("training")["average_power_frac"],
        bundled("training")["server_overhead_frac"],
    ]
    target = "energy_j" if row["boundary"] == "facility" else "chips_energy_j"
    found = simulate(run_model, inputs, target=target, draws=DRAWS, seed=0).interval(target)
    factor = float(row["pue"]) if row["boundary"] == "chips and data centre" else 1.0
    mwh = to_base(1.0, "MWh")
    return Predicted(
        name=row["name"],
        what=f"electricity of training ({row['boundary']}; {row['how']})",
        unit="MWh",
        published=float(row["energy_mwh"]),
        interval=Interval(low=found.low * factor / mwh, mid=found.mid * factor / mwh, high=found.high * factor / mwh),
        inputs="parameters, tokens, the chip's peak and power limit, PUE",
    )


def _fleets() -> list[Predicted]:
    """Return the fleets whose inputs do not hold the published total."""
    found = fleet("iea-2030", draws=20_000).amount("energy_j")
    twh = to_base(1.0, "TWh")
    interval = Interval(low=found.low / twh, mid=found.mid / twh, high=found.high / twh)
    inputs = "415 TWh in 2024, 12 to 17 % a year"
    return [
        Predicted(name="IEA 2030", what="data centres", unit="TWh", published=945, interval=interval, inputs=inputs)
    ]


def page() -> str:
    """Return the report as Markdown."""
    first, second = recomputed(), predicted()
    return "\n".join([*_head(), *_recomputed(first), *_predicted(second), ""])


def _head() -> list[str]:
    return [
        "# Published figures: recomputed and foretold",
        "",
        "Written by `bench/validate_published.py`; do not edit. A test compares this page with what the script writes.",
        "",
    ]


def scores(rows: list[Recomputed]) -> dict[str, float]:
    """Return how many rows count, and which share of them lies within 2 % and within 5 %."""
    errors = np.abs([row.error for row in rows if row.is_counted])
    return {
        "count": len(errors),
        "within_2": float(np.mean(errors <= 0.02)),
        "within_5": float(np.mean(errors <= 0.05)),
    }


def coverage(rows: list[Predicted]) -> dict[str, float]:
    """Return count, share inside the 90 % band, median error, median high / low."""
    return {
        "count": len(rows),
        "covered": float(np.mean([row.is_covered for row in rows])),
        "median_error": float(np.median(np.abs([row.error for row in rows]))),
        "median_width": float(np.median([row.interval.high / row.interval.low for row in rows])),
    }


def _recomputed(rows: list[Recomputed]) -> list[str]:
    found = scores(rows)
    lines = [
        "## Recomputed: a source's own arithmetic from its own inputs",
        "",
        f"{found['count']:.0f} figures count; {100 * found['within_2']:.0f} % of them lie within 2 %, "
        f"{100 * found['within_5']:.0f} % within 5 %. Not counted are {sum(not row.is_counted for row in rows)} rows "
        f"whose "
        "inputs are inferred from the result, recalled, or trivial. What remains is mostly the rounding of the "
        "sources.",
        "",
        "| figure | formula | inputs | computed | published | error | source |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_recomputed_line(row) for row in rows if row.is_counted]
    lines += ["", "Not counted:", "", "| figure | error | why |", "|---|---|---|"]
    for row in rows:
        if not row.is_counted:
            lines.append(f"| {row.row['figure']} | {100 * row.error:+.1f} % | {row.row['why']} |")
    return [*lines, ""]


def _recomputed_line(item: Recomputed) -> str:
    row = item.row
    computed = item.computed / to_base(1.0, row["unit"])
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    return (
        f"| {row['figure']} | `{row['formula']}` | {row['inputs'].replace(' 1;', ';').removesuffix(' 1')} "
        f"| {computed:.4g}{unit} | {float(row['published']):.4g}{unit} | {100 * item.error:+.2f} % "
        f"| {row['source']}, {row['where']} |"
    )


def _predicted(rows: list[Predicted]) -> list[str]:
    found = coverage(rows)
    lines = [
        "## Predicted: figures that a model of twentywatts foretells",
        "",
        f"{found['count']:.0f} figures. The 90 % bands cover {100 * found['covered']:.0f} % of them, with a median "
        f"high / low "
        f"of {found['median_width']:.1f}; the median error is {100 * found['median_error']:.0f} %.",
        "",
        "Chip hours: the whole family of a run is left out, for the utilisation and for the band alike; the form of "
        "the "
        "model was chosen on these and further rows (docs/validation/training.md tells what that is worth, and "
        "foretells the same runs some per cent apart, because it is fitted to ten more). A published "
        "energy that is hours times a power limit is no meter's reading and is marked. Left out: totals whose growth "
        "was "
        "derived from themselves (LBNL 2028, IEA 2026) and claims of another scope (the IEA's AI-focused facilities "
        "against the world's chips).",
        "",
        "| figure | what | foretold (90 %) | published | error | in band | known before |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, mid, high = row.interval.low, row.interval.mid, row.interval.high
        lines.append(
            f"| {row.name} | {row.what} | {mid:.3g} {row.unit} ({low:.2g}–{high:.2g}) | {row.published:.4g} {row.unit} "
            f"| {100 * row.error:+.0f} % | {'yes' if row.is_covered else '**no**'} | {row.inputs} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    arguments.out.write_text(page(), encoding="utf-8")
    print(scores(recomputed()), coverage(predicted()))


if __name__ == "__main__":
    main()
