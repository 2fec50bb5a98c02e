"""Fakes: invented machines with round figures, and small workloads for each family. None is a real chip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twentywatts.machines import Machine
from twentywatts.machines.catalog import SCHEMA, parse
from twentywatts.machines.machine import REQUIRED
from twentywatts.units import unit_of_key
from twentywatts.workload import (
    BrainWorkload,
    CrossbarWorkload,
    ProcessorWorkload,
    SpikingWorkload,
    Workload,
)

__all__ = ["fake_figure", "fake_machine", "fake_tables", "fake_workload"]

# by the unit that a key's suffix promises: a value of the right size to be priced, and nothing more
_ROUND = {"J": 1e-12, "J/byte": 1e-12, "W": 1.0, "s": 1e-6, "byte": 1e9, "byte/s": 1e9, "FLOP/s": 1e9, "OP/s": 1e9}
_EXACT = {
    "max_power_w": 10.0,
    "power_w": 20.0,
    "weight_bits": 8.0,
    "input_bits": 8.0,
    "adc_bits": 8.0,
    "cell_bits": 4.0,
}
_EXACT |= {
    "columns_per_weight_count": 2.0,
    "array_rows_count": 128.0,
    "array_columns_count": 128.0,
    "array_count": 64.0,
}
_EXACT |= {"core_count": 64.0, "neurons_per_core_count": 256.0, "synapses_per_core_count": 65536.0}
_EXTRA = {"neuromorphic": ("timestep_s",), "crossbar": ("row_drive_energy_j", "cell_read_energy_j", "adc_energy_j")}


def fake_figure(key: str, value: float | None = None, *, grade: str = "paper") -> dict[str, Any]:
    """Return the table of an invented figure in SI units; counts and bits are exact, the rest spans a factor 4."""
    unit = unit_of_key(key)
    mid = value if value is not None else _EXACT.get(key, _ROUND.get(unit, 1.0))
    exact = key in _EXACT or unit in ("1", "bit", "nm")
    low, high = (mid, mid) if exact else (mid / 2, mid * 2)
    texts = {"source": "fake", "where": "invented", "condition": "invented for a test"}
    return {"value": mid, "low": low, "high": high, "unit": unit, "grade": grade, **texts}


def fake_tables(family: str, *, values: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return the tables of an invented machine file; ``values`` (SI units) replace or add figures."""
    keys = {*REQUIRED[family], *_EXTRA.get(family, ()), *(values or {})}
    return {
        "schema": SCHEMA,
        "name": f"fake-{family}",
        "title": f"An invented {family}",
        "summary": "Invented for a test.",
        "family": family,
        "year": 2000,
        "figures": {key: fake_figure(key, (values or {}).get(key)) for key in sorted(keys)},
        "sources": {"fake": {"kind": "fake", "title": "Nothing", "authors": "Nobody", "year": 2000}},
    }


def fake_machine(family: str, *, values: Mapping[str, float] | None = None) -> Machine:
    """Return an invented machine of a family; ``values`` (SI units) replace or add figures."""
    return parse(fake_tables(family, values=values), origin="fake")


def fake_workload(family: str, *, size: float = 64.0, batch: int = 1) -> Workload:
    """Return a small workload of two equal layers of ``size`` inputs and outputs for a family's pricer."""
    makers = {"processor": _arithmetic, "neuromorphic": _spikes, "crossbar": _products}
    if family == "brain":
        return BrainWorkload(time_s=1e-3)
    return makers[family](np.full(2, size), batch)


def _arithmetic(size: Any, batch: int) -> Workload:
    return ProcessorWorkload(
        layers=("one", "two"),
        mac_count=size**2 * batch,
        op_count=size * batch,
        weight_bytes=size**2 * 4,
        input_bytes=size * 4 * batch,
        output_bytes=size * 4 * batch,
        kernel_count=np.ones(2),
        batch=batch,
    )


def _spikes(size: Any, batch: int) -> Workload:
    spikes = np.outer(size, np.full(4, 0.1))
    return SpikingWorkload(
        layers=("one", "two"),
        timesteps=4,
        neuron_count=size,
        fan_in_count=size,
        weight_count=size**2,
        synapse_count=size**2,
        shared_weights=(False, False),
        synaptic_events=spikes * size[:, None],
        updates=np.outer(size, np.ones(4)),
        spikes=spikes,
        spikes_in=spikes,
        mac_count=np.zeros(2),
        op_count=np.zeros(2),
    )


def _products(size: Any, batch: int) -> Workload:
    return CrossbarWorkload(
        layers=("one", "two"),
        row_count=size,
        column_count=size,
        group_count=np.ones(2),
        vector_count=np.ones(2),
        active_frac=np.full(2, 0.5),
        op_count=size,
        output_bytes=size,
        input_bits=8,
        weight_bits=8,
        dac_bits=1,
        cell_bits=4,
        adc_bits=8,
    )
