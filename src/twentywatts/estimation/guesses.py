"""Guesses: rows in a precision that no measured run had. They are told as such, and wider."""

from __future__ import annotations

from dataclasses import replace

from twentywatts.counting.precision import Precision
from twentywatts.estimation.result import EstimationRow
from twentywatts.figures import Evidence
from twentywatts.ledger import Ledger
from twentywatts.price.decoder_constants import error_model
from twentywatts.uncertain import Interval, Spread

__all__ = ["guessed", "was_measured"]

_MEASURED = ("bf16", "fp16", "fp8")  # weights of the runs that the predictor was fitted on
_FULL_BITS = 16


def was_measured(held: Precision) -> bool:
    """Return whether the predictor was fitted on runs in such a precision, with a cache of 16 bits."""
    return held.name in _MEASURED and held.cache_bits == _FULL_BITS


def guessed(row: EstimationRow) -> EstimationRow:
    """Return a row whose precision no run was measured in: graded a guess, as wide as on a chip that was never seen."""
    entries = tuple(
        replace(entry, evidence=Evidence.GUESSED, energy_j=_wider(entry.energy_j)) for entry in row.ledger.entries
    )
    ledger: Ledger = replace(row.ledger, entries=entries)
    return replace(row, ledger=ledger, energy_j_per_unit=_wider_interval(row.energy_j_per_unit))


def _wider(spread: Spread) -> Spread:
    values = spread.values
    if values[0] <= 0:
        return spread
    return Spread(values[0] * (values / values[0]) ** error_model().unseen_chip)


def _wider_interval(interval: Interval) -> Interval:
    low, high = (
        interval.mid * (end / interval.mid) ** error_model().unseen_chip for end in (interval.low, interval.high)
    )
    return Interval(low=low, mid=interval.mid, high=high)
