"""Trial: one candidate as it ships, run on the search samples; the session that gave its outputs is the one timed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.bound import Verdict
from twentywatts.comparison.search import Goal
from twentywatts.errors import DataError, RefusedError
from twentywatts.forms.float32 import SessionForm
from twentywatts.forms.runtime import BatchRunner, shipped_session
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.searching.rungs import Rung

__all__ = ["Artefact", "NotNumbersError", "Score", "Trial", "opened", "score_of"]

Outputs = NDArray[Any]


class NotNumbersError(RefusedError):
    """A candidate whose outputs are not numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artefact:
    """A candidate with the session in which it ships."""

    candidate: Candidate
    session: Any = field(repr=False)
    limit: int = 256

    @property
    def batch(self) -> int | None:
        """The batch that the model demands, None where it takes any."""
        sizes = {spec.shape[0] for spec in self.session.get_inputs() if spec.shape and isinstance(spec.shape[0], int)}
        return max(sizes) if sizes else None

    def outputs(self, samples: Samples) -> Outputs:
        """Return the first output for every sample, samples first; raises RefusedError for any that is NaN."""
        runner = BatchRunner(fixed=self.batch, limit=self.limit)
        form = SessionForm(name=self.candidate.brief, setting={}, session=self.session, runner=runner)
        outputs = form.run(samples.inputs).outputs
        if np.isnan(outputs).any():
            raise NotNumbersError(f"{self.candidate.brief}: gives outputs that are not numbers (NaN)")
        return outputs


def opened(candidate: Candidate, *, limit: int = 256) -> Artefact:
    """Return a candidate in the session in which it ships; limit: samples that run at once. Raises RefusedError."""
    return Artefact(candidate=candidate, session=shipped_session(candidate.content, what=candidate.brief), limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A candidate against the model as given on the same samples.

    value: the metric. drop: what is lost of it, negative where it gained. verdict: of the 95 % bound. lost, gained:
    samples that only the model as given, only the candidate has right; None where the metric is no share.
    """

    value: float
    drop: float
    verdict: Verdict
    sample_count: int
    lost: int | None = None
    gained: int | None = None


def score_of(goal: Goal, given: Outputs, outputs: Outputs, targets: NDArray[Any]) -> Score:
    """Return how a candidate's outputs compare with those of the model as given; raises DataError, InputError."""
    metric = goal.metric
    before, after = metric.score(given, targets), metric.score(outputs, targets)
    if not np.isfinite(before):
        raise DataError(f"the {metric.name} of the model as given is {before}: nothing can be held against it")
    lost = gained = None
    if metric.right is not None:
        had, has = metric.right(given, targets), metric.right(outputs, targets)
        lost, gained = int((had & ~has).sum()), int((~had & has).sum())
    return Score(
        value=after,
        drop=metric.drop(given, [outputs], targets),
        verdict=metric.verdict(given, outputs, targets, goal.max_drop),
        sample_count=len(targets),
        lost=lost,
        gained=gained,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One thing that was tried.

    rung: what was asked for. floating: the float candidate, which other machines are priced from. shipped: what runs
    here, the same or that in fewer bits; packing: how (``rungs.PRECISIONS``). score: on the search samples.
    time_s: processor time per inference as the search saw it [s]; saving: that of the model as given, timed in turns
    with it, over its own. Both are None where nothing is timed. thrift: joules of the model as given over its own,
    where a counter lives and it was among the best. idle: why the last step did nothing, or empty.
    risk: what orders candidates by safety, less is safer: the soft drop (``soft_drop_bound``); None takes the bound of
    the drop on the search samples.
    """

    rung: Rung
    floating: Candidate
    shipped: Candidate
    packing: str
    score: Score
    time_s: float | None = None
    saving: float | None = None
    thrift: float | None = None
    idle: str = ""
    risk: float | None = None

    @property
    def key(self) -> str:
        """What was asked for, in one text."""
        return f"{self.packing} {self.rung.key}"

    @property
    def name(self) -> str:
        """The steps in a few words."""
        return self.shipped.brief

    @property
    def digest(self) -> str:
        """Digest of what ships."""
        return self.shipped.digest
