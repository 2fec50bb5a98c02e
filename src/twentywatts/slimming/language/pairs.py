"""Pairs: measured joules per token in 8-bit floats over those in 16 bits, by batch, and how often the sign is foreseen.

The table is written by bench/fit_precision_pairs.py from runs that differ in nothing but the precision.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from twentywatts.uncertain import Interval

__all__ = ["Band", "Pairs", "ratio_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Pairs of alike batches. ratio: joules in FP8 over BF16: median, and the smallest and largest measured.

    most_batch: infinite for the last band. saving_count: pairs in which FP8 saves; right_count: in which the sign is
    foreseen rightly.
    """

    least_batch: float
    most_batch: float
    pair_count: int
    saving_count: int
    right_count: int
    ratio: Interval

    @property
    def rather_saves(self) -> bool:
        """Whether FP8 saves in more than half of the pairs."""
        return 2 * self.saving_count > self.pair_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """All pairs. ratio_error: |ln(measured / foreseen)| that nine pairs in ten stay below, base model left out."""

    bands: tuple[Band, ...]
    pair_count: int
    saving_count: int
    right_count: int
    ratio_error: float
    base_models: tuple[str, ...]
    sources: tuple[str, ...]

    @staticmethod
    @cache
    def load() -> Pairs:
        """Return the bundled pairs."""
        path = files("twentywatts") / "data" / "fitted" / "precision_pairs.toml"
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        bands = tuple(
            Band(
                least_batch=band["least_batch"],
                most_batch=band.get("most_batch", math.inf),
                pair_count=band["pair_count"],
                saving_count=band["saving_count"],
                right_count=band["right_count"],
                ratio=Interval(low=band["low"], mid=band["value"], high=band["high"]),
            )
            for band in table["bands"]
        )
        return Pairs(
            bands=bands,
            pair_count=table["rows_count"],
            saving_count=table["saving_count"],
            right_count=table["right_count"],
            ratio_error=table["ratio_error_90"],
            base_models=tuple(table["base_models"]),
            sources=tuple(table["sources"]),
        )

    @property
    def least_batch(self) -> float:
        """The fewest requests at a time of any pair: below it everything is extrapolated."""
        return self.bands[0].least_batch

    def band(self, batch: float) -> Band:
        """Return the band that a batch lies in; the first one for batches below every measured one."""
        return next((band for band in self.bands if batch <= band.most_batch), self.bands[-1])


def ratio_of(ratio: float, pairs: Pairs, *, is_measured: bool, batch: float) -> Interval:
    """Return a foreseen ratio of joules at ``batch`` requests with the interval that held-out pairs give it.

    Where no pair in such a precision was ever measured, the interval is twice as wide on the logarithmic scale; for
    every halving of the requests below the fewest that were measured it is as much wider again: choices of this
    project, no measurements.
    """
    halvings = max(0.0, math.log2(pairs.least_batch / batch))
    width = math.exp(pairs.ratio_error * ((1.0 if is_measured else 2.0) + halvings))
    return Interval(low=ratio / width, mid=ratio, high=ratio * width)
