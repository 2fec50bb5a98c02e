"""Write src/twentywatts/data/fitted/processor.toml from measured runs, and docs/validation/processor.md.

    python bench/fit_processor.py --mlperf MLPERF.csv --runs RUNS.csv [--out FILE] [--docs FILE]

MLPERF.csv holds wall power of whole systems (columns of the MLCommons result summaries), RUNS.csv power of devices
under keyword spotting (columns as in bench/fit_neuromorphic.py). Four constants are shared by all processors. They are
fitted in log space with a robust loss and priors; what a host adds is free per chip within a wide interval,
so that it is not mistaken for the chip. For the held-out error a whole chip is left out, its host stays at
the guess, and the same constants predict time and energy of all its rows.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from processor_report import Findings, Prediction, key, report
from processor_rows import HOSTS, Row, geometric_mean, keyword_spotting, machine, mlperf, resnet50
from twentywatts.figures import load_figures, sample
from twentywatts.ledger import Cause
from twentywatts.price import processor
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array, Interval
from twentywatts.workload import ProcessorWorkload

ROOT = Path(__file__).parents[1]
OUT = ROOT / "src" / "twentywatts" / "data" / "fitted" / "processor.toml"
DOCS = ROOT / "docs" / "validation" / "processor.md"
Z95 = 1.645
# what is believed before any row is seen: (value, 90 % interval)
PRIORS = {
    "compute_efficiency_frac": Interval(low=0.15, mid=0.4, high=0.8),
    "bandwidth_efficiency_frac": Interval(low=0.45, mid=0.7, high=0.9),
    "active_base_frac": Interval(low=0.1, mid=0.25, high=0.5),
    "compute_power_frac": Interval(low=0.25, mid=0.5, high=0.8),
}
NAMES = tuple(PRIORS)
CEILING = np.log([1.0, 0.95, 0.9, 1.0])  # a share of a peak is no more than all of it
LEAST = 2.0  # a model error narrower than this factor is not claimed from one network
NOISE = 0.3  # standard deviation of ln(predicted / measured) of one chip that the loss treats as usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Logarithms of the constants (order of NAMES), their standard deviations, and of each chip's host multiplier."""

    constants: Array
    deviations: Array
    hosts: Mapping[str, float]


def prior() -> tuple[Array, Array]:
    """Return mean and standard deviation of the constants' logarithms before any row is seen."""
    mean = np.log([PRIORS[name].mid for name in NAMES])
    width = np.log([PRIORS[name].high / PRIORS[name].low for name in NAMES]) / (2 * Z95)
    return mean, width


@cache
def _figures(chip: str) -> Mapping[str, Array]:
    return sample(machine(chip).figures, namespace=chip, draws=0, seed=0)


def device(chip: str, workload: ProcessorWorkload, constants: Array) -> tuple[float, float, float]:
    """Return time of a batch [s], energy per inference [J], and the part of it that is base power over time [J]."""
    values = dict(_figures(chip))
    values |= {name: np.array([math.exp(value)]) for name, value in zip(NAMES, constants, strict=True)}
    costs = processor.costs(workload, machine(chip), values, Scenario(batch=workload.batch, draws=0))
    return float(costs.latency_s[0]), float(costs.total_j()[0]), float(costs.energy_j[Cause.STATIC].sum())


def predict(row: Row, constants: Array, *, host: float = 0.0) -> Prediction:
    """Return time of a batch [s] and energy per inference [J] at the row's boundary; ``host`` is a log multiplier."""
    return _at_boundary(row, device(row.chip, row.workload, constants), host)


def _at_boundary(row: Row, priced: tuple[float, float, float], host: float) -> Prediction:
    time_s, energy_j, static_j = priced
    if "power" in row.uses:  # energy at the measured time: what is dynamic, and base power for as long as it took
        energy_j += static_j * (row.time_s / time_s - 1.0)
    if row.wall:
        share = host_share(row.chip)
        added = share.mid * (time_s / row.workload.batch if row.chip in HOSTS else energy_j)
        energy_j += math.exp(host) * added
    return Prediction(time_s=time_s, energy_j=energy_j)


def host_share(chip: str) -> Interval:
    """Return what the host adds: watts per accelerator for servers, else a share of the device's energy."""
    if chip in HOSTS:
        mid, low, high = HOSTS[chip]
        return Interval(low=low, mid=mid, high=high)
    return load_figures("boundaries")["server_overhead_frac"].interval


def host_deviation(chip: str) -> float:
    """Return the standard deviation of the logarithm of what the host adds."""
    share = host_share(chip)
    return math.log(share.high / share.low) / (2 * Z95)


def residuals(row: Row, prediction: Prediction) -> list[float]:
    """Return ln(predicted / measured) of what the fit takes from a row."""
    found = []
    if "time" in row.uses:
        found.append(math.log(prediction.time_s / row.time_s))
    if "energy" in row.uses or "power" in row.uses:
        found.append(math.log(prediction.energy_j / row.energy_j))
    return found


