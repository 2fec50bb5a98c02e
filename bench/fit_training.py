"""Write src/twentywatts/data/fitted/training.toml: what share of a chip's peak training runs reach.

    python bench/fit_training.py --data DIR [--out FILE]

DIR holds training.csv; the bundled data/plan/training_runs.csv is added. ln MFU is linear in the log of the chip's peak
and in ln(1 + tokens per parameter / 1000).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from training_rows import fit, hours_error, left_out, read_runs, rows_hash, spread

OUT = Path(__file__).parents[1] / "src" / "twentywatts" / "data" / "fitted" / "training.toml"
NAMES = ("log_mfu", "peak_exponent", "overtraining_exponent")
METHOD = (
    "robust ridge regression of ln(6 N D / (peak x published chip hours)) on ln(peak) and "
    "ln(1 + tokens per parameter / 1000), families weighted by the root of their runs; intervals of the constants: "
    "families left out one at a time; model error: conformal 90 % quantile of runs, their families left out as a whole"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    runs = [run for run in read_runs(arguments.data) if run.chip_hours]
    families = list(dict.fromkeys(run.family for run in runs))
    found = fit(runs)
    jackknife = np.array([fit([run for run in runs if run.family != family]) for family in families])
    width = 1.645 * np.sqrt((len(families) - 1) * np.mean((jackknife - jackknife.mean(axis=0)) ** 2, axis=0))
    held_out = left_out(runs)
    inside = np.exp([run.row @ found for run in runs])
    low, high = spread(runs)
    lines = [
        "# Written by bench/fit_training.py; do not edit.",
        f"model_error_low_frac = {low:.3g}",
        f"model_error_high_frac = {high:.3g}",
        f'rows_hash = "{rows_hash(runs)}"',
        f"rows_count = {len(runs)}",
        "# median of |predicted / published hours - 1|",
        f"in_sample_error = {np.median(hours_error(runs, inside)):.3g}",
        f"held_out_error = {np.median(hours_error(runs, held_out)):.3g}",
        f'method = "{METHOD}"',
        'sources = ["twentywatts-training", "touvron2023"]',
    ]
    for name, value, half in zip(NAMES, found, width, strict=True):
        lines += ["", f"[constants.{name}]", f"low = {value - half:.4g}", f"value = {value:.4g}"]
        lines += [f"high = {value + half:.4g}"]
    fastest = max(run.peak_flop_per_s for run in runs)
    lines += ["", "# the fastest chip of any run", "[constants.fastest_peak_flop_per_s]"]
    lines += [f"{end} = {fastest:.4g}" for end in ("low", "value", "high")]
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(arguments.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
