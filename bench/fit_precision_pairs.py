"""Write data/fitted/precision_pairs.toml: how joules per token of FP8 compare with BF16's, measured and foreseen.

    python bench/fit_precision_pairs.py --data DIR

Pairs of runs that differ in nothing but the precision of the weights (bench/decoder_pairs.py), told by batch; what is
foreseen is held out: the base model was left out of the fit. Takes some minutes: it fits once for every base model.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from conformal import conformal
from decoder_pairs import Pair, pairs_of
from decoder_rows import read_rows
from fit_decoder import Fits, fit_all

OUT = Path(__file__).parents[1] / "src" / "twentywatts" / "data" / "fitted" / "precision_pairs.toml"
EDGES = (12, 48, 192)  # batches that part the bands: measured runs stand at powers of two between them
_HEAD = "# Written by bench/fit_precision_pairs.py; do not edit. Joules per output token in FP8 over those in BF16."
_METHOD = (
    "pairs of runs of one checkpoint on the same chips, number of chips and task, batches within 15 %; value: median "
    "of the measured ratios, low and high: smallest and largest; right: where it is foreseen rightly, base model "
    "left out of the fit, whether FP8 saves; pairs whose chips share the model in different ways are left out, "
    "because they say what that costs; ratio_error_90: conformal quantile of |ln(measured / foreseen ratio)| for nine "
    "pairs in ten"
)


def band(pairs: Sequence[Pair], most: float) -> list[str]:
    """Return the table of one band of batches."""
    ratios = np.array([pair.measured for pair in pairs])
    lines = ["", "[[bands]]", f"least_batch = {min(pair.batch for pair in pairs):.0f}"]
    lines += [f"most_batch = {most:.0f}"] if np.isfinite(most) else []
    lines += [f"pair_count = {len(pairs)}", f"saving_count = {int((ratios < 1).sum())}"]
    lines += [f"right_count = {sum(pair.is_right for pair in pairs)}"]
    return [*lines, f"low = {ratios.min():.3g}", f"value = {np.median(ratios):.3g}", f"high = {ratios.max():.3g}"]


def written(fits: Fits) -> str:
    """Return the table."""
    every = pairs_of(fits)
    pairs = [pair for pair in every if pair.is_alike]
    errors = np.array([abs(np.log(pair.measured / pair.predicted)) for pair in pairs])
    digest = hashlib.sha256(repr([(p.group, p.place, p.batch, p.measured) for p in pairs]).encode()).hexdigest()
    bases = sorted({pair.group for pair in pairs})
    lines = [_HEAD, f'rows_hash = "{digest}"', f"rows_count = {len(pairs)}", f'method = "{_METHOD}"']
    lines += ['sources = ["mlenergy2025"]', f"base_models = {bases}".replace("'", '"')]
    lines += [f"left_out_count = {len(every) - len(pairs)}"]
    lines += [f"saving_count = {sum(pair.measured < 1 for pair in pairs)}"]
    lines += [f"right_count = {sum(pair.is_right for pair in pairs)}"]
    lines += [f"calibrated_right_count = {sum((p.measured < 1) == (p.calibrated < 1) for p in pairs)}"]
    lines += [f"ratio_error_90 = {conformal(errors):.3g}"]
    low = 0.0
    for high in (*EDGES, np.inf):
        inside = [pair for pair in pairs if low < pair.batch <= high]
        lines += band(inside, high) if inside else []
        low = high
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fit, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the rows of ML.ENERGY")
    rows, _ = read_rows(parser.parse_args().data)
    text = written(fit_all(rows))
    OUT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