def fit(rows: Sequence[Row]) -> Fit:
    """Return the constants that fit the rows; each chip has the same weight for time and for energy."""
    chips = sorted({row.chip for row in rows})
    walls = [chip for chip in chips if any(row.wall and "energy" in row.uses for row in rows if row.chip == chip)]
    mean, width = prior()
    spread = np.array([host_deviation(chip) for chip in walls])
    counts = {chip: _count(rows, chip) for chip in chips}

    def cost(point: Array) -> Array:
        hosts = dict(zip(walls, point[len(NAMES) :], strict=True))
        found: list[float] = []
        pairs = {(row.chip, id(row.workload)): row.workload for row in rows}
        priced = {(chip, key): device(chip, work, point[: len(NAMES)]) for (chip, key), work in pairs.items()}
        for row in rows:
            prediction = _at_boundary(row, priced[row.chip, id(row.workload)], hosts.get(row.chip, 0.0))
            scale = NOISE * math.sqrt(counts[row.chip])
            found += [_robust(value / NOISE) * NOISE / scale for value in residuals(row, prediction)]
        return np.array([*found, *((point[: len(NAMES)] - mean) / width), *(point[len(NAMES) :] / spread)])

    start = np.concatenate([mean, np.zeros(len(walls))])
    upper = np.concatenate([CEILING, np.full(len(walls), np.inf)])
    result = least_squares(cost, start, bounds=(-np.inf, upper), diff_step=1e-3, x_scale="jac")
    covariance = np.linalg.inv(result.jac.T @ result.jac)
    return Fit(
        constants=result.x[: len(NAMES)],
        deviations=np.sqrt(np.diag(covariance))[: len(NAMES)],
        hosts=dict(zip(walls, result.x[len(NAMES) :], strict=True)),
    )


def _robust(value: float) -> float:
    """Return a residual whose square is the soft L1 loss: a far row pulls like its distance, not its square."""
    return math.copysign(math.sqrt(2.0 * (math.sqrt(1.0 + value * value) - 1.0)), value)


def intervals(rows: Sequence[Row], whole: Fit) -> dict[str, Interval]:
    """Return each constant with the spread between chips, each fitted alone, and what each of them leaves open."""
    alone = [fit([row for row in rows if row.chip == chip]) for chip in sorted({row.chip for row in rows})]
    between = np.var([one.constants for one in alone], axis=0, ddof=1)
    within = np.mean([one.deviations**2 for one in alone], axis=0)
    width = Z95 * np.sqrt(between + within)
    low, mid = np.exp(whole.constants - width), np.exp(whole.constants)
    high = np.minimum(np.exp(whole.constants + width), np.exp(CEILING))
    return {name: Interval(low=low[i], mid=mid[i], high=high[i]) for i, name in enumerate(NAMES)}


def held_out(rows: Sequence[Row]) -> dict[str, Array]:
    """Return for each chip the constants that the other chips give."""
    chips = sorted({row.chip for row in rows})
    return {chip: fit([row for row in rows if row.chip != chip]).constants for chip in chips}


def model_error(rows: Sequence[Row], predictions: Mapping[str, Prediction]) -> tuple[float, float]:
    """Return the factors by which measured lies below and above predicted for 90 % of what was left out.

    The wider of two answers: of chips (the mean of a chip's times, of its energies; the rank that one more chip would
    stay within), and of single rows (chips of equal weight). Never narrower than LEAST.
    """
    ordered = sorted(-value for value in chip_residuals(rows, predictions))
    rank = min(math.ceil(0.95 * (len(ordered) + 1)), len(ordered))
    pairs = [(-value, 1.0 / _count(rows, row.chip)) for row in rows for value in residuals(row, predictions[key(row)])]
    low = min(ordered[len(ordered) - rank], _quantile(pairs, 0.05), -math.log(LEAST))
    high = max(ordered[rank - 1], _quantile(pairs, 0.95), math.log(LEAST))
    return math.exp(low), math.exp(high)


def _quantile(pairs: Sequence[tuple[float, float]], level: float) -> float:
    values, weights = np.array(sorted(pairs)).T
    return float(values[np.searchsorted(np.cumsum(weights) / weights.sum(), level)])


def _count(rows: Sequence[Row], chip: str) -> int:
    return sum(row.chip == chip for row in rows)


def chip_residuals(rows: Sequence[Row], predictions: Mapping[str, Prediction]) -> Iterator[float]:
    """Yield ln(predicted / measured), the mean of each chip's times and of its energies."""
    for chip in sorted({row.chip for row in rows}):
        own = [row for row in rows if row.chip == chip]
        for uses in ({"time"}, {"energy", "power"}):
            found = [row for row in own if uses & set(row.uses)]
            if found and "time" in uses:
                yield math.log(geometric_mean([predictions[key(r)].time_s / r.time_s for r in found]))
            elif found:
                yield math.log(geometric_mean([predictions[key(r)].energy_j / r.energy_j for r in found]))


