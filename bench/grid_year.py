"""How long a year of hours takes: the schedule of battery and waiting work as one linear program, and the whole plan.

Method: 8,760 synthetic hours of a 100 MW site on the German grid with 120 MW of sun, 50 MW of wind, a battery of
200 MWh and 30 % of the load that may wait a day. The three schedules are interleaved for RUNS rounds, medians are
printed: wall time, and CPU time of the process, which other programs on the machine lengthen less. Beside them the
carbon of the grid's joules over that without battery and waiting, and the matched share.
Usage: python bench/grid_year.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import twentywatts as tw
from twentywatts.plan.grid.program import Battery, Dispatch, Hours, Waiting, dispatch
from twentywatts.plan.grid.site import GridOptions, load_trace, site_of
from twentywatts.plan.grid.supply import supply_of

RUNS = 5
WH_J = 3600.0
OPTIONS: GridOptions = {"grid": "DE", "pv_w": 120e6, "wind_w": 50e6, "battery_j": 200e6 * WH_J, "flexible_frac": 0.3}


def hours() -> Hours:
    trace = load_trace(100e6, OPTIONS)
    supply = supply_of(trace, site_of(trace, OPTIONS), OPTIONS)
    return Hours(load_j=trace.load_j, own_j=supply.own_j, cost=supply.carbon_kg_per_j)


def timed(call: Callable[[], object]) -> tuple[float, float, object]:
    """Return wall time, CPU time [s] and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    case = hours()
    battery = Battery(capacity_j=200e6 * WH_J, step_j=50e6 * WH_J, efficiency_frac=0.85)
    waiting = Waiting(share_frac=0.3, steps=24, most_j=125e6 * WH_J)
    ways = {"battery": (battery, None), "waiting": (None, waiting), "battery and waiting": (battery, waiting)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    found: dict[str, Dispatch] = {}
    for _ in range(RUNS):
        for name, pair in ways.items():
            wall, cpu, found[name] = timed(lambda pair=pair: dispatch(case, *pair))  # type: ignore[misc, assignment]
            times[name].append((wall, cpu))
    first = dispatch(case)
    base = float((first.grid_j * case.cost).sum())
    print(f"{len(case.load_j):,} hours; median of {RUNS} interleaved rounds")
    print(f"{'schedule':22}{'wall s':>8}{'CPU s':>8}{'carbon':>9}{'matched':>9}")
    print(f"{'as it comes':22}{'':16}{1.0:9.3f}{1 - first.grid_j.sum() / first.load_j.sum():9.3f}")
    for name, rows in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        schedule = found[name]
        share = (schedule.grid_j * case.cost).sum() / base
        print(f"{name:22}{wall:8.2f}{cpu:8.2f}{share:9.3f}{1 - schedule.grid_j.sum() / schedule.load_j.sum():9.3f}")
    wall, cpu, _ = timed(lambda: tw.plan.grid_year(100e6, **OPTIONS))
    print(f"{'the whole plan':22}{wall:8.2f}{cpu:8.2f}   (three schedules, weather, 2,000 draws)")
    print(f"own generation over load {case.own_j.sum() / case.load_j.sum():.3f}: no schedule matches more")


if __name__ == "__main__":
    main()
