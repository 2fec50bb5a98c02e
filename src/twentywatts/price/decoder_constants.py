"""The fitted constants of the decoder's price: base × chip family × software, read from data/fitted/decoder.toml.

A chip whose family was measured takes that family's factors; any other inherits the base constants, which are shares of
its own published rates and limits, and gets a wider interval.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from twentywatts.errors import InputError, nearest
from twentywatts.machines import Machine
from twentywatts.price.fitted import error_correlation
from twentywatts.uncertain import Array, Interval

__all__ = [
    "DecoderConstants",
    "ErrorModel",
    "constants_of",
    "error_model",
    "identified_causes",
    "measured_batches",
    "software_names",
]

_SMALL_BATCH = 16.0  # a batch up to this one is called small where errors are told


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConstants:
    """Constants for one chip and software. family: whose factors they carry, empty where the chip is unseen."""

    values: Mapping[str, float]
    family: str
    software: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """Held-out errors: |ln(measured / predicted)| is below ``quantile_90`` × scale in nine cases of ten.

    The scale starts at 1 and is multiplied by what applies: routed experts, several chips, a small batch, an unseen
    chip. quantile_80: the same for eight of ten. power_90: the same as quantile_90 for the power, energy over time.
    """

    quantile_80: float
    quantile_90: float
    power_90: float
    routed: float
    several_chips: float
    small_batch: float
    unseen_chip: float

    def scale(self, *, routed: bool, chips: int, batch: Array, unseen: bool) -> Array:
        """Return by how much the usual error is larger here, in the shape of ``batch``."""
        factor = (self.routed if routed else 1.0) * (self.several_chips if chips > 1 else 1.0)
        factor *= self.unseen_chip if unseen else 1.0
        return np.asarray(np.where(np.asarray(batch) <= _SMALL_BATCH, self.small_batch, 1.0) * factor)

    @property
    def correlation(self) -> float:
        """Correlation of the draws of energy and time at which their ratio errs as the power did."""
        return error_correlation(self.quantile_90, self.power_90)

    def interval(self, scale: float) -> Interval:
        """Return the multiplier on a prediction with its 90 % interval."""
        width = float(np.exp(self.quantile_90 * scale))
        return Interval(low=1.0 / width, mid=1.0, high=width)


@cache
def _table() -> Mapping[str, Any]:
    path = files("twentywatts") / "data" / "fitted" / "decoder.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def software_names() -> list[str]:
    """Return the software eras that were measured, oldest first."""
    return sorted(_table()["software"])


def error_model() -> ErrorModel:
    """Return the held-out errors as the fit found them."""
    return ErrorModel(**_table()["error"])


def identified_causes() -> tuple[str, ...]:
    """Return the causes whose joules the data can tell apart; the others are one sum."""
    return tuple(_table()["identified"])


def measured_batches() -> tuple[int, int]:
    """Return the smallest and the largest batch of the runs that were fitted."""
    least, most = _table()["batches"]
    return int(least), int(most)


def constants_of(machine: Machine, software: str = "") -> DecoderConstants:
    """Return the constants for a chip under a software era, the newest where empty; raises InputError for another."""
    names = software_names()
    chosen = software or names[-1]
    if chosen not in names:
        raise InputError(f"unknown software '{software}'{nearest(software, names)}, wanted one of {', '.join(names)}")
    table = _table()
    trait = str(machine.traits.get("chip_family", ""))
    family = trait if trait in table["family"] else ""
    values = {}
    for name, entry in table["constants"].items():
        value = (
            entry["value"] * table["software"][chosen].get(name, 1.0) * table["family"].get(family, {}).get(name, 1.0)
        )
        values[name] = min(value, entry["most"])
    return DecoderConstants(values=values, family=family, software=chosen)
