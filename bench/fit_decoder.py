"""Write src/twentywatts/data/fitted/decoder.toml from measured runs of language models.

    python bench/fit_decoder.py --data DIR [--out FILE]

DIR holds mlenergy_v3_llm.csv and mlenergy_v2_llm.csv. Constants are base × chip family × software (decoder_fit.py).
Every base model is left out once, and every chip; those residuals give the held-out error and the interval. The
interval of a constant is the jackknife over base models. ``identified`` names the causes of energy that the data can
tell apart: a cause is not identified where its constant can be wrong by half and the others make up for it.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conformal import conformal
from decoder_fit import BETWEEN_WEIGHT, TIME_WEIGHT, Model, Table, robust
from decoder_rows import Row, read_rows
from twentywatts.machines import load
from twentywatts.price.decoder_constants import ErrorModel
from twentywatts.price.decoder_step import NAMES
from twentywatts.uncertain import Array

ROOT = Path(__file__).parents[1]
OUT = ROOT / "src" / "twentywatts" / "data" / "fitted" / "decoder.toml"
Z95 = 1.645
WRONG = 1.5  # a constant that can be wrong by this factor, and nobody notices, is not identified
NOTICED = 2.0  # standard errors (over base models) that count as noticed
CAUSES = {
    "static": ("static_power_frac", "waiting_power_frac"),
    "memory": ("memory_energy_j_per_byte",),
    "compute": ("compute_energy_j",),
    "communication": ("link_energy_j_per_byte",),
}
METHOD = (
    "robust least squares of ln(predicted / measured) of energy (weight 1), step time (0.5) and, where few steps carry "
    "a prompt, the median time between tokens (0.5), with priors; constants are base x chip family x software; held "
    "out: each base model (precision, vision, thinking and coder siblings together), and each chip; error: median over "
    "rows, nothing known but model, chip, batch and lengths; prompt lengths are assumed and moved by the fit; the "
    "interval is the conformal quantile of held-out residuals, of the power (energy over time) too, on the runs of 2025"
)
SOURCES = '["mlenergy2025", "mlenergy-v2"]'


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fits:
    """What was fitted: on all rows, without each base model, without each chip; residuals are ln(measured/predicted).

    contended: the same as held_out, where it is known which runs shared a host. held_out_power, unseen_power: of energy
    over time; powered: the rows that have a power, for those of 2024 took energy and tokens over different windows.
    """

    table: Table
    model: Model
    whole: Array
    without: Mapping[str, Array]
    in_sample: Array
    held_out: Array
    contended: Array
    held_out_time: Array
    unseen: Array
    unseen_power: Array

    @property
    def held_out_power(self) -> Array:
        """Residuals of joules over seconds, the base model left out."""
        return self.held_out - self.held_out_time

    @property
    def powered(self) -> Array:
        """Whether a row's energy and time are of one window, so that it has a power."""
        return np.array([row.software == "vllm-2025" for row in self.table.rows])


def families(rows: Sequence[Row]) -> dict[str, str]:
    """Return machine → its chip family."""
    names = sorted({row.machine for row in rows})
    return {name: str(load(name).traits["chip_family"]) for name in names}


def fit_all(rows: Sequence[Row]) -> Fits:
    """Fit on everything, then without each base model and without each chip."""
    table = Table(rows, families(rows))
    model = Model(table)
    every = np.arange(len(rows))
    whole = model.fit(every, evaluations=200)
    measured, time = np.log(table.energy_j), np.log(table.step_s)
    held, contended, held_time, unseen, unseen_time = (np.zeros(len(rows)) for _ in range(5))
    without = {}
    for group in sorted(set(table.groups)):
        inside = table.groups == group
        without[group] = model.fit(every[~inside], start=whole, evaluations=15)
        seconds, joules = model.predict(without[group], every[inside], alone=True)
        held[inside] = measured[inside] - np.log(joules)
        held_time[inside] = time[inside] - np.log(seconds)
        contended[inside] = measured[inside] - np.log(model.predict(without[group], every[inside])[1])
    for machine in sorted(set(table.machine)):
        inside = table.machine == machine
        found = model.fit(every[~inside], evaluations=120)
        seconds, joules = model.predict(found, every[inside], unseen=True, alone=True)
        unseen[inside] = measured[inside] - np.log(joules)
        unseen_time[inside] = time[inside] - np.log(seconds)
    return Fits(
        table=table,
        model=model,
        whole=whole,
        without=without,
        in_sample=measured - np.log(model.predict(whole, every)[1]),
        held_out=held,
        contended=contended,
        held_out_time=held_time,
        unseen=unseen,
        unseen_power=unseen - unseen_time,
    )


