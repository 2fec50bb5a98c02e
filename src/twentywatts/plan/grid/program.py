"""A year of hours as one sparse linear program: battery and waiting work against the carbon of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twentywatts.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["Battery", "Dispatch", "Hours", "Waiting", "dispatch"]

# what makes one of several equally good schedules the answer: nothing moves without a gain, in parts of the mean cost
_CYCLE_COST = 1e-4
_WAIT_COST = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """What each step brings; arrays of shape (steps,), energies in one step.

    load_j: asked of the site. own_j: made by its own plants. cost: of a joule from the grid, such as kg/J; ≥ 0.
    """

    load_j: Array
    own_j: Array
    cost: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """capacity_j: usable. step_j: most that goes in, or comes out, in a step. efficiency_frac: there and back."""

    capacity_j: float
    step_j: float
    efficiency_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """share_frac: of the load that may wait. steps: longest wait. most_j: most that the site can use in one step."""

    share_frac: float
    steps: int
    most_j: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dispatch:
    """What happens in each step, arrays of shape (steps,) in joules: load, grid, battery in, out, level, queue."""

    load_j: Array
    grid_j: Array
    charge_j: Array
    discharge_j: Array
    level_j: Array
    waiting_j: Array


def dispatch(hours: Hours, battery: Battery | None = None, waiting: Waiting | None = None) -> Dispatch:
    """Return the schedule of least Σ cost · grid, with foresight of the whole trace.

    Each step: own + grid + discharge ≥ load + charge; the battery takes from own generation alone, so every joule
    that it gives back is the site's own, and ends as full as it began. Work waits at most ``waiting.steps`` and all is
    done by the end. Never worse than without battery and waiting: doing nothing is allowed. Raises MissingExtraError.
    """
    import numpy as np

    if battery is None and waiting is None:
        nothing = np.zeros_like(hours.load_j)
        short = np.maximum(hours.load_j - hours.own_j, 0.0)
        return Dispatch(
            load_j=hours.load_j,
            grid_j=short,
            charge_j=nothing,
            discharge_j=nothing,
            level_j=nothing,
            waiting_j=nothing,
        )
    unit_j = float(hours.load_j.mean()) or 1.0
    solution = unit_j * _solve(hours, battery, waiting, unit_j)
    charge, discharge, level, work, queue = (np.maximum(part, 0.0) for part in solution[1:])
    load = hours.load_j if waiting is None else hours.load_j * (1.0 - waiting.share_frac) + work
    grid = np.maximum(load + charge - discharge - hours.own_j, 0.0)
    return Dispatch(load_j=load, grid_j=grid, charge_j=charge, discharge_j=discharge, level_j=level, waiting_j=queue)


def _solve(hours: Hours, battery: Battery | None, waiting: Waiting | None, unit_j: float) -> Array:
    """Return grid, charge, discharge, level, work and queue, each of shape (steps,), in units of ``unit_j``."""
    import numpy as np

    try:
        from scipy.optimize import linprog
    except ImportError:
        raise MissingExtraError("scipy", "grid") from None
    problem = _problem(hours, battery, waiting, unit_j)
    result = linprog(**problem, method="highs")
    if result.status != 0:
        raise InputError(f"no schedule was found: {result.message}")
    return np.asarray(result.x).reshape(6, len(hours.load_j))


def _problem(hours: Hours, battery: Battery | None, waiting: Waiting | None, unit_j: float) -> dict[str, Any]:
    """Return the linear program as arguments of linprog; variables: grid, charge, discharge, level, work, queue."""
    import numpy as np
    from scipy import sparse

    count = len(hours.load_j)
    load, own = hours.load_j / unit_j, hours.own_j / unit_j
    share = waiting.share_frac if waiting else 0.0
    one, none = sparse.identity(count, format="csr"), sparse.csr_array((count, count))
    last = sparse.diags_array([1.0], offsets=[-1], shape=(count, count), format="csr")
    around = last + sparse.csr_array(([1.0], ([0], [count - 1])), shape=(count, count))
    root = battery.efficiency_frac**0.5 if battery else 1.0
    balance = sparse.hstack([-one, one, -one, none, one, none])
    storage = sparse.hstack([none, -root * one, one / root, one - around, none, none])
    queue = sparse.hstack([none, none, none, none, one, one - last])
    mean = float(hours.cost.mean()) or 1.0
    cycling, idle = np.full(count, _CYCLE_COST), np.zeros(count)
    return {
        "c": np.concatenate([hours.cost / mean, cycling, cycling, idle, idle, np.full(count, _WAIT_COST)]),
        "A_ub": balance.tocsr(),
        "b_ub": own - load * (1.0 - share),
        "A_eq": sparse.vstack([storage, queue]).tocsr(),
        "b_eq": np.concatenate([idle, load * share]),
        "bounds": _bounds(load, own, battery, waiting, unit_j),
    }


def _bounds(load: Array, own: Array, battery: Battery | None, waiting: Waiting | None, unit_j: float) -> Array:
    """Return lowest and highest value of each variable, shape (6 · steps, 2)."""
    import numpy as np

    count = len(load)
    highest = np.zeros((6, count))
    highest[0] = np.inf
    if battery is not None:
        highest[1] = np.minimum(battery.step_j / unit_j, own)
        highest[2] = battery.step_j / unit_j
        highest[3] = battery.capacity_j / unit_j
    if waiting is not None:
        highest[4] = np.maximum(waiting.most_j / unit_j - load * (1.0 - waiting.share_frac), load * waiting.share_frac)
        highest[5] = _recent(load * waiting.share_frac, waiting.steps)
        highest[5, -1] = 0.0
    else:
        highest[4] = load * 0.0
    return np.stack([np.zeros(6 * count), highest.ravel()], axis=1)


def _recent(work: Array, steps: int) -> Array:
    """Return the sum of the last ``steps`` values up to each place: work that may still wait."""
    import numpy as np

    total = np.concatenate([[0.0], np.cumsum(work)])
    first = np.maximum(np.arange(1, len(work) + 1) - steps, 0)
    return np.asarray(total[1:] - total[first])
