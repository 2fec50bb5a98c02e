"""Write src/twentywatts/data/fitted/neuromorphic.toml from measured runs of spiking networks.

    python bench/fit_neuromorphic.py RUNS.csv [--out FILE]

RUNS.csv has the columns workload, chip, metric_power_W, idle_W, inf_per_s, energy_per_inf_J and network, a network
written as 390-256-[4 branches x 10 layers x 256]-256-29. Rows of keyword spotting on Loihi are used, and no others:
no other published run states its network and its time steps. The pricer has no fitted constant of its own; two figures
of a board (power while running, time of input and output per inference) are estimated from some groups of rows and used
to predict the rest. A group is one network with one way of input and output; whole groups are left out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twentywatts.figures import sample
from twentywatts.ledger import Cause
from twentywatts.machines import load
from twentywatts.price import neuromorphic
from twentywatts.price.costs import Costs
from twentywatts.scenario import Scenario
from twentywatts.workload import SpikingWorkload

TIMESTEPS = 10  # per inference, as the published logs say for the sweep; assumed for the base network
RATE = 0.1  # spikes per neuron and time step, assumed: the logs hold no spike counts
LEAST = 2.0  # a model error narrower than this factor is not claimed from one chip and one task
OUT = Path(__file__).parents[1] / "src" / "twentywatts" / "data" / "fitted" / "neuromorphic.toml"
_NETWORK = re.compile(r"(\d+)-(\d+)-\[(\d+) branches x (\d+) layers x (\d+)\]-(\d+)-(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Mean of the repeats of one run: power [W], idle power [W], time [s] and energy [J] per inference."""

    name: str
    workload: SpikingWorkload
    power_w: float
    idle_w: float
    time_s: float
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The two figures of a board that are estimated."""

    base_power_w: float
    overhead_s: float


def network(text: str) -> SpikingWorkload:
    """Return the workload of a written network at RATE and TIMESTEPS; branches of a layer stand side by side."""
    found = _NETWORK.match(text.strip())
    if not found:
        raise SystemExit(f"cannot read the network '{text}', wanted 390-256-[1 branches x 0 layers x 256]-256-29")
    inputs, first, branches, depth, width, last, outputs = map(int, found.groups())
    shapes = [(inputs, first)] + [(width, width)] * (branches * depth)
    shapes += [(width * max(branches, 1) if depth else first, last), (last, outputs)]
    return replace(dense(shapes), depth_count=3 + (depth if branches else 0))


def dense(shapes: Sequence[tuple[int, int]], *, rate: float = RATE, timesteps: int = TIMESTEPS) -> SpikingWorkload:
    """Return a workload of dense layers, (inputs, outputs) each, all firing at ``rate``."""
    fan_in, neurons = (np.array(column, dtype=float) for column in zip(*shapes, strict=True))
    steps = np.ones((1, timesteps))
    arriving = fan_in[:, None] * rate * steps
    return SpikingWorkload(
        layers=tuple(f"layer {index}" for index in range(len(shapes))),
        timesteps=timesteps,
        neuron_count=neurons,
        fan_in_count=fan_in,
        weight_count=neurons * fan_in,
        synapse_count=neurons * fan_in,
        shared_weights=(False,) * len(shapes),
        synaptic_events=arriving * neurons[:, None],
        updates=neurons[:, None] * steps,
        spikes=neurons[:, None] * rate * steps,
        spikes_in=arriving,
        mac_count=np.zeros(len(shapes)),
        op_count=np.zeros(len(shapes)),
    )


def read_rows(path: Path) -> list[Mapping[str, str]]:
    """Return the usable rows of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if row["chip"] == "loihi" and row["workload"].startswith("KWS loihi_")]


