"""Neurons: every choice in which the libraries differ, named, so that an importer must make it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twentywatts.errors import InputError

__all__ = ["Emission", "Neurons", "Reset", "Shape", "is_relay", "relay"]

Shape = tuple[int, ...]
_LEAST = float(np.finfo(np.float32).tiny)
_PASSES = 1e-30  # thresholds below it let everything through


class Reset(Enum):
    """What a spike does to the membrane that sent it."""

    SUBTRACT = "subtract"  # V ← V − threshold × spikes
    ZERO = "zero"  # V ← reset_value


class Emission(Enum):
    """What a neuron above threshold sends in one step."""

    ONE = "one"  # one spike
    MANY = "many"  # floor(V / threshold) spikes
    GRADED = "graded"  # one event that carries V; V ← reset_value
    NONE = "none"  # nothing: an integrator, whose membrane is the output


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neurons:
    """Neurons of one layer; every number is a scalar or an array that broadcasts to ``shape`` (channels first).

    In each step, X being what the projections deliver plus the layer's bias::

        I ← synapse_decay · I + X            (synapse_decay 0: I = X)
        V ← rest + decay · (V − rest) + input_gain · I
        spikes where V ≥ threshold (V > threshold if ``strict``), then the reset

    decay: 1 is integrate-and-fire, exp(−dt/tau) or 1 − dt/tau is leaky; in [0, 1]. input_gain: 1 where the input is
    not decayed, 1 − decay (times a resistance) where it is. start: V before the first step. reset_value: V after a
    reset to zero. delayed_reset: the reset is done in the next step: the threshold is subtracted after the decay, a
    reset to zero comes before it (snnTorch's default). most_spikes: bound of Emission.MANY, 127 if None.
    signed: V ≤ −threshold sends a negative event, and its reset adds the threshold.
    """

    shape: Shape
    threshold: ArrayLike = 1.0
    decay: ArrayLike = 1.0
    input_gain: ArrayLike = 1.0
    synapse_decay: ArrayLike = 0.0
    rest: ArrayLike = 0.0
    start: ArrayLike = 0.0
    reset: Reset = Reset.SUBTRACT
    reset_value: ArrayLike = 0.0
    delayed_reset: bool = False
    strict: bool = False
    emission: Emission = Emission.ONE
    most_spikes: int | None = None
    signed: bool = False

    def __post_init__(self) -> None:
        """Raise InputError for a shape or a number that no neuron can have."""
        if not self.shape or any(size < 1 for size in self.shape):
            raise InputError(f"neurons need a shape of positive sizes, channels first; got {self.shape}")
        for name in ("threshold", "decay", "input_gain", "synapse_decay", "rest", "start", "reset_value"):
            self.values(name)
        if np.any(self.values("threshold") <= 0):
            raise InputError(f"thresholds must be above 0, got {self.values('threshold').min():g}")
        for name in ("decay", "synapse_decay"):
            values = self.values(name)
            if np.any((values < 0) | (values > 1)):
                raise InputError(f"{name} is the share of a state that is kept from step to step, in [0, 1]")
        if self.most_spikes is not None and self.most_spikes < 1:
            raise InputError(f"most_spikes must be at least 1, got {self.most_spikes}")
        if self.delayed_reset and self.emission is not Emission.ONE:
            raise InputError("a delayed reset is defined for single spikes only: use Emission.ONE")

    @property
    def count(self) -> int:
        """Number of neurons."""
        return prod(self.shape)

    def values(self, name: str) -> NDArray[np.float64]:
        """Return one of the numbers for every neuron, of ``shape``; raises InputError where it does not fit."""
        array = np.asarray(getattr(self, name), dtype=np.float64)
        if not np.all(np.isfinite(array)):
            raise InputError(f"{name} of neurons holds NaN or infinity")
        try:
            return np.broadcast_to(array, self.shape)
        except ValueError:
            raise InputError(f"{name} has shape {array.shape}, which does not fit neurons of {self.shape}") from None


def relay(shape: Shape) -> Neurons:
    """Return units without memory that pass their sum on within the step (a pooling or linear map between two maps)."""
    return Neurons(shape=shape, threshold=_LEAST, decay=0.0, reset=Reset.ZERO, emission=Emission.GRADED, signed=True)


def is_relay(neurons: Neurons) -> bool:
    """Return whether units pass everything on, as those of ``relay`` do."""
    return neurons.emission is Emission.GRADED and bool(np.all(neurons.values("threshold") < _PASSES))
