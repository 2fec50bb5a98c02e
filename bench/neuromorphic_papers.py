"""Rows of other papers for bench/validate_neuromorphic.py: chips of which single runs are published, and few figures.

TrueNorth as a full chip, NorthPole by its cards, Xylo and Loihi 2 from their own idle and running power. The published
rate is taken as given: only power is predicted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fit_neuromorphic import LEAST
from neuromorphic_rows import Row
from twentywatts.machines import load

UNSEEN = 2.0  # what was never measured in this arrangement, or on this device: a further factor each way
NORTHPOLE_CARD_W = 74.0  # while running ResNet-50, as a public survey of chips quotes the paper; 16 cards here
TRUENORTH_RATE_HZ = (2.0, 20.0, 100.0)  # spikes per neuron and second: assumed, the chip was characterised at 20
ACTIVE_FRAC = (
    0.02,
    0.10,
    0.30,
)  # of the synapses, per frame of a convolutional network, or while Xylo listens: assumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Joules per inference: in sample (None: nothing was fitted), left out, and the factor that 90 % lie within."""

    row: Row
    in_sample_j: float | None
    left_out_j: float
    factor: float

    @property
    def ratio(self) -> float:
        """Predicted over published."""
        return self.left_out_j / self.row.energy_j

    @property
    def is_inside(self) -> bool:
        """Whether the published value lies in the interval."""
        return abs(math.log(self.ratio)) <= math.log(self.factor)


def of_total(row: Row, rows: Sequence[Row]) -> Prediction:
    """Return a row of another paper at its published rate."""
    spread = UNSEEN
    if "TrueNorth" in row.device:
        low, mid, high = _truenorth_j(row)
        return _alone(row, mid, max(high / mid, mid / low))
    if "NorthPole" in row.device:
        mid = _cards(row) * _card_w(row, rows) * row.time_s
    elif "Xylo" in row.device:  # the chip's power above idle in the other application, whose activity is as unknown
        (other,) = (each for each in rows if "Xylo" in each.device and each is not row)
        low, middle, high = ACTIVE_FRAC
        mid, spread = other.energy_j / other.time_s * row.time_s, together(UNSEEN, max(high / middle, middle / low))
    else:  # Loihi 2: what its idle power tells, at the ratio of running to idle power of its predecessor
        loihi = load("loihi").figures
        running = 1.0 + loihi["active_base_power_w"].value / loihi["static_power_w"].value
        mid = row.idle_w * running * row.time_s
    return _alone(row, mid, spread)


def _alone(row: Row, energy_j: float, spread: float) -> Prediction:
    return Prediction(row=row, in_sample_j=None, left_out_j=energy_j, factor=together(LEAST, spread))


def _cards(row: Row) -> int:
    return int(re.match(r"\d+", row.device)[0])


def _card_w(row: Row, rows: Sequence[Row]) -> float:
    """Return the power of a NorthPole card under another load: of a language model's rack, in the other one's run."""
    other = next((each for each in rows if "NorthPole" in each.device and each.time_s and each is not row), None)
    is_rack = "rack" in row.device
    return other.energy_j / other.time_s / _cards(other) if is_rack and other else NORTHPOLE_CARD_W


def together(*factors: float) -> float:
    """Return independent factors together."""
    return math.exp(math.sqrt(sum(math.log(factor) ** 2 for factor in factors)))


def _truenorth_j(row: Row) -> list[float]:
    """Return joules per frame of a full chip at low, middle and high activity; its neurons are read once per tick."""
    frames = row.name.startswith("Multi")
    ticks = row.time_s / 1e-3 if frames else 1.0  # one frame in real time, or one tick per frame
    figures = load("truenorth").figures
    fixed = figures["static_power_w"].value * row.time_s
    neurons = 4096 * 256
    reads = ticks * neurons * figures["neuron_update_energy_j"].value
    if frames:
        events = [rate * row.time_s * neurons * 128 for rate in TRUENORTH_RATE_HZ]
    else:
        events = [share * neurons * 256 for share in ACTIVE_FRAC]
    return [fixed + reads + each * figures["synaptic_event_energy_j"].value for each in events]
