"""The predictive macro model: published in-memory macros, physical features, and models that predict their energy.

The quantity is joules per 1-bit operation: one multiply and one add count two, times input bits times weight bits.
The table is given by the caller and is not part of this repository. Its columns: name, title, year, tech_nm, kind,
compute_model, rows, cols, vdd, bx_per_cycle, bw_per_cell_group, b_adc, tops_1b_norm, tops_per_w_1b_norm, native_bits,
tops_native, tops_w_native, level.
"""

from __future__ import annotations

import csv
import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from twentywatts.figures import load_figures

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# rows of one chip under several names leave together
SAME_CHIP = (
    (r"Qing Dong|Sinangil", "7 nm SRAM macro (Dong 2020, Sinangil 2021)"),
    (r"Jia.* JSSC 2020", "65 nm microprocessor (Jia 2020)"),
    (r"HERMES|Khaddam-Aljameh", "14 nm PCM core (HERMES)"),
    (r"NeuRRAM", "NeuRRAM (Wan 2022)"),
)
MODELS = ("QR", "QS", "IS", "QS-QR", "DIMC")
ANALOG_WEIGHT_BITS = 4.0  # how the UIUC database counts an analog cell when it normalises


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """One operating point of one macro; NaN where the table says nothing."""

    name: str
    group: str
    kind: str
    energy_j: float
    model: str
    node_nm: float
    vdd_v: float
    rows: float
    columns: float
    input_bits_per_step: float
    weight_bits_per_group: float
    adc_bits: float
    op_per_s: float
    native: bool


def read_macros(path: Path) -> list[Macro]:
    """Return the usable SRAM and non-volatile macros: energy known per 1-bit operation, level macro, no repeats."""
    with path.open(encoding="utf-8", newline="") as file:
        macros = [macro for row in csv.DictReader(file) if (macro := _macro(row)) is not None]
    kept: list[Macro] = []
    for macro in sorted(macros, key=lambda m: m.native):  # database rows first: a native repeat of one is dropped
        if not (macro.native and any(_same_point(macro, other) for other in kept)):
            kept.append(macro)
    return kept


def _same_point(one: Macro, other: Macro) -> bool:
    return one.group == other.group and one.vdd_v == other.vdd_v and abs(one.energy_j / other.energy_j - 1.0) < 0.01


def _number(row: dict[str, str], key: str) -> float:
    text = (row.get(key) or "").strip()
    return float(text) if text else float("nan")


def _macro(row: dict[str, str]) -> Macro | None:
    kind = row.get("kind", "")
    if not kind.startswith(("SRAM", "eNVM")) or not (row.get("level") or "macro").startswith("macro"):
        return None
    efficiency, rate, native = _number(row, "tops_per_w_1b_norm"), _number(row, "tops_1b_norm"), False
    adc_bits = _number(row, "b_adc")
    if np.isnan(efficiency):
        operands = _operand_bits(row.get("native_bits") or "")
        if operands is None or np.isnan(_number(row, "tops_w_native")):
            return None
        inputs, weights, outputs = operands
        efficiency = _number(row, "tops_w_native") * inputs * weights
        rate, native = _number(row, "tops_native") * inputs * weights, True
        adc_bits = outputs if np.isnan(adc_bits) else adc_bits
    return Macro(
        name=row["name"],
        group=_group(row),
        kind="eNVM" if kind.startswith("eNVM") else "SRAM",
        energy_j=1e-12 / efficiency,
        model=row.get("compute_model") or "",
        node_nm=_number(row, "tech_nm"),
        vdd_v=_number(row, "vdd"),
        rows=_number(row, "rows"),
        columns=_number(row, "cols"),
        input_bits_per_step=_number(row, "bx_per_cycle"),
        weight_bits_per_group=_number(row, "bw_per_cell_group"),
        adc_bits=adc_bits,
        op_per_s=rate * 1e12,
        native=native,
    )