def relative(residuals: Array) -> Array:
    """Return |predicted / measured − 1| of residuals ln(measured / predicted)."""
    return np.abs(np.exp(-residuals) - 1.0)


def features(table: Table) -> Array:
    """Return (rows, 3): routed, several chips, small batch, each 0 or 1."""
    return np.column_stack([table.routed, table.chips > 1, table.batch <= 16]).astype(float)


def calibrate(fits: Fits, index: Array) -> ErrorModel:
    """Return the error model of the rows ``index``: how much larger errors are where, and the conformal quantiles.

    The factors are medians of ratios on a log scale (least squares of ln |residual|); none is below 1.
    """
    inside = features(fits.table)[index]
    residuals, unseen, powered = fits.held_out, fits.unseen, fits.powered[index]
    size = np.log(np.abs(residuals[index]) + 0.01)
    columns = np.column_stack([np.ones(len(index)), inside])
    slope = np.linalg.lstsq(columns, size, rcond=None)[0][1:]
    factors = np.maximum(np.exp(slope), 1.0)
    scale = np.exp(inside @ np.log(factors))
    scores = np.abs(residuals[index]) / scale
    wide = np.median(np.abs(unseen[index]) / scale) / np.median(scores)
    return ErrorModel(
        quantile_80=conformal(scores, 0.8),
        quantile_90=conformal(scores, 0.9),
        power_90=conformal((np.abs(fits.held_out_power[index]) / scale)[powered], 0.9),
        routed=float(factors[0]),
        several_chips=float(factors[1]),
        small_batch=float(factors[2]),
        unseen_chip=float(max(wide, 1.0)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """For every row, whether an interval of a model that calibrated on the other base models holds it.

    energy_80, energy_90: of energy. power_90: of power. apart_90: of power, energy and time drawn independently.
    """

    energy_80: Array
    energy_90: Array
    power_90: Array
    apart_90: Array


def coverage(fits: Fits) -> Held:
    """Return what the intervals hold; power_90 and apart_90 are meant for the rows that have a power."""
    table = fits.table
    found = np.zeros((4, len(table.rows)), bool)
    energy, power = np.abs(fits.held_out), np.abs(fits.held_out_power)
    for group in sorted(set(table.groups)):
        inside = table.groups == group
        model = calibrate(fits, np.flatnonzero(~inside))
        factors = np.log([model.routed, model.several_chips, model.small_batch])
        scale = np.exp(features(table)[inside] @ factors)
        widths = (model.quantile_80, model.quantile_90, model.power_90, np.sqrt(2.0) * model.quantile_90)
        for row, errors, width in zip(found, (energy, energy, power, power), widths, strict=True):
            row[inside] = errors[inside] <= width * scale
    return Held(energy_80=found[0], energy_90=found[1], power_90=found[2], apart_90=found[3])


def identified(fits: Fits) -> dict[str, tuple[float, ...]]:
    """Return cause → how many standard errors the data object when a constant of it is WRONG times less, and more."""
    every = np.arange(len(fits.table.rows))
    best = _group_costs(fits, fits.model.fit(every, start=fits.whole, evaluations=25))
    return {
        cause: tuple(_objection(fits, name, factor, best) for name in names for factor in (1.0 / WRONG, WRONG))
        for cause, names in CAUSES.items()
    }


def _objection(fits: Fits, name: str, factor: float, best: Array) -> float:
    """Return how much the fit suffers when one constant is held wrong and all others may make up for it."""
    model, place = fits.model, NAMES.index(name)
    mean, sd = model.mean.copy(), model.sd.copy()
    model.mean[place], model.sd[place] = fits.whole[place] + np.log(factor), 1e-3
    start = fits.whole.copy()
    start[place] = model.mean[place]
    try:
        x = model.fit(np.arange(len(fits.table.rows)), start=start, evaluations=25)
    finally:
        model.mean[:], model.sd[:] = mean, sd
    change = _group_costs(fits, x) - best
    return float(change.mean() / (change.std(ddof=1) / np.sqrt(len(change))))


def _group_costs(fits: Fits, x: Array) -> Array:
    """Return what each base model adds to the objective of the fit: energy, time, and time between tokens."""
    table, every = fits.table, np.arange(len(fits.table.rows))
    time_s, energy_j = fits.model.predict(x, every)
    plain_s = fits.model.steps(x, every)[1].time_s
    told = table.between_s > 0
    weight = fits.model.weights(every)
    cost = (weight * robust(np.log(energy_j / table.energy_j))) ** 2
    cost += (TIME_WEIGHT * weight * robust(np.log(time_s / table.step_s))) ** 2
    between = robust(np.log(plain_s / np.where(told, table.between_s, 1.0)))
    cost += told * (BETWEEN_WEIGHT * weight * between) ** 2
    return np.array([cost[table.groups == group].sum() for group in sorted(set(table.groups))])


def jackknife(fits: Fits) -> tuple[Array, Array]:
    """Return low and high of every base constant: 90 % by leaving base models out."""
    count = len(NAMES)
    values = np.array([x[:count] for x in fits.without.values()])
    groups = len(values)
    deviation = np.sqrt((groups - 1) / groups * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
    middle = np.minimum(fits.whole[:count], fits.model.layout.ceiling)
    return np.exp(middle - Z95 * deviation), np.exp(np.minimum(middle + Z95 * deviation, fits.model.layout.ceiling))


def _digest(rows: Sequence[Row]) -> str:
    told = [(r.model, r.machine, r.batch, r.energy_j, r.step_s, r.between_s) for r in rows]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _power(fits: Fits) -> list[str]:
    """Return what power_90 of the error model rests on, as lines of the table."""
    inside, held = fits.powered, coverage(fits)
    rows = [row for row, told in zip(fits.table.rows, inside, strict=True) if told]
    linear = np.corrcoef(fits.held_out[inside], fits.held_out_time[inside])[0, 1]
    return [
        "[power]",
        f'rows_hash = "{_digest(rows)}"',
        f"rows_count = {len(rows)}",
        f"residual_correlation = {linear:.3g}",
        f"held_out_coverage_frac = {held.power_90[inside].mean():.3g}",
        f"independent_coverage_frac = {held.apart_90[inside].mean():.3g}",
    ]


def write(path: Path, fits: Fits, error: ErrorModel, objections: Mapping[str, tuple[float, ...]]) -> None:
    """Write the fitted table."""
    rows, model = fits.table.rows, fits.model
    digest = _digest(rows)
    told = [cause for cause, pair in objections.items() if min(pair) >= NOTICED]
    lines = ["# Written by bench/fit_decoder.py; do not edit."]
    lines += [f"model_error_low_frac = {np.exp(-error.quantile_90):.3g}"]
    lines += [f"model_error_high_frac = {np.exp(error.quantile_90):.3g}"]
    lines += [f'rows_hash = "{digest}"', f"rows_count = {len(rows)}"]
    lines += [f"in_sample_error = {np.median(relative(fits.in_sample)):.3g}"]
    lines += [f"held_out_error = {np.median(relative(fits.held_out)):.3g}"]
    lines += [f"unseen_chip_error = {np.median(relative(fits.unseen)):.3g}"]
    lines += [f'method = "{METHOD}"', f"sources = {SOURCES}", f"identified = {told}".replace("'", '"')]
    batches = fits.table.batch
    lines += [f"batches = [{np.floor(batches.min() + 0.5):.0f}, {np.ceil(batches.max()):.0f}]"]
    lines += ["", "[error]"]
    lines += [f"{name} = {getattr(error, name):.4g}" for name in error.__dataclass_fields__]
    lines += ["", *_power(fits)]
    base, family, software, _, _ = model.parts(fits.whole)
    low, high = jackknife(fits)
    value = np.exp(np.minimum(base, model.layout.ceiling))
    for place, name in enumerate(NAMES):
        lines += ["", f"[constants.{name}]", f"low = {low[place]:.4g}", f"value = {value[place]:.4g}"]
        lines += [f"high = {high[place]:.4g}", f"most = {np.exp(model.layout.ceiling[place]):.4g}"]
    for word, names, factors in (("family", fits.table.families, family), ("software", fits.table.softwares, software)):
        for number, name in enumerate(names):
            found = {NAMES[place]: f for place, f in enumerate(np.exp(factors[number])) if abs(f - 1.0) > 1e-9}
            lines += ["", f'[{word}."{name}"]', *(f"{key} = {value:.4g}" for key, value in found.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the rows, fit, leave out, calibrate, write the table, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    rows, missing = read_rows(options.data)
    for reason, count in missing.items():
        print(f"left out: {count} rows, {reason}")
    fits = fit_all(rows)
    error = calibrate(fits, np.arange(len(rows)))
    objections = identified(fits)
    write(options.out, fits, error, objections)
    print(
        {
            name: round(float(np.median(relative(getattr(fits, name)))), 3)
            for name in ("in_sample", "held_out", "contended", "unseen")
        }
    )
    print(
        "objections [standard errors]:", {cause: tuple(round(v, 1) for v in pair) for cause, pair in objections.items()}
    )
    print(error)


if __name__ == "__main__":
    main()
