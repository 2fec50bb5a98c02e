"""What a reader must know: where a prediction says the contrary of what was measured here, both are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.golden_slim import GIVEN, INT8, TRAINED, entry, ledger

from twentywatts.slimming.candidate import Step
from twentywatts.slimming.notes import contradiction
from twentywatts.slimming.result import Entry


def pair(saving: float) -> list[Entry]:
    """A float candidate and the same in eight bits, which takes ``saving`` times less than the model as given."""
    return [entry(GIVEN, 0, 1.0), entry(TRAINED, 2, 2.0), entry(INT8, 4, saving)]


def test_what_is_predicted_to_save_and_was_measured_to_cost_is_told_with_both_figures() -> None:
    predicted = ledger("fp32").energy_j.mid / ledger("int8").energy_j.mid
    assert predicted > 1.05  # the stand-in processor is one for which eight bits are predicted to save
    said = contradiction(pair(1.0))
    assert f"predicted to take {predicted:.2g}× less joules" in said
    assert "measured to take 2× more processor time (" in said
    alone = replace(pair(0.5)[2], candidate=GIVEN.then(Step(name="int8"), b"in eight bits"), floating=GIVEN)
    assert "processor time: what was measured counts" in contradiction([pair(1.0)[0], alone])


@pytest.mark.parametrize("saving", [2.0, 2.05, 4.0])
def test_what_agrees_or_says_neither_is_not_told(saving: float) -> None:
    assert contradiction(pair(saving)) == ""


def test_what_was_not_timed_or_is_not_priced_contradicts_nothing() -> None:
    given, trained, quantised = pair(1.0)
    assert contradiction([given, trained, replace(quantised, saving=None)]) == ""
    assert contradiction([given, trained, replace(quantised, ledger=None)]) == ""
    assert contradiction([given, quantised]) == ""