def _operand_bits(text: str) -> tuple[float, float, float] | None:
    """Return input, weight and output bits of a text as '4b/4b/4b' or '3b in, analog weight (~4b), 5b out'."""
    plain = re.fullmatch(r"(\d+)b/(\d+)b(?:/(\d+)b)?", text.strip())
    if plain:
        return float(plain[1]), float(plain[2]), float(plain[3] or "nan")
    words = re.fullmatch(r"(\d+)b in, analog weight.*, (\d+)b out", text.strip())
    return (float(words[1]), ANALOG_WEIGHT_BITS, float(words[2])) if words else None


def _group(row: dict[str, str]) -> str:
    text = f"{row['name']} {row.get('title') or ''}"
    for pattern, group in SAME_CHIP:
        if re.search(pattern, text):
            return group
    return f"{row['name']}: {row['title']}" if row.get("title") else row["name"]


def rows_hash(macros: Sequence[Macro]) -> str:
    """Return the first 16 hex digits of a hash over every name and energy."""
    text = "\n".join(sorted(f"{m.name}|{m.energy_j:.6e}" for m in macros))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Macros as arrays: target log10(J per 1-bit operation), groups, and the two feature sets."""

    target: Array
    groups: NDArray[np.str_]
    metadata: Array
    physics: Array


def table_of(macros: Sequence[Macro]) -> Table:
    """Return the Table of macros; features hold NaN where the source says nothing."""
    column = {
        key: np.array([getattr(m, key) for m in macros], float)
        for key in ("node_nm", "vdd_v", "rows", "columns", "input_bits_per_step", "weight_bits_per_group", "adc_bits")
    }
    one_hot = np.array([[m.model == model for model in MODELS] for m in macros], float)
    non_volatile = np.array([[m.kind == "eNVM"] for m in macros], float)
    op_per_s = np.array([m.op_per_s for m in macros])
    bits = column["input_bits_per_step"] * column["weight_bits_per_group"]
    physics = (
        np.log10(column["node_nm"] * column["vdd_v"] ** 2),  # switching a cell or a bit line, C V^2
        np.log10(_periphery_j(column, one_hot[:, MODELS.index("DIMC")] > 0)),  # conversion or adders, per operation
        np.log10(bits),  # operand bits per step: how much is done before anything is serialised
        np.log10(op_per_s / (column["rows"] * column["columns"])),  # pace: what static currents are divided by
    )
    metadata = (
        np.log10(column["node_nm"]),
        column["vdd_v"],
        np.nan_to_num(column["adc_bits"]),
        np.log10(column["rows"]),
        np.log10(column["input_bits_per_step"]),
        np.log10(column["weight_bits_per_group"]),
    )
    return Table(
        target=np.log10([m.energy_j for m in macros]),
        groups=np.array([m.group for m in macros]),
        metadata=np.column_stack([*metadata, non_volatile, one_hot]),
        physics=np.column_stack([*physics, non_volatile, one_hot]),
    )


def _periphery_j(column: dict[str, Array], digital: Mask) -> Array:
    """Return joules per 1-bit operation of what reads the column.

    Analog: one conversion, (k1 b + k2 4^b) Vdd^2, serves 2 × rows × bits operations. Digital (or no converter named):
    one adder of the tree per product, E_add × node × Vdd^2. Source: zigzag-imc, imc_array.
    """
    laws = {key: figure.value for key, figure in load_figures("crossbar_laws").items()}
    bits = np.nan_to_num(column["adc_bits"])
    conversion = laws["adc_linear_energy_j"] * bits + laws["adc_exponential_energy_j"] * 4.0**bits
    served = 2.0 * column["rows"] * column["input_bits_per_step"] * column["weight_bits_per_group"]
    adder = laws["adder_energy_j"] * column["node_nm"] / (laws["adder_node_nm"] or 1.0) / 2.0
    scaled: Array = np.where(digital | (bits == 0), adder, conversion / served) * column["vdd_v"] ** 2
    return scaled


Predictor = Callable[[Mask, Mask], Array]  # (rows to learn from, rows to predict) → log10 energies


def candidates(table: Table) -> dict[str, Predictor]:
    """Return the models that are combined."""
    length, noise = 3.0, WhiteKernel(0.1)
    rbf = ConstantKernel(0.2) * RBF(length) + noise
    matern = ConstantKernel(0.2) * Matern(length, nu=1.5) + noise
    return {
        "ridge on physics": _fitted(table, table.physics, Ridge(10.0)),
        "Gaussian process (RBF) on physics": _fitted(table, table.physics, _process(rbf)),
        "Gaussian process (Matern 3/2) on physics": _fitted(table, table.physics, _process(matern)),
        "Gaussian process (RBF) on metadata": _fitted(table, table.metadata, _process(rbf)),
    }


def baselines(table: Table) -> dict[str, Predictor]:
    """Return what a model must beat: the training median, and ridge on metadata."""
    return {
        "training median": lambda learn, ask: np.full(int(ask.sum()), np.median(table.target[learn])),
        "ridge on metadata": _fitted(table, table.metadata, Ridge(0.3)),
    }


def _process(kernel: object) -> GaussianProcessRegressor:
    return GaussianProcessRegressor(kernel, normalize_y=True)


def _fitted(table: Table, features: Array, model: object) -> Predictor:
    def predict(learn: Mask, ask: Mask) -> Array:
        pipe: Pipeline = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a kernel width at its bound is a linear model
            pipe.fit(features[learn], table.target[learn])
        predicted: Array = pipe.predict(features[ask])
        return predicted

    return predict


def leave_one_group_out(table: Table, predictor: Predictor) -> Array:
    """Return held-out predictions: every chip predicted by a model that saw none of its rows."""
    predicted = np.empty_like(table.target)
    for group in dict.fromkeys(table.groups):
        ask = table.groups == group
        predicted[ask] = predictor(~ask, ask)
    return predicted


def inner_errors(table: Table, learn: Mask, folds: int = 8) -> Array:
    """Return log10 residuals of every candidate in a grouped inner validation, shape (rows of ``learn``, models)."""
    models = list(candidates(table).values())
    index = np.flatnonzero(learn)
    residuals = np.full((len(table.target), len(models)), np.nan)
    splits = GroupKFold(min(folds, len(set(table.groups[index])))).split(index, groups=table.groups[index])
    for fit, held in splits:
        seen, asked = (np.isin(np.arange(len(learn)), index[part]) for part in (fit, held))
        for number, model in enumerate(models):
            residuals[asked, number] = model(seen, asked) - table.target[asked]
    return residuals[index]


def combined(table: Table, learn: Mask, ask: Mask) -> tuple[Array, Array]:
    """Return two predictions: candidates weighted by 1 / inner mean squared error, and the best of them alone."""
    residuals = inner_errors(table, learn)
    predicted = np.stack([model(learn, ask) for model in candidates(table).values()], axis=1)
    weights = 1.0 / np.mean(residuals**2, axis=0)
    best = int(np.argmin(np.mean(np.abs(residuals), axis=0)))
    return predicted @ (weights / weights.sum()), predicted[:, best]


def nested(table: Table) -> tuple[Array, Array]:
    """Return the two held-out predictions of ``combined`` for every row; no choice sees the row's chip."""
    weighted, best = np.empty_like(table.target), np.empty_like(table.target)
    for group in dict.fromkeys(table.groups):
        ask = table.groups == group
        weighted[ask], best[ask] = combined(table, ~ask, ask)
    return weighted, best


def leave_one_point_out(table: Table, held_out: Array) -> Array:
    """Return log10 residuals of operating points of chips whose other points are known; NaN for single points.

    The chip's other points shift the prediction that was made without the chip: what a machine file with published
    operating points is worth away from those points.
    """
    residuals = held_out - table.target
    shifted = np.full_like(residuals, np.nan)
    for group in dict.fromkeys(table.groups):
        index = np.flatnonzero(table.groups == group)
        for row in index if len(index) > 1 else ():
            shifted[row] = residuals[row] - np.median(residuals[index[index != row]])
    return shifted