def groups_of(rows: Iterable[Mapping[str, str]]) -> list[Group]:
    """Return the rows' means by group: everything before the number of the repeat names a group."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        found.setdefault(row["workload"].rpartition("_run")[0], []).append(row)
    return [_group(name, members) for name, members in found.items()]


def _group(name: str, rows: Sequence[Mapping[str, str]]) -> Group:
    def mean(key: str) -> float:
        return float(np.mean([float(row[key]) for row in rows]))

    return Group(
        name=name,
        workload=network(rows[0]["network"]),
        power_w=mean("metric_power_W"),
        idle_w=mean("idle_W"),
        time_s=float(np.mean([1.0 / float(row["inf_per_s"]) for row in rows])),
        energy_j=mean("energy_per_inf_J"),
    )


def run(group: Group, board: Board) -> Costs:
    """Return what the pricer says of a group on Loihi with the given board, at mid values."""
    machine = load("loihi")
    values = sample(machine.figures, namespace="loihi", draws=0, seed=0)
    values["active_base_power_w"] = np.array([board.base_power_w])
    values["inference_overhead_s"] = np.array([board.overhead_s])
    return neuromorphic.costs(group.workload, machine, values, Scenario(draws=0))


def board_of(groups: Sequence[Group]) -> Board:
    """Return the board that fits the groups best on average, each group with the same weight."""
    base, overhead = [], []
    for group in groups:
        bare = run(group, Board(base_power_w=0.0, overhead_s=0.0))
        events_j = bare.total_j()[0] - bare.energy_j[Cause.STATIC].sum()
        overhead.append(max(group.time_s - bare.latency_s[0], 0.0))
        base.append(max(group.power_w - group.idle_w - events_j / group.time_s, 0.0))
    return Board(base_power_w=float(np.mean(base)), overhead_s=float(np.mean(overhead)))


def ratio(group: Group, board: Board) -> float:
    """Return measured over predicted joules per inference."""
    return group.energy_j / float(run(group, board).total_j()[0])


def write(path: Path, rows: Sequence[Mapping[str, str]], inside: Sequence[float], outside: Sequence[float]) -> None:
    """Write the fitted table; the model error covers every group that was left out, and at least LEAST each way."""
    widest = max(LEAST, *(math.exp(abs(math.log(value))) for value in outside))
    digest = hashlib.sha256(repr([sorted(row.items()) for row in rows]).encode()).hexdigest()
    text = f"""# Written by bench/fit_neuromorphic.py; do not edit.
model_error_low_frac = {1 / widest:.3g}
model_error_high_frac = {widest:.3g}
rows_hash = "{digest}"
rows_count = {len(rows)}
in_sample_error = {_median_error(inside):.3g}
held_out_error = {_median_error(outside):.3g}
method = "{_METHOD.format(groups=len(outside), rate=RATE, least=LEAST)}"
sources = ["blouw2018"]
"""
    path.write_text(text, encoding="utf-8")


_METHOD = (
    "Loihi keyword spotting only, {groups} groups of runs; running power and input-output time of the board estimated "
    "from the other groups, each group left out in turn; spike rate {rate} assumed; in sample: the same figures from "
    "all groups; the interval covers all groups left out and is no narrower than a factor {least:g}, because one chip "
    "and one task say little about others"
)


def _median_error(ratios: Sequence[float]) -> float:
    return float(np.median([abs(1.0 / value - 1.0) for value in ratios]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the runs, leave each group out, write the table and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    rows = read_rows(options.runs)
    groups = groups_of(rows)
    if len(groups) < 2:
        raise SystemExit(f"'{options.runs}' has {len(groups)} groups of Loihi runs, at least 2 are needed")
    board = board_of(groups)
    inside = [ratio(group, board) for group in groups]
    outside = [ratio(group, board_of([other for other in groups if other is not group])) for group in groups]
    write(options.out, rows, inside, outside)
    print(
        f"board of all groups: {board.base_power_w * 1e3:.1f} mW running, {board.overhead_s * 1e3:.2f} ms per inference"
    )
    print("measured / predicted joules: group, machine file, in sample, left out")
    for group, fitted, left in zip(groups, inside, outside, strict=True):
        print(f"{group.name:28s} {_as_published(group):6.2f} {fitted:6.2f} {left:6.2f}")


def _as_published(group: Group) -> float:
    machine = load("loihi")
    figures = machine.figures
    board = Board(base_power_w=figures["active_base_power_w"].value, overhead_s=figures["inference_overhead_s"].value)
    return ratio(group, board)


if __name__ == "__main__":
    main()
