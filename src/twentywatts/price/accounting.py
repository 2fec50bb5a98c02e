"""From costs to a ledger: model error, entries with sources, idle time and boundary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from twentywatts.errors import RefusedError, TwentyWattsError
from twentywatts.figures import Evidence, sample
from twentywatts.ledger import Cause, Entry, Ledger
from twentywatts.machines import Machine
from twentywatts.plugins import find
from twentywatts.price.boundary import missing_entries
from twentywatts.price.costs import Costs, Values
from twentywatts.price.fitted import load_fitted
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array, Spread, lognormal, reordered
from twentywatts.workload import Workload

__all__ = ["costs_of", "price", "values_of"]

_PRICER_NAMES = {
    "ProcessorWorkload": "processor",
    "SpikingWorkload": "neuromorphic",
    "CrossbarWorkload": "crossbar",
    "BrainWorkload": "brain",
    "DecoderWorkload": "decoder",
    "DiffusionWorkload": "diffusion",
}


def values_of(workload: Workload, machine: Machine, *, draws: int, seed: int) -> dict[str, Array]:
    """Return every figure and fitted constant that a pricer may use, each of shape (1 + draws,), mid first."""
    values = sample(machine.figures, namespace=machine.name, draws=draws, seed=seed)
    pricer = _PRICER_NAMES.get(type(workload).__name__)
    if pricer and pricer != "brain":
        for key, interval in load_fitted(pricer).constants.items():
            values[key] = lognormal(f"fitted.{pricer}.{key}", interval, draws=draws, seed=seed)
    return values


def costs_of(workload: Workload, machine: Machine, scenario: Scenario, *, values: Values | None = None) -> Costs:
    """Return the bare costs of a workload; arrays may carry leading axes of settings (see workload.py)."""
    pricer = find("pricers", type(workload).__name__)
    if pricer is None:
        raise TwentyWattsError(f"no pricer for {type(workload).__name__}; a plug-in can register one")
    if values is None:
        values = values_of(workload, machine, draws=scenario.draws, seed=scenario.seed)
    costs = pricer(workload, machine, values, scenario)
    if not isinstance(costs, Costs):
        raise TwentyWattsError(f"the pricer of {type(workload).__name__} returned {type(costs).__name__}, wanted Costs")
    return costs


def price(workload: Workload, machine: Machine, scenario: Scenario, *, per: str = "inference") -> Ledger:
    """Return the ledger of one workload on one machine [J and s per inference].

    Raises RefusedError where the machine publishes too little, or cannot hold the model.
    """
    if machine.refused:
        raise RefusedError(machine.refused)
    costs = _with_model_error(costs_of(workload, machine, scenario), workload, machine, scenario)
    boundary = max(scenario.boundary, machine.boundary, key=lambda boundary: boundary.rank)
    every = _entries(costs, machine, _fitted_sources(workload))
    entries = [entry for entry in every if entry.scope.rank <= boundary.rank]
    idle, notes = _idle_entry(costs, machine, scenario)
    if boundary != scenario.boundary:
        notes.append(f"its figures describe the {boundary} and cannot be narrowed to the {scenario.boundary}")
    entries += idle
    extra, lacking = missing_entries(entries, costs, machine, scenario)
    return Ledger(
        machine=machine.name,
        per=per,
        boundary=boundary,
        entries=(*entries, *extra),
        latency_s=Spread(costs.latency_s),
        rate_per_s=scenario.mean_rate_per_s,
        bound=costs.bound,
        chip_count=costs.chip_count,
        notes=(*costs.notes, *notes),
        not_covered=(*costs.not_covered, *lacking),
        own_sources=machine.sources,
    )


def _with_model_error(costs: Costs, workload: Workload, machine: Machine, scenario: Scenario) -> Costs:
    """Multiply energy and time by the pricer's model error, one draw stream per pricer and machine, applied last.

    Time errs by as much as energy, and in the same draws or in others that correlate with them, as its pricer says.
    """
    pricer = _PRICER_NAMES.get(type(workload).__name__)
    if pricer in (None, "brain"):
        return costs
    assert pricer is not None
    key = f"model.{pricer}.{machine.name}"
    error = costs.model_error or load_fitted(pricer).model_error
    factor = lognormal(key, error, draws=scenario.draws, seed=scenario.seed)
    slower = reordered(f"{key}.time", factor, correlation=costs.error_correlation, seed=scenario.seed)
    return replace(
        costs,
        energy_j={cause: array * factor for cause, array in costs.energy_j.items()},
        latency_s=costs.latency_s * slower,
        portions=tuple(replace(portion, energy_j=portion.energy_j * factor) for portion in costs.portions),
    )


def _fitted_sources(workload: Workload) -> tuple[str, ...]:
    """Return the sources behind the fitted constants and the model error of a workload's pricer."""
    pricer = _PRICER_NAMES.get(type(workload).__name__)
    return () if pricer in (None, "brain") else load_fitted(str(pricer)).sources


def _entries(costs: Costs, machine: Machine, fitted: tuple[str, ...]) -> Iterator[Entry]:
    """Yield one entry per part and portion of a cause; every entry rests on the pricer's fit as well."""
    for portion in costs.in_portions():
        used = [machine.figures[key] for key in portion.used if key in machine.figures]
        evidence = min((figure.evidence for figure in used), default=Evidence.MODELLED)
        sources = tuple(sorted({*fitted, *(figure.source for figure in used)}))
        for index, part in enumerate(costs.parts):
            values = np.broadcast_to(portion.energy_j[index], costs.latency_s.shape)
            if values[0] > 0:
                yield Entry(
                    part=part,
                    cause=portion.cause,
                    energy_j=Spread(values),
                    scope=portion.scope,
                    evidence=evidence,
                    sources=sources,
                )


def _idle_entry(costs: Costs, machine: Machine, scenario: Scenario) -> tuple[list[Entry], list[str]]:
    """Return the energy of waiting between batches at the asked rate, and what to tell about it."""
    if scenario.rate_per_s is None:
        return [], []
    units = costs.unit_count(scenario)
    energy = costs.idle_power_w * (costs.kept_s(scenario) - costs.latency_s) / scenario.batch
    notes = []
    if units > 1:
        notes.append(f"one unit is too slow for {scenario.rate_per_s:g} inferences/s: {units} units share the load")
    keys = costs.used.get(Cause.STATIC, ())
    used = [machine.figures[key] for key in keys if key in machine.figures and key.endswith("_w")]
    evidence = min((figure.evidence for figure in used), default=Evidence.MODELLED)
    sources = tuple(sorted({figure.source for figure in used}))
    if not (energy > 0).any():
        return [], notes
    entry = Entry(
        part="idle",
        cause=Cause.STATIC,
        energy_j=Spread(energy),
        scope=machine.boundary,
        evidence=evidence,
        sources=sources,
        note="powered and waiting between inferences",
    )
    return [entry], notes
