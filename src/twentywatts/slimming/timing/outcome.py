"""The fresh measurement of what ships, which alone is reported, and what each of its steps did."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from twentywatts.errors import TwentyWattsError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.searching.lab import Lab
from twentywatts.slimming.steps.int8 import shipped_session
from twentywatts.slimming.timing.measuring import Rounds, Timing, against, joules, remeasured, session_call
from twentywatts.slimming.timing.noop import Effect, Standing, effect, standing_of
from twentywatts.slimming.timing.payback import Cost, Payback, payback
from twentywatts.uncertain import Interval

__all__ = ["Outcome", "measured_outcome", "step_effects"]

_FRESH = Rounds(rounds=15, window_s=0.01, seed=1)
_BRIEF = Rounds(rounds=7, window_s=0.004, seed=1)  # of a model against itself: nothing hangs on it
GIVEN, BEST = "given", "best"
_STOPPED = "the search was told to end before joules were counted"
_NEVER = Payback(inferences=None, basis="nothing", sentence="never: the model as given ships, and nothing is saved")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """The fresh measurement of what ships against the model as given.

    given, best: processor time per inference; best.saving: how many times less it is. energy_j: measured joules per
    inference under ``given`` and ``best``, where a counter lives; why_no_joules: why there are none. cost: of the
    search. payback: the inferences after which that is paid back. verdict: one sentence.
    """

    given: Timing
    best: Timing
    cost: Cost
    payback: Payback
    energy_j: Mapping[str, Interval] = field(default_factory=dict)
    why_no_joules: str = ""
    verdict: str = ""

    @property
    def is_saving(self) -> bool:
        """Whether what ships takes less than the model as given, beyond noise."""
        return standing_of(self.best.saving) is Standing.SAVES


def measured_outcome(lab: Lab, best: Candidate, cost: Cost) -> Outcome:
    """Return a measurement that shares nothing with the search: new sessions from the bytes, rounds of their own."""
    given = lab.given.candidate
    is_given = best.digest == given.digest
    models = {GIVEN: _opener(given), BEST: _opener(best)}
    inputs, batch = lab.parts.tuning.inputs, lab.question.scenario.batch
    is_brief = is_given or lab.clock.stop.is_set()
    plan = replace(_BRIEF if is_brief else _FRESH, most_s=lab.plan(_FRESH).most_s / 3)
    timings = remeasured(models, inputs, batch=batch, plan=plan)
    energy_j, why = ({}, _STOPPED) if lab.clock.stop.is_set() else _joules(models, inputs, batch)
    both = (energy_j[GIVEN], energy_j[BEST]) if energy_j else None
    return Outcome(
        given=timings[GIVEN],
        best=timings[BEST],
        cost=cost,
        payback=_NEVER if is_given else payback(cost, timings[GIVEN], timings[BEST], joules=both),
        energy_j=energy_j,
        why_no_joules=why,
        verdict=_verdict(timings[BEST], is_given=is_given),
    )


def _opener(candidate: Candidate) -> Callable[[], Any]:
    return lambda: shipped_session(candidate.content, what=candidate.brief)


def _joules(models: Mapping[str, Callable[[], Any]], inputs: Any, batch: int) -> tuple[dict[str, Interval], str]:
    try:
        calls = {name: session_call(opened(), inputs, batch=batch) for name, opened in models.items()}
        return joules(calls, count=batch), ""
    except TwentyWattsError as error:
        return {}, str(error)


def _verdict(best: Timing, *, is_given: bool) -> str:
    """Return in one sentence what the fresh measurement says."""
    if is_given:
        return "the model as given ships: nothing that costs less is proved to keep the metric"
    saving = best.saving
    span = f"{saving.mid:.2f} times less processor time ({saving.low:.2f} to {saving.high:.2f}, 90 %)"
    return f"measured anew, what ships takes {span}"


def step_effects(lab: Lab, chain: Sequence[Candidate]) -> tuple[Effect, ...]:
    """Return what each step of a chain of candidates did, the first of them the model as given; timed in turns."""
    if len(chain) < 2:
        return ()
    timings: dict[str, Timing] = {}
    if lab.question.is_timed:
        timings = lab.timed({str(place): lab.opened(one) for place, one in enumerate(chain)}, lab.plan(_FRESH))
    return tuple(
        effect(
            before,
            after,
            saving=against(timings[str(place)], timings[str(place + 1)]) if timings else None,
        )
        for place, (before, after) in enumerate(itertools.pairwise(chain))
    )
