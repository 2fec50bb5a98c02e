"""The dense twin of a spiking row: few-bit integers in one pass, priced by the same chip's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twentywatts.errors import RefusedError
from twentywatts.ledger import Ledger
from twentywatts.machines import Machine
from twentywatts.price import price
from twentywatts.uncertain import Interval

if TYPE_CHECKING:
    from twentywatts.comparison.search import Bench, Choice

__all__ = ["Twin", "twin_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Twin:
    """The same weights as a network of ``bits``-bit activations, run once on the same chip.

    accuracy: the metric on the reported samples. ratio: energy of the spiking row over the twin's, shared figures
    cancelled; above 1 the spikes cost more. event_count: activations that are not zero times the synapses they reach.
    """

    bits: int
    accuracy: float
    keeps_accuracy: bool | None
    event_count: float
    ledger: Ledger
    ratio: Interval


def twin_of(bench: Bench, machine: Machine, choice: Choice, ledger: Ledger) -> Twin | None:
    """Return the twin of a row, None for a form without spikes. ledger: the row's own account."""
    from twentywatts.comparison.search import Outcome
    from twentywatts.forms.spiking import SpikingForm
    from twentywatts.forms.spiking.twin import run_twin
    from twentywatts.workload import SpikingWorkload

    form, workload = choice.form, choice.outcome.workload
    if not isinstance(form, SpikingForm) or not isinstance(workload, SpikingWorkload):
        return None
    samples = bench.parts.reported
    twin = run_twin(form.shared.converted, workload, samples.inputs)
    outcome = Outcome(outputs=twin.outputs, draws=None, workload=twin.workload, notes=())
    try:
        accuracy = bench.score(outcome)
    except RefusedError:
        return None  # a user's own metric has no number for its outputs
    own = price(twin.workload, machine, bench.scenario)
    return Twin(
        bits=twin.bits,
        accuracy=accuracy,
        keeps_accuracy=bench.verdict(outcome, tuning=False).keeps,
        event_count=float(twin.workload.synaptic_events.sum()),
        ledger=own,
        ratio=ledger.ratio(own).interval,
    )
