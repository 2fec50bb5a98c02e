"""Write src/twentywatts/data/fitted/crossbar.toml: the model error of the crossbar pricer.

    python bench/fit_crossbar.py MACROS.csv [--out FILE]

The pricer has no fitted constant. Its model error is the conformal 90 % interval of published over predicted energy for
operating points of a chip whose other points are known (machine files carry such points).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from conformal import conformal
from crossbar_macros import combined, leave_one_point_out, nested, read_macros, rows_hash, table_of

OUT = Path(__file__).parents[1] / "src" / "twentywatts" / "data" / "fitted" / "crossbar.toml"
METHOD = (
    "ridge and Gaussian processes on physical features of published macros, weighted by an inner grouped validation; "
    "model error: conformal, from operating points left out of chips whose other points are known; "
    "held_out_error: whole chips left out"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("macros", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    macros = read_macros(arguments.macros)
    table = table_of(macros)
    every = np.ones(len(macros), bool)
    held_out = nested(table)[0] - table.target
    in_sample = combined(table, every, every)[0] - table.target
    points = leave_one_point_out(table, held_out + table.target)
    points = points[~np.isnan(points)]
    width = 10 ** conformal(np.abs(points))
    lines = [
        "# Written by bench/fit_crossbar.py. Do not edit.",
        f"model_error_low_frac = {1.0 / width:.4g}",
        f"model_error_high_frac = {width:.4g}",
        f'rows_hash = "{rows_hash(macros)}"',
        f"rows_count = {len(macros)}",
        "# median of |predicted / published - 1|",
        f"in_sample_error = {np.median(np.abs(10**in_sample - 1)):.3g}",
        f"held_out_error = {np.median(np.abs(10**held_out - 1)):.3g}",
        f'method = "{METHOD}"',
        'sources = ["uiuc-imc"]',
    ]
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(arguments.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
