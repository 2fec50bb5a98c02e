"""The documents of measure and doctor, byte for byte: they change only when the format does.

After a change on purpose: TWENTYWATTS_GOLDEN=write python -m pytest tests/golden/test_measurement_json.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import RUN, check_golden, check_schema

from twentywatts.meter.accumulate import State
from twentywatts.meter.assemble import Assembly
from twentywatts.meter.contract import Channel, Finding, Quantity, Scope
from twentywatts.meter.doctor import Examination, rule_files
from twentywatts.meter.replay import Gap
from twentywatts.meter.sources import advice
from twentywatts.meter.window import Edge, Span
from twentywatts.reports.doctor import doctor_document
from twentywatts.reports.measurement import Measured, laps_of, measurement_document

FOLDER = Path(__file__).parent


def _channel(key: str, component: str, scope: Scope) -> Channel:
    return Channel(
        key=f"powercap:{key}",
        component=component,
        scope=scope,
        quantity=Quantity.ENERGY,
        read=lambda: 0.0,
        source="powercap",
        step_j=6.1035e-05,
        range_j=262143.328911,
    )


CPU, DRAM = _channel("intel-rapl:0", "cpu 0", Scope.PACKAGE), _channel("intel-rapl:0:0", "cpu 0 memory", Scope.DRAM)
PSYS, DEAD = _channel("intel-rapl:1", "platform", Scope.PLATFORM), _channel("intel-rapl:2", "cpu 1", Scope.PACKAGE)
ASSEMBLY = Assembly(
    channels=(CPU, DRAM, PSYS),
    summed=(CPU.key, DRAM.key),
    apart=((PSYS, "the platform meter holds what the others count: shown apart, never added to them"),),
    rejected=((DEAD, "frozen: it did not move in 0.06 s of work"),),
)
POWERS_W = {CPU.key: 40.0, DRAM.key: 3.0, PSYS.key: 61.0}


def _edge(time_s: float) -> Edge:
    states = {
        key: State(
            time_s=time_s,
            raw=100.0 + power_w * time_s,
            energy_j=power_w * time_s,
            covered_s=time_s,
            moved_s=time_s,
            power_w=power_w,
            samples=1 + round(time_s),
        )
        for key, power_w in POWERS_W.items()
    }
    return Edge(time_s, states, 1.5 * time_s, 2.0 * time_s)


def _measurement() -> dict[str, Any]:
    edges = [("start", _edge(0.0)), ("load", _edge(2.0)), ("stop", _edge(10.0))]
    span = Span("", ASSEMBLY, edges[0][1], edges[-1][1])
    command = {"argv": ["python", "train.py"], "exit_code": 0, "signal": None, "left_running": []}
    gap = Gap(from_s=3.0, to_s=4.0, reason="the machine slept 1 s")
    measured = Measured(span=span, laps=laps_of(edges, span), command=command, gaps=(gap,), notes=("a note",))
    return measurement_document(measured, RUN)


def _doctor() -> dict[str, Any]:
    closed = Finding(
        source="powercap",
        what="powercap:intel-rapl:2",
        found=True,
        readable=False,
        reason="no permission to read energy_uj",
        fix=advice.powercap_permission(),
    )
    alive = Finding(
        source="powercap",
        what=CPU.key,
        found=True,
        readable=True,
        alive=True,
        accuracy="counter, error not published",
    )
    absent = Finding(source="nvml", what="nvml", found=False, readable=False, reason="no NVIDIA driver")
    seen = Examination(findings=(alive, closed, absent), assembly=ASSEMBLY)
    return doctor_document(seen, rule_files(seen.findings), RUN)


@pytest.mark.parametrize(("name", "make"), [("measurement-1", _measurement), ("doctor-1", _doctor)])
def test_the_document_is_the_golden_one(name: str, make: Any, tmp_path: Path) -> None:
    document = make()
    check_golden(document, FOLDER / f"{name}.json", tmp_path)
    check_schema(document, name)
