"""docs/validation/processor.md: what the price of processors predicts against what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from processor_rows import Row
from twentywatts.uncertain import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Time of a batch [s] and energy per inference [J] at the boundary of the row."""

    time_s: float
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything the page tells.

    inside, outside: predictions by ``key(row)`` with the constants of all chips, and of all other chips. left_out:
    reason → rows of the files. numbers: errors and model error. constants: as fitted. checks: lines of plain text.
    """

    rows: Sequence[Row]
    inside: Mapping[str, Prediction]
    outside: Mapping[str, Prediction]
    left_out: Mapping[str, int]
    numbers: Mapping[str, float]
    constants: Mapping[str, Interval]
    checks: Sequence[str]


def key(row: Row) -> str:
    """Return the name of a row in the tables."""
    return f"{row.chip} {row.name}"


def report(found: Findings) -> str:
    """Return the page as Markdown."""
    wall = [row for row in found.rows if row.wall]
    device = [row for row in found.rows if not row.wall]
    parts = [_HEAD, _summary(found), _WALL, *_table(wall, found), "", *_not_scored(wall), _DEVICE]
    parts += [*_table(device, found), "", _framework(device, found), "## Checks on other numbers", ""]
    parts += [f"- {line}" for line in found.checks]
    parts += ["", "## Rows of the files that are not predicted, and why", ""]
    parts += [f"- {count}: {reason}." for reason, count in found.left_out.items()]
    return "\n".join([*parts, _LIMITS])


def _summary(found: Findings) -> str:
    numbers = found.numbers
    chips = len({row.chip for row in found.rows})
    lines = [
        f"{len(found.rows)} rows of {chips} chips. Median error over chips, of times and energies:",
        "",
        "| in sample | chip left out | model error used (90 %) |",
        "|---|---|---|",
        f"| {numbers['in_sample_error']:.0%} | {numbers['held_out_error']:.0%} | measured lies within "
        f"{numbers['model_error_low_frac']:.2f} to {numbers['model_error_high_frac']:.2f} of predicted |",
        "",
        "| constant | value | 90 % interval between chips |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {i.mid:.2f} | {i.low:.2f} to {i.high:.2f} |" for name, i in found.constants.items()]
    return "\n".join([*lines, ""])


def _table(rows: Sequence[Row], found: Findings) -> list[str]:
    lines = [
        "| chip | run | batch | time, ms | in sample | left out | energy, mJ | in sample | left out |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return lines + [_line(row, found.inside[key(row)], found.outside[key(row)]) for row in rows]


def _line(row: Row, inside: Prediction, outside: Prediction) -> str:
    times = [f"{p.time_s / row.time_s:.2f}" for p in (inside, outside)]
    if "time" not in row.uses:
        times = [f"({text})" for text in times]
    energies = [f"{p.energy_j / row.energy_j:.2f}" if row.uses != ("time",) else "–" for p in (inside, outside)]
    cells = [row.chip, row.name, str(row.workload.batch), f"{row.time_s * 1e3:.3g}", *times]
    return "| " + " | ".join([*cells, f"{row.energy_j * 1e3:.3g}", *energies]) + " |"


def _framework(rows: Sequence[Row], found: Findings) -> str:
    """Return what a framework adds, from predicted over measured time with the chip left out."""
    shares = [found.outside[key(row)].time_s / row.time_s for row in rows]
    least, most = min(shares), max(shares)
    return _FRAMEWORK.format(least=100 * least, most=100 * most, fewest=1 / most, times=1 / least)


def _not_scored(rows: Sequence[Row]) -> list[str]:
    reasons = sorted({f"{row.chip}: {row.reason}" for row in rows if row.reason})
    return [f"Energy not scored: {'; '.join(reasons)}.", ""]


_HEAD = """# The price of arithmetic on processors: predicted against measured

Written by `bench/fit_processor.py --docs`; do not edit. Every "in sample" and "left out" cell is predicted over
measured: 1 is right, 2 is twice too much. *In sample*: the constants come from all chips. *Left out*: they come
from the other chips; nothing of the chip's own rows was used. The two are different things and never averaged.
"""

_WALL = """## ResNet-50, wall power of the whole system (MLPerf Inference v2.1 to v4.0)

Boundary *system*; time and energy both predicted, int8 on GPUs, float32 on the Raspberry Pi. Time is that of a
batch on one accelerator. "Capped" runs were tuned for low power (MaxQ); they are used only where a chip has no
others, so most figures of data-centre cards hold for lowered clocks. Offline batches are not published, 256 is
assumed. What the server adds per accelerator is a guess of the bench (`bench/processor_rows.py`, `HOSTS`), made
after a first look at the wall powers: the energies of A30, A100 and H100 are therefore not held out as strictly as
their times. Other systems carry the product's share of 40 %.

Two inputs of the bench were settled with these rows in sight, none in the pricer: int8 runs hold sums and pooling in
int8 too, and a host is not taken at its system's rated maximum. With sums in float and hosts at their rating the error
with the chip left out is 34 %, and measured lies within 0.28 to 2.29 of predicted: expect that of a system whose host
is not known better.
"""

_DEVICE = """## Keyword spotting, power of the device (Blouw 2018 and its logs)

Boundary *device*; energy at the **measured** time, so these rows test the power while running alone. In parentheses
the predicted time, which is not scored.
"""

_FRAMEWORK = """The network has 0.17 to 5.9 million multiply-accumulates and was called from Python under TensorFlow 1.
The launch time of a good runtime explains {least:.0f} to {most:.0f} % of the measured time:
**a small network called from a framework took {fewest:.0f} to {times:.0f} times what is predicted here.**
That is the cost of the framework, no figure of a chip contains it, and the model error does not cover it.
"""

_LIMITS = """
## What cannot be told from these rows

- One network carries the fit. The model error is held no narrower than a factor 2 each way for that reason.
- `bandwidth_efficiency_frac` and `compute_efficiency_frac` trade off; only their joint effect is tested.
- Device and host cannot be parted by a wall meter. A chip's own energy rests on the guessed host.
- Software counts twofold: TFLite takes 1.8 times the time of ArmNN on the same Raspberry Pi. The model has one
  efficiency for both.
- The keyword spotting GPU is taken to be a Quadro K4000, which the published table does not say; the CPU's model is
  not known, so its seven rows are not used, and no server CPU is tested here at all.
- The intervals of the constants and the model error both contain the spread between chips, so the printed intervals
  are rather too wide than too narrow.
- MLPerf Tiny (microcontrollers) is not predicted: no such machine is in the product.
"""
