# ruff: noqa: E501
"""Write docs/benchmarks/predictors.md: what today's predictors say of the same measured runs, beside ours.

    python bench/predictors.py --data DIR [--docs FILE]

Formulas of the peers are re-derived from what they publish (decoder_peers.py). Some of them take the measured run time as an input,
which is half of the answer: their column says so. Ours sees model, chip, batch and lengths, and never the base model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decoder_peers import green_algorithms_j, llmcarbon_j, mlco2_j, tdp_j
from decoder_rows import architecture_of, read_rows
from fit_decoder import Fits, fit_all, relative
from twentywatts.counting.parameters import active_parameter_count
from twentywatts.machines import load
from twentywatts.price.decoder_work import rates_of
from twentywatts.uncertain import Array
from validate_decoders import ecologits

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "benchmarks" / "predictors.md"


def predictions(fits: Fits) -> dict[str, tuple[str, Array]]:
    """Return predictor → what it must be told, and its joules per output token of every row."""
    table = fits.table
    rates = {name: rates_of(load(name)) for name in set(table.machine)}
    seconds = table.step_s / table.batch  # per output token of all sequences
    numbers = range(len(table.rows))
    power = [rates[name].power_w for name in table.machine]
    memory = [rates[table.machine[n]].capacity_bytes / 1e9 * table.chips[n] for n in numbers]
    active = [active_parameter_count(architecture_of(row.model)) / 1e9 for row in table.rows]
    peak = [rates[row.machine].peak_flop_per_s[8 if row.precision == "fp8" else 16] for row in table.rows]
    timed, told = "measured time", "model, chip"
    found = {
        "TDP × time": (timed, [tdp_j(power[n], table.chips[n], seconds[n]) for n in numbers]),
        "MLCO2 Impact": (timed, [mlco2_j(power[n], table.chips[n], seconds[n]) for n in numbers]),
        "Green Algorithms": (
            timed,
            [green_algorithms_j(power[n], table.chips[n], seconds[n], memory_gb=memory[n]) for n in numbers],
        ),
        "LLMCarbon, efficiency 0.4": (told, [llmcarbon_j(active[n], peak[n], power[n]) for n in numbers]),
    }
    arrays = {name: (what, np.array(values)) for name, (what, values) in found.items()}
    arrays["EcoLogits, its batch of 64"] = ("model", ecologits(fits, true_batch=False))
    arrays["EcoLogits, the true batch"] = ("model, batch", ecologits(fits, true_batch=True))
    ours = table.energy_j * np.exp(-fits.held_out)
    arrays["**ours, base model left out**"] = ("model, chip, batch, lengths", ours)
    arrays["**ours, chip left out**"] = ("model, chip, batch, lengths", table.energy_j * np.exp(-fits.unseen))
    return arrays


def report(fits: Fits) -> str:
    """Return the page."""
    table = fits.table
    new = table.software == table.softwares.index("vllm-2025")
    lines = [
        "# Predictors of the energy of language models",
        "",
        "Written by `bench/predictors.py`; do not edit. The same runs for all: ML.ENERGY v3 (H100, B200) and v2 (A100, H100), joules of all GPUs",
        f"per output token, {len(table.rows):,} rows. Median |predicted / measured − 1|, its 90th percentile, and the median of predicted / measured.",
        "v2's times and joules may cover different windows, which hurts whoever multiplies a time with watts: v3 stands alone too.",
        "",
        "| predictor | is told | v3: median | v3: p90 | v3: bias | all: median | all: p90 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (told, joules) in predictions(fits).items():
        error = relative(np.log(table.energy_j / joules))
        cells = [f"{100 * np.median(error[new]):.0f} %", f"{100 * np.quantile(error[new], 0.9):.0f} %"]
        cells += [
            f"{np.median((joules / table.energy_j)[new]):.2f}",
            f"{100 * np.median(error):.0f} %",
            f"{100 * np.quantile(error, 0.9):.0f} %",
        ]
        lines.append(f"| {name} | {told} | {' | '.join(cells)} |")
    lines += [
        "",
        "How: Green Algorithms is TDP × time + 0.3725 W per GB of memory, usage 1, PUE left out; MLCO2 Impact is TDP × time (its own table has",
        "other TDPs for some chips; the right ones are used); LLMCarbon is 2 P operations at 40 % of the peak and TDP; EcoLogits is its published",
        "regression, GPUs only, fitted on ML.ENERGY itself. None of them was run through its own program. None gives an interval that was",
        "held against measurements. Ours was fitted on these publications too, but never on the base model (the chip) that it predicts.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, leave out, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--docs", type=Path, default=DOCS)
    options = parser.parse_args(arguments)
    text = report(fit_all(read_rows(options.data)[0]))
    options.docs.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
