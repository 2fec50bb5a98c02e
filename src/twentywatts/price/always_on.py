"""Always on: the average power of a machine that is kept for a model, at any rate, without pricing it again.

P(r) = max(r d (E − W t / b) + n(r) W, r d E),  n(r) = ⌈r t / b⌉ at mid values,
with r inferences per second while awake, d the share of time awake, E joules of an inference back to back, W watts
while powered and waiting, t seconds of a batch of b. Overheads of the boundary are in E and in W. What sleeps draws
what a waiting machine draws: few chips publish a sleeping power. docs/how/always-on.md tells how to read it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twentywatts.ledger import Ledger
from twentywatts.machines import Machine
from twentywatts.price.accounting import price
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array
from twentywatts.workload import Workload

__all__ = ["Standby", "power_w", "standby"]

_SLOWEST_PER_S = 1e-11  # no rate below is a Scenario's
_SLOW = 1e-6  # share of time that is busy when the waiting power is read off


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standby:
    """What the power at every rate follows from; arrays of shape (1 + draws,), mid first.

    active_j: joules of an inference back to back. waiting_w: watts of one unit while powered and waiting.
    busy_s: seconds per inference. waits_for_events: without an event nothing is executed, so that an inference
    takes place only when something happens; a clocked machine must look at every tick.
    """

    active_j: Array
    waiting_w: Array
    busy_s: Array
    waits_for_events: bool = False


def standby(workload: Workload, machine: Machine, scenario: Scenario, *, busy: Ledger | None = None) -> Standby:
    """Return the two constants behind the power at every rate; ``busy`` is the ledger without a rate, if at hand.

    Raises RefusedError as `price` does.
    """
    if busy is None:
        busy = price(workload, machine, _at(scenario, None))
    active_j, batch_s = busy.energy_j.values, busy.latency_s.values
    busy_s = batch_s / scenario.batch
    slow_per_s = max(_SLOW / float(busy_s.max()), _SLOWEST_PER_S)
    kept = price(workload, machine, _at(scenario, slow_per_s))
    spent_w = kept.energy_j.values * slow_per_s
    waiting_w = (spent_w - active_j * slow_per_s) / (1.0 - busy_s * slow_per_s)
    return Standby(
        active_j=active_j,
        waiting_w=np.maximum(waiting_w, 0.0),
        busy_s=busy_s,
        waits_for_events=machine.traits.get("neuron_update") == "event",
    )


def _at(scenario: Scenario, rate_per_s: float | None) -> Scenario:
    """Return the scenario at another rate, always awake."""
    return replace(scenario, rate_per_s=rate_per_s, duty_frac=1.0, event_rate_per_s=None, battery_j=None)


def power_w(found: Standby, rate_per_s: Array, *, duty_frac: float = 1.0, events_per_s: float | None = None) -> Array:
    """Return the average power [W] at each rate [1/s], shape (rates, 1 + draws).

    events_per_s: how often something happens while awake; a machine that waits for events works no more often.
    """
    rates = np.atleast_1d(np.asarray(rate_per_s, dtype=np.float64))
    if events_per_s is not None and found.waits_for_events:
        rates = np.minimum(rates, events_per_s)
    units = np.maximum(np.ceil(rates * found.busy_s[0] - 1e-9), 1.0)[:, None]
    mean = (rates * duty_frac)[:, None]
    waiting = mean * (found.active_j - found.waiting_w * found.busy_s) + units * found.waiting_w
    result: Array = np.maximum(waiting, mean * found.active_j)
    return result
