"""Rows for bench/validate_neuromorphic.py: derived figures of published runs, and what of them can be modelled.

``derive`` reads a folder's measured_workloads.csv (columns: bench/fit_neuromorphic.py, and status, energy_kind, notes)
and keeps what is needed, rounded to four digits: bench/neuromorphic_rows.csv, from which the page is made again.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

ROWS = Path(__file__).with_name("neuromorphic_rows.csv")
HOSTS = ("cpu", "gpu", "jetson", "movidius", "ncs2")
_NETWORK = re.compile(r"-\[(\d+) branches x (\d+) layers x (\d+)\]-")
_PAPER = {"CPU": "cpu", "GPU": "gpu", "Jetson": "jetson", "Movidius": "movidius", "Loihi": "loihi"}
_BATCH = re.compile(r"_bsize_(\d+)$")
UNVERIFIED = "the published value is recalled, not verified: there is nothing to check against"
# rows of other papers that state too little: why they cannot be modelled
_REASONS = {
    "DVS gesture": "resting and total power, but no events per second for this run",
    "MNIST SDSP": "an inference ends with the first output spike; how many input events that takes is not published",
    "MNIST GXNOR": "a saving against a graphics card, no joules; no energy per event of the chip is published",
    "KWS SHD": "a ratio against another board, no joules",
    "image retrieval": "ratios against other processors, no joules",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published run.

    group: rows of one network, one batch and one way of input and output on one device; they leave together.
    dynamic: the energy is above idle. energy_j: per inference, 0 where none can be used; time_s: of one batch.
    parts: into how many parts input and output are divided. per_second: a power is published and no rate, so that the
    energy is that of one second. reason: why the row is not modelled, or empty.
    """

    name: str
    device: str
    group: str
    dynamic: bool
    energy_j: float
    idle_w: float
    time_s: float
    batch: int
    branches: int
    depth: int
    parts: int
    per_second: bool
    reason: str


def read(path: Path = ROWS) -> list[Row]:
    """Return the committed rows."""
    kinds = {"float": float, "int": int, "str": str, "bool": lambda text: text == "True"}
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    return [Row(**{f.name: kinds[str(f.type)](row[f.name]) for f in fields(Row)}) for row in table]


def write(rows: Iterable[Row], path: Path = ROWS) -> None:
    """Write the derived rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def derive(folder: Path) -> list[Row]:
    """Return every row of a folder's measured_workloads.csv."""
    with (folder / "measured_workloads.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    rows = [_row(cells) for cells in table]
    return [_completed(row, rows) for row in rows]


def _row(cells: Mapping[str, str]) -> Row:
    name, chip = cells["workload"], cells["chip"]
    if name == "KWS aloha" and not chip.startswith("Xylo"):
        return _paper_row(cells)
    network = _NETWORK.search(cells["network"])
    rate = _number(cells["inf_per_s"])
    batch = int(_BATCH.search(name)[1]) if _BATCH.search(name) else 1
    recalled = "RECALLED" in cells["status"] or "recalled" in cells["energy_per_inf_J"]
    reason = UNVERIFIED if recalled else _reason(name, chip)
    joules = 0.0 if recalled else _number(cells["energy_per_inf_J"])
    power = _number(cells["metric_power_W"])
    per_second = not (reason or joules or rate)
    if per_second:
        joules, rate = power, 1.0
    elif "dyn" in cells["metric_power_W"]:  # the power while it runs: what divides joules into the time of a run
        rate = power / joules
    if _middle(cells["metric_power_W"]) and _middle(cells["inf_per_s"]):  # a range of runs stands for its middle
        rate = _middle(cells["inf_per_s"])
        joules = _middle(cells["metric_power_W"]) / rate
    branches, layers = (int(network[1]), int(network[2])) if network else (0, 0)
    return Row(
        name=f"{name} ({chip})" if not network else name,
        device=chip,
        group=name.rpartition("_run")[0] or f"{name} {chip}",
        dynamic=cells["energy_kind"].startswith("dynamic") or "dyn" in cells["metric_power_W"],
        energy_j=_digits(joules),
        idle_w=_digits(_number(cells["idle_W"])),
        time_s=_digits(batch / rate) if rate and not recalled else 0.0,
        batch=batch,
        branches=branches,
        depth=3 + (layers if branches else 0),
        parts=8 if "_I08O08" in name else 1,
        per_second=per_second,
        reason=reason,
    )


def _paper_row(cells: Mapping[str, str]) -> Row:
    """Return a row of the paper's own table: the base network at batch 1."""
    device = next(short for long, short in _PAPER.items() if cells["chip"].startswith(long))
    return Row(
        name=f"KWS {device} (the paper's table)",
        device=device,
        group="",
        dynamic=True,
        energy_j=_digits(_number(cells["energy_per_inf_J"])),
        idle_w=_digits(_number(cells["idle_W"])),
        time_s=_digits(1.0 / _number(cells["inf_per_s"])),
        batch=1,
        branches=1,
        depth=3,
        parts=1,
        per_second=False,
        reason="",
    )


def _completed(row: Row, rows: Sequence[Row]) -> Row:
    """Return a paper's row in the group of the same run in the logs."""
    if row.group:
        return row
    same = [o for o in rows if o.group and o.device == row.device and (o.batch, o.parts, o.depth) == (1, 1, 3)]
    same = [o for o in same if "scaled" not in o.group]
    return Row(**{**asdict(row), "group": same[0].group})


def _reason(name: str, chip: str) -> str:
    found = [why for key, why in _REASONS.items() if f"{name}|{chip}".startswith(key)]
    return found[0] if found else ""


def _number(text: str) -> float:
    """Return the first number of a cell, 0 where there is none."""
    found = re.match(r"\s*~?(-?\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return float(found[1]) if found and "-" not in text[:1] else 0.0


def _middle(text: str) -> float:
    """Return the geometric mean of a range such as 1200-2600, 0 where there is none."""
    ends = re.fullmatch(r"([\d.]+)-([\d.]+)", text.strip())
    return math.sqrt(float(ends[1]) * float(ends[2])) if ends else 0.0


def _digits(value: float) -> float:
    return float(f"{value:.4g}")
