"""The contract of a pricer: (workload, machine, values, scenario) → Costs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from twentywatts.figures import sample
from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.accounting import values_of
from twentywatts.price.costs import Costs, Values
from twentywatts.scenario import Scenario
from twentywatts.testing._clauses import clause
from twentywatts.workload import Workload

__all__ = ["check_pricer"]

Pricer = Callable[[Workload, Machine, Values, Scenario], Costs]
_DRAWS = 20


def check_pricer(pricer: Pricer, workload: Workload, machine: Machine) -> Costs:
    """Return the costs of a workload; raises AssertionError for the first clause that does not hold.

    Arrays have the shapes of ``Costs``, are finite and not negative; what was used is named for every cause, from the
    machine's figures; portions add up to their cause; two calls agree, the workload is left as it was, and mid values
    do not depend on the draws.
    """
    before = copy.deepcopy(_arrays(workload))
    costs, again, mid = (_call(pricer, workload, machine, draws=draws) for draws in (_DRAWS, _DRAWS, 0))
    clause(isinstance(costs, Costs), f"a pricer returns Costs, not {type(costs).__name__}")
    clause(
        all(np.array_equal(a, b) for a, b in zip(before, _arrays(workload), strict=True)), "a workload is not changed"
    )
    _check_shapes(costs)
    _check_used(costs, machine)
    clause(np.array_equal(costs.total_j(), again.total_j()), "the same call gives the same costs")
    clause(np.isclose(mid.total_j()[0], costs.total_j()[0], rtol=1e-9), "element 0 is the value at every figure's mid")
    clause(np.isclose(mid.latency_s[0], costs.latency_s[0], rtol=1e-9), "element 0 of the time is the one at mid")
    _check_portions(costs)
    return costs


def _call(pricer: Pricer, workload: Workload, machine: Machine, *, draws: int) -> Costs:
    scenario = Scenario(draws=draws)
    values = values_of(workload, machine, draws=draws, seed=0)
    own = sample(machine.figures, namespace=machine.name, draws=draws, seed=0)
    clause(values.keys() >= own.keys(), "values hold every figure of the machine")
    return pricer(workload, machine, values, scenario)


def _arrays(workload: Workload) -> list[Any]:
    clause(is_dataclass(workload), "a workload is a dataclass")
    return [np.array(getattr(workload, field.name), dtype=object) for field in fields(workload)]


def _check_shapes(costs: Costs) -> None:
    clause(costs.parts and len(set(costs.parts)) == len(costs.parts), "parts have names, each once")
    clause(costs.latency_s.shape == (1 + _DRAWS,), f"latency_s has shape (1 + draws,), got {costs.latency_s.shape}")
    clause((costs.latency_s > 0).all() and np.isfinite(costs.latency_s).all(), "the time is finite and not 0")
    clause(np.shape(costs.idle_power_w) == (1 + _DRAWS,), "idle_power_w has shape (1 + draws,)")
    clause(costs.chip_count >= 1, "at least one chip is in use")
    clause(costs.energy_j, "energy is split by cause")
    for cause, joules in costs.energy_j.items():
        clause(isinstance(cause, Cause), f"'{cause}' is a Cause")
        wanted = (len(costs.parts), 1 + _DRAWS)
        clause(joules.shape in (wanted, (wanted[0], 1)), f"energy of {cause} has shape {wanted}, got {joules.shape}")
        clause(np.isfinite(joules).all() and (joules >= 0).all(), f"energy of {cause} is finite and not negative")


def _check_portions(costs: Costs) -> None:
    for cause in {portion.cause for portion in costs.portions}:
        total = sum(portion.energy_j for portion in costs.portions if portion.cause == cause)
        agrees = cause in costs.energy_j and np.allclose(total, costs.energy_j[cause], rtol=1e-9, atol=0.0)
        clause(agrees, f"the portions of {cause} add up to its energy")


def _check_used(costs: Costs, machine: Machine) -> None:
    for cause, joules in costs.energy_j.items():
        found = [key for key in costs.used.get(cause, ()) if key in machine.figures]
        clause(found or not joules.any(), f"'used' names the figures behind {cause}: their sources go into the account")
