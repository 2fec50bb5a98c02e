"""QCFS: fine-tuning a ReLU network so that few timesteps lose little; needs torch, which is imported when it is used.

Every ReLU is replaced by  λ floor(clip(x / λ, 0, 1) L + 1/2) / L, what a neuron with threshold λ that starts at λ/2
says after L steps of constant input. λ is learned by channel; the rounding passes the gradient straight through.
Source: Bu et al. 2022 (arXiv 2303.04347).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError, MissingExtraError, RefusedError
from twentywatts.forms.lowering import Floats, Kind, Lowered, lower
from twentywatts.forms.protocol import Inputs
from twentywatts.forms.spiking.calibration import Prepared, prepare, recalibrate
from twentywatts.network import Network

__all__ = ["Schedule", "fine_tune"]

Progress = Callable[[str, float], None]
_PASSES = 3  # a step costs about three forward passes


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How a network is fine-tuned.

    levels: steps of the rounded activation (L). epochs: passes over the samples, fewer where ``mac_budget``, the
    multiply-accumulates that training may take, would be passed: work is bounded by counting, so that the same call
    gives the same network. thrift: weight of the synaptic events in what is minimised, as a share of those of neurons
    that spike in every step. seed: of the order of the samples.
    """

    levels: int = 4
    epochs: int = 30
    batch: int = 32
    learning_rate: float = 1e-3
    thrift: float = 0.1
    mac_budget: float = 2e11
    seed: int = 0


def fine_tune(
    network: Network,
    inputs: Inputs,
    targets: NDArray[Any],
    *,
    schedule: Schedule | None = None,
    progress: Progress = lambda text, share: None,
) -> Prepared:
    """Return the model fine-tuned on samples and calibrated on them, ready for ``convert``.

    inputs: arrays with samples first, by name. targets: class indices of shape (samples,), else anything: the float
    network's own outputs are then what is learned. progress is told what happens, and the share that is done.
    Raises MissingExtraError without torch, RefusedError naming a layer without a spiking form or where one pass over
    the samples alone would pass the budget, DataError for a schedule or targets that cannot be used.
    """
    schedule = schedule or Schedule()
    _check(schedule)
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    from twentywatts.forms.spiking.qcfs_training import train

    lowered = lower(network)
    prepared = prepare(network, inputs)
    count = min(len(inputs[name]) for name in lowered.inputs)
    epochs = _epochs(lowered, count, schedule)
    classes = _classes(lowered, targets, count)
    signals = {name: _signal(inputs[name], shape) for name, shape in lowered.inputs.items()}
    trained = train(lowered, prepared.thresholds, signals, classes=classes, schedule=schedule, told=(epochs, progress))
    return recalibrate(trained.lowered, inputs, thresholds=trained.thresholds)


def _signal(x: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return samples as (samples, channels, positions), in the width in which they are trained on."""
    return np.asarray(x, dtype=np.float32).reshape(len(x), shape[0] if shape else 1, -1)


def _check(schedule: Schedule) -> None:
    for name in ("levels", "epochs", "batch"):
        value = getattr(schedule, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DataError(f"{name} of a fine-tuning must be a whole number of at least 1, got {value!r}")
    if not (np.isfinite(schedule.learning_rate) and schedule.learning_rate > 0):
        raise DataError(f"the learning rate must be a number above 0, got {schedule.learning_rate!r}")


def mac_count(lowered: Lowered) -> int:
    """Return the multiply-accumulates of one forward pass, padding included."""
    sums = (block for block in lowered.blocks if block.kind is not Kind.MAX)
    return sum(p.linear.geometry.fan_in_count * block.bias.size for block in sums for p in block.projections)


def _epochs(lowered: Lowered, count: int, schedule: Schedule) -> int:
    """Return how many passes over the samples the budget allows."""
    one = _PASSES * mac_count(lowered) * count
    affordable = int(schedule.mac_budget // max(one, 1))
    if affordable < 1:
        raise RefusedError(
            f"fine-tuning would take {one:.2g} multiply-accumulates for each pass over {count:,} samples, more than "
            f"the {schedule.mac_budget:.2g} that are allowed"
        )
    return min(schedule.epochs, affordable)


def _classes(lowered: Lowered, targets: NDArray[Any], count: int) -> NDArray[np.int64] | None:
    """Return class indices where the readout has one value for each class, else None."""
    targets = np.asarray(targets)
    if len(targets) != count:
        raise DataError(f"{len(targets)} targets for {count} samples")
    readout: Floats = lowered.blocks[-1].bias
    if targets.ndim != 1 or targets.dtype.kind not in "iu" or readout.size < 2:
        return None
    if targets.min(initial=0) < 0 or targets.max(initial=0) >= readout.size:
        return None
    return targets.astype(np.int64)
