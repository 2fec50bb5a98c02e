"""Boards for bench/validate_neuromorphic.py: what is estimated from some groups of runs to predict the others.

Loihi: the pricer's events and updates, and around them a board's own figures: time of input and output for each way of
dividing them, time of one further layer, power while running, spike rate. Hosts: the time of a call, of one more
layer and of one more sample, and the power while running; the arithmetic of these networks takes next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from fit_neuromorphic import RATE, network
from twentywatts.figures import sample
from twentywatts.ledger import Cause
from twentywatts.machines import load
from twentywatts.price import neuromorphic
from twentywatts.scenario import Scenario

# weak priors that keep few runs from deciding everything; widths, not values, of the estimate
_POWER_SD = 0.05  # share by which the running power of one arrangement may differ from the board's
_RATE_SD = 1.0  # share by which the assumed spike rate may be wrong
_NOISE = 0.005  # repeats of one run agree to this share


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Mean of the repeats of one run: power, idle power [W], time of a batch [s], energy per inference [J]."""

    name: str
    device: str
    energy_j: float
    idle_w: float
    time_s: float
    batch: int
    branches: int
    depth: int
    parts: int

    @property
    def layers(self) -> int:
        """Layers that run one after the other on a host: all of them, side by side or not."""
        return 3 + self.branches * (self.depth - 3)

    @property
    def arrangement(self) -> tuple[int, bool]:
        """How input and output are divided, and whether there are branches at all."""
        return self.parts, self.depth > 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the pricer says of a group at RATE without a board: seconds, joules of updates, joules of events."""

    time_s: float
    updates_j: float
    events_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoihiBoard:
    """What is estimated. power_w: by arrangement, and for one that was not seen under None."""

    idle_w: float
    power_w: dict[tuple[int, bool] | None, float]
    overhead_s: dict[int | None, float]
    layer_s: float
    rate: float


@cache
def work_of(group: Group) -> Work:
    """Return what Loihi's figures say of a group, events and updates apart, at mid values."""
    written = f"390-256-[{group.branches} branches x {group.depth - 3} layers x 256]-256-29"
    busy = network(written)
    quiet = replace(busy, **{name: getattr(busy, name) * 0 for name in ("synaptic_events", "spikes", "spikes_in")})
    machine = load("loihi")
    values = sample(machine.figures, namespace="loihi", draws=0, seed=0)
    values |= {key: np.zeros(1) for key in ("active_base_power_w", "inference_overhead_s")}
    found = [neuromorphic.costs(each, machine, values, Scenario(draws=0)) for each in (busy, quiet)]
    total, rest = (float(costs.total_j()[0] - costs.energy_j[Cause.STATIC].sum()) for costs in found)
    return Work(time_s=float(found[0].latency_s[0]), updates_j=rest, events_j=total - rest)


def loihi_board(groups: Sequence[Group]) -> LoihiBoard:
    """Return the board that fits the groups: least squares of relative errors with the priors above."""
    work = [work_of(group) for group in groups]
    layer_s, overhead_s = _times(groups, work)
    kinds = sorted({group.arrangement for group in groups})
    table, target = [], []
    for group, done in zip(groups, work, strict=True):
        weight = 1.0 / (_NOISE * group.energy_j)
        line = np.zeros(2 + len(kinds))
        line[[0, 2 + kinds.index(group.arrangement)]] = group.time_s * weight
        line[1] = done.events_j * weight
        table.append(line)
        target.append((group.energy_j - group.idle_w * group.time_s - done.updates_j) * weight)
    mean_w = float(np.mean([group.energy_j / group.time_s - group.idle_w for group in groups]))
    for index in range(1, 2 + len(kinds)):
        line = np.zeros(2 + len(kinds))
        line[index] = 1.0 / (_RATE_SD if index == 1 else _POWER_SD * mean_w)
        table.append(line)
        target.append(line[index] if index == 1 else 0.0)
    found = np.linalg.lstsq(np.array(table), np.array(target), rcond=None)[0]
    powers = {kind: float(found[0] + extra) for kind, extra in zip(kinds, found[2:], strict=True)}
    return LoihiBoard(
        idle_w=float(np.mean([group.idle_w for group in groups])),
        power_w={**powers, None: float(found[0])},
        overhead_s=overhead_s,
        layer_s=layer_s,
        rate=RATE * float(found[1]),
    )


def _times(groups: Sequence[Group], work: Sequence[Work]) -> tuple[float, dict[int | None, float]]:
    """Return seconds of one further layer (0 where no two depths share an arrangement), and of input and output."""
    rest = [group.time_s - done.time_s for group, done in zip(groups, work, strict=True)]
    layer_s = 0.0
    for parts in {group.parts for group in groups}:
        depth = np.array([group.depth for group in groups if group.parts == parts], dtype=float)
        times = np.array([time for group, time in zip(groups, rest, strict=True) if group.parts == parts])
        if np.ptp(depth) > 0:
            layer_s = float(np.polyfit(depth, times, 1)[0])
    found: dict[int | None, float] = {}
    for parts in {group.parts for group in groups}:
        own = [t - layer_s * (g.depth - 3) for g, t in zip(groups, rest, strict=True) if g.parts == parts]
        found[parts] = float(np.mean(own))
    return layer_s, {**found, None: float(np.mean(list(found.values())))}


def loihi_energy_j(group: Group, board: LoihiBoard) -> tuple[float, float]:
    """Return predicted joules and seconds of one inference."""
    done = work_of(group)
    time_s = done.time_s + board.overhead_s.get(group.parts, board.overhead_s[None])
    time_s += board.layer_s * (group.depth - 3)
    power_w = board.idle_w + board.power_w.get(group.arrangement, board.power_w[None])
    return power_w * time_s + done.updates_j + done.events_j * board.rate / RATE, time_s


def host_energy_j(group: Group, others: Sequence[Group]) -> tuple[float, float]:
    """Return predicted joules and seconds per inference of a host from other groups of the same device."""
    from scipy.optimize import nnls

    def features(each: Group) -> list[float]:
        return [1.0, float(each.layers), float(each.batch - 1)]

    table = np.array([np.array(features(each)) / each.time_s for each in others])
    seconds, _ = nnls(table, np.ones(len(others)))
    time_s = float(np.dot(seconds, features(group)))
    power_w = float(np.mean([each.energy_j * each.batch / each.time_s for each in others]))
    return power_w * time_s / group.batch, time_s / group.batch
