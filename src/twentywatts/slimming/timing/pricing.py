"""What a candidate costs on the processor at hand as the pricer predicts it: beside what is measured, never mixed."""

from __future__ import annotations

from twentywatts.counting import Counts, count, processor_workload
from twentywatts.errors import TwentyWattsError
from twentywatts.ledger import Ledger
from twentywatts.machines import load
from twentywatts.price import price
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.files import candidate_file

__all__ = ["THIS_CPU", "counted", "predicted"]

THIS_CPU = "this-cpu"


def counted(candidate: Candidate, scenario: Scenario) -> Counts:
    """Return the count of a float candidate at the scenario's batch and axes."""
    with candidate_file(candidate) as path:
        return count(path, batch=scenario.batch, axes=scenario.axes)


def predicted(counts: Counts, precision: str, scenario: Scenario) -> Ledger | None:
    """Return joules and seconds per inference on this processor, modelled; None where it cannot be priced."""
    try:
        workload = processor_workload(counts, precision=precision, batch=scenario.batch)
        return price(workload, load(THIS_CPU), scenario)
    except TwentyWattsError:
        return None
