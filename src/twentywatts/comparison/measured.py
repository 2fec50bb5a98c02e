"""``compare --measure``: rows of the processor at hand, measured where a counter of it lives, else left as predicted.

The same choice of form and setting is kept: only joules and seconds are replaced. Two runs then differ, and the
document says so under ``run``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from twentywatts.comparison.result import Comparison, Role, Row
from twentywatts.comparison.rows import order, yardstick_row
from twentywatts.errors import TwentyWattsError
from twentywatts.forms import Form
from twentywatts.ledger import Ledger
from twentywatts.machines import load
from twentywatts.uncertain import DRAW_COUNT

if TYPE_CHECKING:
    from twentywatts.comparison.search import Bench
    from twentywatts.meter.benchmark import BenchmarkResult

__all__ = ["Measure", "benchmark_processor", "with_measured_rows"]

# functions by name, inferences that one call does → results by name; raises TwentyWattsError
Measure = Callable[[dict[str, Callable[[], Any]], int], "dict[str, BenchmarkResult]"]
_REFERENCE = "reference"
_NOTE = "measured on the whole processor, idle power and the program's own overhead included"
_MIXED = "the reference is measured and most other rows are predicted: their ratios mix the two"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One row that is measured, and the form that runs for it."""

    row: Row
    form: Form


def with_measured_rows(
    comparison: Comparison, bench: Bench, forms: dict[str, Form], *, measure: Measure | None = None
) -> Comparison:
    """Return the comparison with the rows of this processor measured, or with the reason why they are not.

    forms: what runs for each candidate of this processor, by machine. measure: stands in for the benchmark in tests.
    """
    turns = {_REFERENCE: _Turn(row=comparison.reference, form=bench.reference)}
    for row in comparison.rows:
        if row.role is Role.CANDIDATE and row.machine in forms:
            turns[row.machine] = _Turn(row=row, form=forms[row.machine])
    try:
        ledgers = _ledgers(turns, bench, measure or benchmark_processor)
    except TwentyWattsError as error:
        why = f"--measure: nothing is measured, the rows stay predicted: {error}"
        return replace(
            comparison, notes=(*comparison.notes, why), run={"measured": False, "why_not_measured": str(error)}
        )
    rows = _replaced(comparison, {id(turns[name].row): ledger for name, ledger in ledgers.items()})
    against = ledgers[_REFERENCE]
    baselines = tuple(replace(one, ratio=one.ledger.ratio(against).interval) for one in comparison.baselines)
    told = "rows with evidence L2 or better are measured: two runs of this command differ"
    notes = (*comparison.notes, _MIXED)
    return replace(comparison, rows=rows, baselines=baselines, notes=notes, run={"measured": True, "note": told})


def _ledgers(turns: dict[str, _Turn], bench: Bench, measure: Measure) -> dict[str, Ledger]:
    scenario = bench.scenario
    if scenario.rate_per_s is not None:
        raise TwentyWattsError("with --rate the idle time between inferences counts, which a benchmark does not see")
    if scenario.draws != DRAW_COUNT:
        raise TwentyWattsError(f"measured joules have {DRAW_COUNT} draws, this scenario asks for {scenario.draws}")
    inputs = bench.parts.reported.inputs
    count = len(bench.parts.reported.targets)
    functions = {name: _runner(turn.form, inputs, scenario.batch) for name, turn in turns.items()}
    found = {}
    for name, result in measure(functions, count).items():
        if str(result.how) not in ("counter", "integrated"):
            raise TwentyWattsError("the counters gave nothing while the model ran; see `twentywatts doctor`")
        measured, row = result.ledger, turns[name].row
        found[name] = replace(
            measured,
            machine=row.ledger.machine,
            latency_s=measured.latency_s * float(scenario.batch),
            notes=(*measured.notes, _NOTE, *_boundary(measured, row.ledger), *result.notes),
        )
    return found


def _runner(form: Form, inputs: Any, batch: int) -> Callable[[], Any]:
    return lambda: form.run(inputs, batch=batch)


def _boundary(measured: Ledger, predicted: Ledger) -> tuple[str, ...]:
    """Return a warning where counters cover another boundary than was asked for: never compared silently."""
    if measured.boundary is predicted.boundary:
        return ()
    return (f"the counters cover the boundary {measured.boundary}, the prediction was for {predicted.boundary}",)


def _replaced(comparison: Comparison, ledgers: dict[int, Ledger]) -> tuple[Row, ...]:
    """Return the rows with measured accounts, in order anew, and every ratio against the measured reference."""
    reference = _with(comparison.reference, ledgers[id(comparison.reference)])
    candidates, others = [], []
    for row in comparison.rows:
        if row.role is Role.CANDIDATE:
            found = _with(row, ledgers[id(row)]) if id(row) in ledgers else row
            candidates.append(replace(found, ratio=found.ledger.ratio(reference.ledger).interval))
        elif row.role is Role.YARDSTICK:
            others.append(yardstick_row(load(row.machine), reference, comparison.scenario))
    return (reference, *order(candidates), *others)


def _with(row: Row, ledger: Ledger) -> Row:
    """Return the row with a measured account; what was said of the predicted one goes with it."""
    kept = [note for note in row.notes if note not in row.ledger.notes]
    return replace(row, ledger=ledger, ratio=ledger.ratio(ledger).interval, notes=(*kept, *ledger.notes))


def benchmark_processor(functions: dict[str, Callable[[], Any]], count: int) -> dict[str, BenchmarkResult]:
    """Measure the functions in turns; raises TwentyWattsError where no counter of the processor lives."""
    from twentywatts.meter.benchmark import benchmark
    from twentywatts.meter.contract import Scope
    from twentywatts.meter.shared import shared

    assembly = shared().assembly
    scopes = {assembly.channel(key).scope for key in assembly.summed}
    if not scopes - {Scope.GPU, Scope.GPU_PARTITION}:
        raise TwentyWattsError("no live counter of this processor; `twentywatts doctor` tells why and what would help")
    return benchmark(functions, unit="inference", count=count)
