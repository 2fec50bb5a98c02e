"""Fitted constants: written by bench/fit_*.py alone, read here; never in a machine's file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from twentywatts.uncertain import Interval

__all__ = ["Fitted", "error_correlation", "load_fitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a fit found for one pricer.

    constants: name → value with 90 % interval. model_error: the multiplier that covers 90 % of held-out residuals.
    rows_hash, rows_count: of the data that were used. in_sample_error, held_out_error: median absolute relative
    error on the rows that were fitted, and on rows that were not (two different things).
    """

    name: str
    constants: Mapping[str, Interval]
    model_error: Interval
    rows_hash: str
    rows_count: int
    in_sample_error: float
    held_out_error: float
    method: str
    sources: tuple[str, ...] = ()


@cache
def load_fitted(name: str) -> Fitted:
    """Return the fitted constants of a pricer, ``load_fitted("processor")``."""
    path = files("twentywatts") / "data" / "fitted" / f"{name}.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    constants = {
        key: Interval(low=entry["low"], mid=entry["value"], high=entry["high"])
        for key, entry in table.get("constants", {}).items()
    }
    error = Interval(low=table["model_error_low_frac"], mid=1.0, high=table["model_error_high_frac"])
    return Fitted(
        name=name,
        constants=constants,
        model_error=error,
        rows_hash=table["rows_hash"],
        rows_count=table["rows_count"],
        in_sample_error=table["in_sample_error"],
        held_out_error=table["held_out_error"],
        method=table["method"],
        sources=tuple(table.get("sources", ())),
    )


def error_correlation(quantile_90: float, power_90: float) -> float:
    """Return the correlation of the draws of energy and time at which their ratio errs as the power did.

    quantile_90, power_90: nine of ten held-out |ln(measured / predicted)| are smaller, of energy and of energy over
    time. Two lognormal errors of one half width q have a ratio of the half width q √(2 (1 − correlation)).
    """
    return min(max(1.0 - 0.5 * (power_90 / quantile_90) ** 2, 0.0), 1.0)
