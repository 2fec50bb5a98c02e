"""Making a candidate of a request: the steps in their order, from the model as given."""

from __future__ import annotations

from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.lab import Lab
from twentywatts.slimming.rungs import Rung

__all__ = ["made"]


def made(rung: Rung, lab: Lab) -> Candidate:
    """Return the float candidate of a request; raises RefusedError where a step cannot be taken."""
    return lab.given.candidate
