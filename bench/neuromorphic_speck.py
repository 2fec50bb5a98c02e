"""Six published runs of Speck for bench/validate_neuromorphic.py: power from spikes, each task left out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twentywatts.units import format_si

REST_W, WINDOW_S = 0.42e-3, 0.54  # resting power and length of a sample (doi:10.1038/s41467-024-47811-6)
RUNS = {  # its Table 1: total power [W], spikes in a sample
    "gesture, plain": (9.5e-3, 1.0e6),
    "gesture, dynamic": (3.8e-3, 0.4e6),
    "gait by day, plain": (16.1e-3, 2.9e6),
    "gait by day, dynamic": (7.3e-3, 1.2e6),
    "gait by night, plain": (46.8e-3, 3.3e6),
    "gait by night, dynamic": (12.3e-3, 1.5e6),
}


def per_spike_j(runs: Mapping[str, tuple[float, float]]) -> float:
    """Return the geometric mean of joules per spike above rest."""
    each = [(power_w - REST_W) * WINDOW_S / spikes for power_w, spikes in runs.values()]
    return float(np.exp(np.mean(np.log(each))))


def speck() -> list[str]:
    """Return Speck's power from its spikes, the energy per spike from all runs and from those of other tasks."""
    every = per_spike_j(RUNS)
    lines, factors = [], []
    for name, (power_w, spikes) in RUNS.items():
        others = {key: run for key, run in RUNS.items() if key.partition(",")[0] != name.partition(",")[0]}
        inside, outside = (REST_W + joules * spikes / WINDOW_S for joules in (every, per_spike_j(others)))
        factors.append(max(outside / power_w, power_w / outside))
        ratios = f"{inside / power_w:.2f} | {outside / power_w:.2f}"
        lines.append(f"| {name} | {spikes / 1e6:g} million | {format_si(power_w, 'W')} | {ratios} |")
    return [
        "## Speck, six runs of one network",
        "",
        "Power from resting power and spikes; joules per spike from all runs, and from the runs of the other tasks. "
        f"The machine file's energy per event rests on these runs ({format_si(every, 'J')} per spike), so that none is "
        "a prediction of the product.",
        "",
        "| run | spikes in 0.54 s | published | in sample | task left out |",
        "|---|---|---|---|---|",
        *lines,
        "",
        f"Left out, all lie within a factor {max(factors):.1f}, median {np.median(factors):.2f}.",
        "",
    ]
