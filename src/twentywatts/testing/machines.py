"""The contract of a machine: the tables of a file, or what a plug-in of the group twentywatts.machines returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from twentywatts.errors import MachineError
from twentywatts.figures import Boundary, Evidence, load_sources
from twentywatts.machines import Machine, traits_of
from twentywatts.machines.catalog import parse
from twentywatts.price import price
from twentywatts.scenario import Scenario
from twentywatts.testing._clauses import clause
from twentywatts.testing.fakes import fake_workload

__all__ = ["check_machine"]


def check_machine(tables: Mapping[str, Any]) -> Machine:
    """Return the machine of these tables; raises AssertionError for the first clause that does not hold.

    It is a valid file; every source resolves, here or among the bundled ones; no guess is narrower than a factor 2;
    and unless it is refused with a reason it prices a small workload at every boundary and its sources are named.
    """
    try:
        machine = parse(tables, origin="under test")
    except MachineError as error:
        raise AssertionError(str(error)) from error
    known = {*load_sources(), *machine.sources}
    for key, figure in machine.figures.items():
        clause(figure.source in known, f"'{key}' cites '{figure.source}': add [sources.{figure.source}] to the file")
        spread = figure.high >= 2 * figure.low or figure.unit in ("1", "bit", "nm", "byte")
        clause(figure.evidence > Evidence.GUESSED or spread, f"'{key}' is a guess: its interval must span a factor 2")
    clause(json.loads(json.dumps(dict(machine.traits))) == dict(machine.traits), "[traits] hold plain values")
    if not machine.refused:
        _check_prices(machine)
    return machine


def _check_prices(machine: Machine) -> None:
    clause((traits_of(machine) is None) == (machine.family == "brain"), "its traits can be read")
    narrower = np.zeros(1)
    for boundary in Boundary:
        ledger = price(fake_workload(machine.family), machine, Scenario(boundary=boundary, rate_per_s=1.0, draws=20))
        joules = ledger.energy_j.values
        clause(np.isfinite(joules).all() and (joules > 0).all(), f"energy at boundary {boundary} is finite and not 0")
        clause((joules >= narrower * (1 - 1e-9)).all(), f"boundary {boundary} costs no less than the one inside it")
        clause((ledger.latency_s.values > 0).all(), "its figures say how long an inference takes")
        clause(ledger.sources, "the account names its sources")
        narrower = joules
