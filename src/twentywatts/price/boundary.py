"""What a boundary contains and a chip's figures do not: guessed entries with wide intervals, never silence."""

from __future__ import annotations

from functools import cache

import numpy as np

from twentywatts.figures import Figure, load_figures, sample
from twentywatts.ledger import Cause, Entry
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs
from twentywatts.scenario import Boundary, Scenario
from twentywatts.uncertain import Array, Spread

__all__ = ["missing_entries"]


@cache
def _figures() -> dict[str, Figure]:
    return load_figures("boundaries")


def missing_entries(
    entries: list[Entry], costs: Costs, machine: Machine, scenario: Scenario
) -> tuple[list[Entry], list[str]]:
    """Return the entries that complete ``entries`` to the asked boundary, and what stays outside the account.

    A machine's figures describe ``machine.boundary``. Each wider shell is added in turn: the board (a share of the
    chip's energy), the host (a power over busy and waiting time, or a share), the facility (a share, cooling). A share
    is of what lies inside its shell: memory beside a chip that was priced by itself is no part of the chip.
    """
    if machine.family == "brain":
        return [], []
    values = sample(_figures(), namespace="boundaries", draws=scenario.draws, seed=scenario.seed)
    extra: list[Entry] = []
    for shell in list(Boundary)[machine.boundary.rank + 1 : scenario.boundary.rank + 1]:
        inside = [entry.energy_j.values for entry in (*entries, *extra) if entry.scope.rank < shell.rank]
        extra.append(_shell(shell, sum(inside, np.zeros(1 + scenario.draws)), machine, costs, scenario, values))
    return extra, _outside(machine, scenario)


def _outside(machine: Machine, scenario: Scenario) -> list[str]:
    shells = {
        Boundary.DEVICE: "board, voltage regulators and off-chip memory",
        Boundary.SYSTEM: "host processor, power supply, fans",
        Boundary.FACILITY: "cooling and power distribution of the building",
    }
    widest = max(scenario.boundary.rank, machine.boundary.rank)
    outside = [text for shell, text in shells.items() if shell.rank > widest]
    return [f"outside the boundary: {text}" for text in outside]


def _shell(
    shell: Boundary, total: Array, machine: Machine, costs: Costs, scenario: Scenario, values: dict[str, Array]
) -> Entry:
    figures = _figures()
    if shell is Boundary.DEVICE:
        key, cause, energy = "board_overhead_frac", Cause.UNSPLIT, total * values["board_overhead_frac"]
    elif shell is Boundary.FACILITY:
        key, cause, energy = "facility_overhead_frac", Cause.COOLING, total * values["facility_overhead_frac"]
    elif "host_power_w" in machine.figures:
        figure = machine.figures["host_power_w"]
        power = sample({"host_power_w": figure}, namespace=machine.name, draws=scenario.draws, seed=scenario.seed)
        energy = power["host_power_w"] * _kept_s(costs, scenario)
        return _entry("host", Cause.HOST, energy, shell, figure)
    elif machine.family == "processor":
        key, cause, energy = "server_overhead_frac", Cause.HOST, total * values["server_overhead_frac"]
    else:
        key, cause, energy = "embedded_host_power_w", Cause.HOST, values["embedded_host_power_w"]
        energy = energy * _kept_s(costs, scenario)
    part = {Boundary.DEVICE: "board", Boundary.SYSTEM: "host", Boundary.FACILITY: "facility"}[shell]
    return _entry(part, cause, energy, shell, figures[key])


def _kept_s(costs: Costs, scenario: Scenario) -> Array:
    """Seconds per inference for which the host is kept for this model."""
    return costs.kept_s(scenario) / scenario.batch


def _entry(part: str, cause: Cause, energy: Array, scope: Boundary, figure: Figure) -> Entry:
    return Entry(
        part=part,
        cause=cause,
        energy_j=Spread(energy),
        scope=scope,
        evidence=figure.evidence,
        sources=(figure.source,),
        note=figure.condition,
    )
