"""Write docs/validation/training.md: chip hours and joules of published training runs, their family left out.

    python bench/validate_training.py --data DIR [--out FILE]

DIR holds training.csv; the bundled data/plan/training_runs.csv and training_energy.csv are added. Given are parameters,
tokens and the chip's peak alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training_rows import (
    CANDIDATES,
    Array,
    Run,
    fit,
    held_out_bands,
    hours_error,
    left_out,
    loss,
    nested,
    read_runs,
    rows_hash,
)
from twentywatts.plan import training
from validate_published import energies

OUT = Path(__file__).parents[1] / "docs" / "validation" / "training.md"
TARGET = 0.25
THIRD_PARTY = {"GPT-4 (estimate)": (25_000 * 90 * 24, 25_000 * 100 * 24, "25,000 chips for 90 to 100 days")}


def page(folder: Path) -> str:
    """Return the report as Markdown."""
    every = read_runs(folder)
    runs = [run for run in every if run.chip_hours]
    given = np.array([run.origin == "given" for run in runs])
    held_out = left_out(runs)
    lines = [
        "# Training runs: foretold against published",
        "",
        "Written by `bench/validate_training.py`; do not edit. "
        f"{len(runs)} runs of {len({run.family for run in runs})} families, rows hash `{rows_hash(runs)[:16]}`; "
        f"{given.sum()} of them are the rows of `training.csv` with published or derivable hours, the others are "
        f"bundled "
        "with a source each. Known to the model: parameters that a token uses, tokens, the chip's 16-bit peak. The "
        "hours "
        "of a run hold its failures and restarts, and in model cards often every stage after pre-training too.",
        "",
        *_summary(runs, given, held_out),
        *_models(runs, given),
        *_every(runs, held_out),
        *_undisclosed(every, runs),
        *_energies(),
        *_range(),
    ]
    return "\n".join(lines)


def _median(runs: Sequence[Run], mfu: Array, chosen: Array) -> str:
    return f"{100 * np.median(hours_error(runs, mfu)[chosen]):.1f} %"


def _summary(runs: Sequence[Run], given: Array, held_out: Array) -> list[str]:
    inside = np.exp([run.row @ fit(runs) for run in runs])
    bands = held_out_bands(runs)
    covered = [band.low <= run.mfu_frac <= band.high for band, run in zip(bands, runs, strict=True)]
    width = np.median([band.high / band.low for band in bands])
    every = np.ones(len(runs), bool)
    median = float(np.median(hours_error(runs, held_out)[given]))
    verdict = "met" if median <= TARGET else "**not met**"
    chosen = nested(runs)
    return [
        "## Two errors, never one",
        "",
        "Median of |foretold / published hours - 1|.",
        "",
        "| | calibrated (in sample) | family left out | family left out of the choice of model too |",
        "|---|---|---|---|",
        f"| rows of training.csv | {_median(runs, inside, given)} | {_median(runs, held_out, given)} "
        f"| {_median(runs, chosen, given)} |",
        f"| all rows | {_median(runs, inside, every)} | {_median(runs, held_out, every)} "
        f"| {_median(runs, chosen, every)} |",
        "",
        f"Target: 25 % with the family left out, on the rows of training.csv: **{100 * median:.1f} %**, {verdict}. "
        f"The last "
        "column is the harder test: with so few families the choice between the models below is unstable, and it "
        "does not "
        "meet the target.",
        "",
        f"The 90 % bands (their own family left out) hold {100 * np.mean(covered):.0f} % of the runs; median high / "
        f"low "
        f"{width:.1f}.",
        "",
    ]


def _models(runs: Sequence[Run], given: Array) -> list[str]:
    lines = ["## Other models, same folds", "", "| model | training.csv | all rows | mean absolute log error |"]
    lines.append("|---|---|---|---|")
    every = np.ones(len(runs), bool)
    for name, columns in CANDIDATES.items():
        mfu = left_out(runs, columns)
        lines.append(f"| {name} | {_median(runs, mfu, given)} | {_median(runs, mfu, every)} | {loss(runs, mfu):.3f} |")
    fixed = np.full(len(runs), 0.4)
    lines.append(
        f"| MFU of 40 % for all | {_median(runs, fixed, given)} | {_median(runs, fixed, every)} | "
        f"{loss(runs, fixed):.3f} |"
    )
    merged = [replace(run, family="llama") if run.family.startswith("llama") else run for run in runs]
    mfu = left_out(merged)
    lines += [
        f"| the model, all Llamas as one family | {_median(merged, mfu, given)} | {_median(merged, mfu, every)} "
        f"| {loss(merged, mfu):.3f} |",
        "",
        "Size, year and mixture of experts were tried as well and did not lower the error.",
        "",
    ]
    return lines


def _every(runs: Sequence[Run], held_out: Array) -> list[str]:
    lines = [
        "## Every run",
        "",
        "| run | family left out | published MFU | foretold MFU | published hours | foretold hours (90 %) | error |",
        "|---|---|---|---|---|---|---|",
    ]
    for run, mfu, band in zip(runs, held_out, held_out_bands(runs), strict=True):
        hours = run.hours(mfu)
        lines.append(
            f"| {run.name} | {run.family} | {run.mfu_frac:.3f} | {mfu:.3f} | {run.chip_hours:,.0f} | {hours:,.0f} "
            f"({run.hours(band.high):.2g}–{run.hours(band.low):.2g}) | "
            f"{100 * (hours / (run.chip_hours or 1) - 1):+.0f} % |"
        )
    return [*lines, ""]


def _undisclosed(every: Sequence[Run], runs: Sequence[Run]) -> list[str]:
    lines = ["## Never disclosed", ""]
    for run in every:
        if run.chip_hours:
            continue
        band = held_out_bands([*runs, run], only=run)[0]
        text = (
            f"- {run.name}: {run.hours(band.mid) / 1e6:.2g} million chip hours ({run.hours(band.high) / 1e6:.2g}–"
            f"{run.hours(band.low) / 1e6:.2g}) from the size that others report"
        )
        if run.name in THIRD_PARTY:
            low, high, words = THIRD_PARTY[run.name]
            text += f"; third parties report {words}, {low / 1e6:.0f} to {high / 1e6:.0f} million"
            plan = training(run.params_count, run.tokens_count, "a100-sxm-80", active_params=run.active_count, pue=1.2)
            energy = plan.amount("energy_j")
            gwh = [value / 3.6e12 for value in (energy.low, energy.mid, energy.high)]
            text += (
                f". With hosts and a PUE of 1.2: {gwh[1]:.0f} GWh ({gwh[0]:.0f}–{gwh[2]:.0f}); estimates in print lie "
                "between 38 and 62 GWh"
            )
        else:
            text += "; hours were not published for all its tokens"
        lines.append(text + ".")
    return [*lines, ""]


def _energies() -> list[str]:
    lines = [
        "## Joules: metered, and hours times a power limit",
        "",
        "A published energy that is hours times a power limit repeats the hours: it is no reading of a meter. The "
        "two stand "
        "apart. Hours are foretold here as well, never given.",
        "",
    ]
    found = energies()
    titles = {"Metered, at least in part": True, "Hours times a power limit or a typical power": False}
    for title, is_metered in titles.items():
        lines += [
            f"### {title}",
            "",
            "| run | how | foretold (90 %) | published | error | in band |",
            "|---|---|---|---|---|---|",
        ]
        for item in found:
            if ("metered" in item.what) != is_metered:
                continue
            interval = item.interval
            lines.append(
                f"| {item.name} | {item.what.partition('(')[2].removesuffix(')')} | {interval.mid:.3g} MWh "
                f"({interval.low:.2g}–{interval.high:.2g}) | {item.published:.4g} MWh | {100 * item.error:+.0f} % "
                f"| {'yes' if item.is_covered else '**no**'} |"
            )
        lines.append("")
    return [
        *lines,
        "GPT-3: 1,287 MWh as published (10,000 chips are an assumption of the authors); the model puts it lower "
        "because "
        "its utilisation of 20 % is far below that of later runs. TPU v3 and v4 are charged with the largest power "
        "that "
        "was measured of them (262 and 192 W, Jouppi 2023, Table 4), the definition of the bundled machine file. "
        "With the "
        "450 W that Patterson 2021 prints as the limit of a TPU v3 the runs on it would be foretold twice too high.",
        "",
    ]


def _range() -> list[str]:
    return [
        "## Where it holds",
        "",
        "Transformers of 0.5 to 540 billion parameters in use, on TPU v3 and v4, V100, A100, H100 and H800, 2019 to "
        "2025. "
        "Not on newer chips: their peak is beyond the fit. Rows where several stages share one number of hours "
        "(Llama 3.1 "
        "8B, Llama 3.2 1B and 3B, which were pruned and distilled) are foretold too low, and stay in every median. "
        "Of the "
        "rows that were recalled, the hours of Gopher, PaLM and OPT were looked up since; the tokens of XLM-R come "
        "from a "
        "database that others keep.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    text = page(arguments.data)
    arguments.out.write_text(text, encoding="utf-8")
    print(next(line for line in text.splitlines() if line.startswith("Target")))


if __name__ == "__main__":
    main()
