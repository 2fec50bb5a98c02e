"""What the processor of this computer draws, idle and at most, without composing the whole machine.

    power = cores x watts per core                       (data/cpu_models.csv: TDP and idle power over the cores)

The meter's model needs these two numbers alone, at the end of every run without a counter, so nothing is loaded here
that they do not need; host.py composes ``this-cpu`` of the same rows, and a test holds both to the same figures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from twentywatts.errors import counted
from twentywatts.machines.probe import Host, probe
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLUMNS", "OVERRIDE", "Power", "condition", "cores_of", "grade", "row_of", "spreads", "this_power"]

OVERRIDE = "TWENTYWATTS_THIS_CPU"
COLUMNS = {"max_power_w": "tdp_w_per_core", "idle_power_w": "idle_w_per_core"}
_VIRTUAL = "a virtual machine sees a share of a server: its processors may be threads, its neighbours are unknown"


@record()
class Power:
    """A power of the processor [W] with its 90 % interval. evidence: 0 for a guess, 1 for what is cited."""

    low: float
    value: float
    high: float
    evidence: int
    condition: str


def this_power(root: Path | str = "/") -> dict[str, Power] | None:
    """Return idle_power_w and max_power_w of the computer under ``root``; None where only the whole machine tells."""
    wanted = os.environ.get(OVERRIDE, "").strip() if os.fspath(root) == "/" else ""
    if wanted not in ("", "this-cpu"):
        return None
    try:
        host = probe(root, os.uname().machine, is_brief=True)
        row = row_of(host.text)
        return _powers(host, row) if row else None
    except Exception:  # a strange computer: this_cpu() knows what to do with it
        return None


def _powers(host: Host, row: Mapping[str, str]) -> dict[str, Power]:
    found_grade, cores = grade(row, "power_grade", is_virtual=host.virtual), cores_of(host)
    low, high = spreads()[found_grade]
    return {
        key: Power(
            low=float(row[column]) * cores * low,
            value=float(row[column]) * cores,
            high=float(row[column]) * cores * high,
            evidence=int(found_grade != "guess"),
            condition=condition(cores, is_virtual=host.virtual),
        )
        for key, column in COLUMNS.items()
    }


def cores_of(host: Host) -> int:
    """Return the number of cores, one at least."""
    return max(host.core_count or host.thread_count, 1)


def grade(row: Mapping[str, str], column: str, *, is_virtual: bool) -> str:
    """Return derived where the row is cited and the machine is a real one, else guess."""
    return "derived" if row.get(column, "guess") != "guess" and not is_virtual else "guess"


def condition(cores: int, *, is_virtual: bool) -> str:
    """Return what a figure of this computer holds for."""
    found = f"{counted(cores, 'core')} detected"
    return f"{found}; {_VIRTUAL}" if is_virtual else found


def row_of(text: str) -> Mapping[str, str]:
    """Return the first row of cpu_models.csv whose pattern is found in ``text``, or an empty one."""
    rows = _rows("..", "data", "cpu_models.csv")
    return next((row for row in rows if re.search(row["pattern"], text, re.I)), {})


def spreads() -> dict[str, tuple[float, float]]:
    """Return the 90 % interval of a power by its grade, as multiples of the value."""
    return {row["grade"]: (float(row["low"]), float(row["high"])) for row in _rows("data", "host", "power_spread.csv")}


def _rows(*parts: str) -> list[dict[str, str]]:
    """Return a table that stands beside this file; through the loader, as the package may be an archive."""
    import csv

    path = os.path.normpath(os.path.join(os.path.dirname(__file__), *parts))
    text = __loader__.get_data(path).decode()  # type: ignore[name-defined]
    return list(csv.DictReader(text.splitlines()))
