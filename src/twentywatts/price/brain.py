"""The price of the yardstick: a brain's power over the time that the reference takes. docs/method/neuromorphic.md."""

from __future__ import annotations

import numpy as np

from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs, Values
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array
from twentywatts.workload import BrainWorkload

__all__ = ["costs"]

_SHARES = {Cause.COMPUTE: "computation_power_w", Cause.COMMUNICATION: "communication_power_w"}


def costs(workload: BrainWorkload, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules of the whole brain [J] over ``workload.time_s`` [s], split into the shares that are published.

    E = P t. What is neither computation nor communication in the cortex (housekeeping, the rest of the brain) is
    unsplit. No idle power is charged: the time of the reference is the whole account.
    """
    power_w = values["power_w"]
    shares = {cause: values[key] for cause, key in _SHARES.items() if key in values}
    rest_w = np.maximum(power_w - sum(shares.values(), np.zeros_like(power_w)), 0.0)
    split = {**shares, Cause.UNSPLIT: rest_w}
    return Costs(
        parts=workload.layers,
        energy_j={cause: _joules(watts, workload) for cause, watts in split.items()},
        used={**{cause: (_SHARES[cause],) for cause in shares}, Cause.UNSPLIT: ("power_w", *_SHARES.values())},
        latency_s=np.full_like(power_w, workload.time_s),
        idle_power_w=np.zeros_like(power_w),
        bound="reference",
        notes=("a yardstick, not a competitor: its whole power for as long as the reference takes, whatever the task",),
    )


def _joules(power_w: Array, workload: BrainWorkload) -> Array:
    """Return joules of shape (parts, 1 + draws); more than one part share the energy equally."""
    parts = len(workload.layers)
    return np.broadcast_to(power_w * workload.time_s / parts, (parts, len(power_w)))