def median_error(rows: Sequence[Row], predictions: Mapping[str, Prediction]) -> float:
    """Return the median over chips and quantities of |predicted / measured - 1|."""
    return float(np.median([abs(math.exp(value) - 1.0) for value in chip_residuals(rows, predictions)]))


def write(path: Path, rows: Sequence[Row], constants: Mapping[str, Interval], numbers: Mapping[str, float]) -> None:
    """Write the fitted table."""
    digest = hashlib.sha256(repr([(r.chip, r.name, r.time_s, r.energy_j, r.uses) for r in rows]).encode()).hexdigest()
    lines = ["# Written by bench/fit_processor.py; do not edit."]
    lines += [f"{key} = {numbers[key]:.3g}" for key in ("model_error_low_frac", "model_error_high_frac")]
    lines += [f'rows_hash = "{digest}"', f"rows_count = {len(rows)}"]
    lines += [f"{key} = {numbers[key]:.3g}" for key in ("in_sample_error", "held_out_error")]
    lines += [f'method = "{METHOD.format(chips=len({row.chip for row in rows}), least=LEAST)}"', f"sources = {SOURCES}"]
    for name, interval in constants.items():
        lines += ["", f"[constants.{name}]"]
        lines += [
            f"{key} = {value:.3g}" for key, value in zip(("low", "value", "high"), _triple(interval), strict=True)
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _triple(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.mid, interval.high


METHOD = (
    "robust least squares of ln(predicted / measured) with priors, {chips} chips of equal weight: time and wall energy "
    "of ResNet-50 (MLPerf Inference 2.1 to 4.0, most of it tuned for low power), device power of keyword spotting at "
    "measured time; what a host adds is free per chip within a guessed interval; intervals from the spread between "
    "chips; errors are medians over chips; model error: 90 % of chips left out as a whole, no narrower than a factor "
    "{least:g} because one network carries the fit"
)
SOURCES = '["mlperf-power", "blouw2018"]'


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the rows, fit, leave each chip out, write the table and the page, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlperf", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--docs", type=Path, help=f"write the validation page too, usually {DOCS.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    wall, left_out = mlperf(options.mlperf)
    rows = [*wall, *keyword_spotting(options.runs)]
    whole = fit(rows)
    constants = intervals(rows, whole)
    others = held_out(rows)
    inside = {key(row): predict(row, whole.constants) for row in rows}
    outside = {key(row): predict(row, others[row.chip]) for row in rows}
    low, high = model_error(rows, outside)
    numbers = {
        "model_error_low_frac": low,
        "model_error_high_frac": high,
        "in_sample_error": median_error(rows, inside),
        "held_out_error": median_error(rows, outside),
    }
    write(options.out, rows, constants, numbers)
    for name, interval in constants.items():
        print(f"{name:28s} {interval.mid:.3f} ({interval.low:.3f} to {interval.high:.3f})")
    print({key: round(value, 3) for key, value in numbers.items()})
    print("host multipliers:", {chip: round(math.exp(value), 2) for chip, value in whole.hosts.items()})
    if options.docs:
        found = Findings(
            rows=rows,
            inside=inside,
            outside=outside,
            left_out=left_out,
            numbers=numbers,
            constants=constants,
            checks=checks(rows, whole.constants),
        )
        options.docs.write_text(report(found), encoding="utf-8")


def checks(rows: Sequence[Row], constants: Array) -> list[str]:
    """Return sentences: ResNet-50 at batch 32 on two GPUs, and systems with the product's host figures."""
    found = []
    for chip in ("h100-sxm", "t4"):
        for precision in ("int8", "fp16"):
            time_s, energy_j, _ = device(chip, resnet50(precision, 32), constants)
            text = f"ResNet-50, batch 32, {precision} on {chip}: {energy_j * 1e3:.2f} mJ per image (device)"
            found.append(f"{text}, {32 / time_s:,.0f} images/s.")
    walls = [row.energy_j * 1e3 for row in rows if row.chip == "h100-sxm"]
    found.append(
        f"Measured at the wall of 8 x H100-SXM, int8, capped: {min(walls):.2f} to {max(walls):.2f} mJ per image, "
        "host included. MLPerf has no power row of the T4."
    )
    for chip in ("a100-sxm-80", "h100-sxm"):
        host = machine(chip).figures["host_power_w"].value
        ratios = []
        for row in (row for row in rows if row.chip == chip):
            time_s, energy_j, _ = device(chip, row.workload, constants)
            ratios.append((energy_j + host * time_s / row.workload.batch) / row.energy_j)
        found.append(
            f"{chip} with the product's host figure of {host:.0f} W: {geometric_mean(ratios):.2f} of measured."
        )
    return found


if __name__ == "__main__":
    main()
