"""The end of a search: the best few timed in turns, the guard, what ships, and its fresh measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twentywatts.comparison.result import ModelSummary, Refusal
from twentywatts.comparison.search import Progress
from twentywatts.counting import Counts
from twentywatts.errors import TwentyWattsError
from twentywatts.forms.runtime import shipped_session
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.choice import asking_order, cost_of, front, likely
from twentywatts.slimming.guard import Walk, provable, walk
from twentywatts.slimming.lab import Lab
from twentywatts.slimming.measuring import Rounds, Timing, joules, remeasured, session_call
from twentywatts.slimming.pricing import counted, predicted
from twentywatts.slimming.result import Entry, Outcome, SlimData, Slimmed
from twentywatts.slimming.trial import Trial

if TYPE_CHECKING:
    from twentywatts.slimming.job import Job

__all__ = ["finished"]

_FINALISTS = 6
_FINAL = Rounds(rounds=15, window_s=0.01)


def finished(job: Job, lab: Lab, data: SlimData, progress: Progress) -> Slimmed:
    """Return the result of a search as far as it came."""
    progress("timing the best in turns", 0.7)
    _retimed(lab)
    unproved = provable(lab.question.goal, lab.parts.reported.count)
    progress("asking the guard samples", 0.75)
    order = [] if unproved else asking_order(list(lab.trials.values()), lab.question.goal.max_drop)
    walked = walk([trial.digest for trial in order], lambda digest: lab.asked(_of(lab, digest)))
    entries = _entries(lab, walked)
    best = next((entry for entry in entries if entry.digest == walked.accepted), entries[0])
    progress("measuring what ships anew", 0.8)
    outcome = _outcome(lab, best) if lab.question.is_timed else None
    return Slimmed(
        model=_summary(job, entries[0]),
        data=data,
        scenario=lab.question.scenario,
        max_drop=lab.question.goal.max_drop,
        methods=job.methods,
        entries=entries,
        best=best,
        likely=_likely(lab, entries),
        outcome=outcome,
        refused=tuple(_refusals(lab)),
        unproved=unproved,
    )


def _of(lab: Lab, digest: str) -> Trial:
    return next(trial for trial in lab.trials.values() if trial.digest == digest)


def _retimed(lab: Lab) -> None:
    """Time the best few again, all in turns: the quick times of a search favour whoever was lucky."""
    chosen = likely(lab.trials.values(), lab.question.goal.max_drop)[:_FINALISTS]
    artefacts = {lab.given.candidate.digest: lab.given}
    artefacts |= {trial.digest: lab.opened(trial.shipped, is_held=True) for trial in chosen}
    for digest, timing in lab.timed(artefacts, _FINAL).items():
        for key, trial in lab.trials.items():
            if trial.digest == digest:
                lab.trials[key] = replace(trial, time_s=timing.time_s.mid, saving=timing.saving.mid)


def _entries(lab: Lab, walked: Walk) -> tuple[Entry, ...]:
    """Return every trial once, the model as given first, with what the guard samples said."""
    looks = {found.digest: found for found in walked.looks}
    on_front = {trial.digest for trial in front(lab.trials.values())}
    counts: dict[str, Counts] = {}
    entries: dict[str, Entry] = {}
    for trial in lab.trials.values():
        if trial.digest in entries:
            continue
        if trial.floating.digest not in counts:
            counts[trial.floating.digest] = counted(trial.floating, lab.question.scenario)
        work = counts[trial.floating.digest]
        entries[trial.digest] = Entry(
            candidate=trial.shipped,
            floating=trial.floating,
            precision=trial.precision,
            search=trial.score,
            mac_count=work.mac_count // work.batch,
            parameter_count=work.parameter_count,
            file_bytes=len(trial.shipped.content),
            look=looks.get(trial.digest),
            ledger=predicted(work, trial.precision, lab.question.scenario),
            time_s=trial.time_s,
            saving=trial.saving,
            on_front=trial.digest in on_front,
            notes=trial.notes,
        )
    return tuple(entries.values())


def _likely(lab: Lab, entries: Iterable[Entry]) -> Entry:
    chosen = likely(lab.trials.values(), lab.question.goal.max_drop)
    by_digest = {entry.digest: entry for entry in entries}
    cheap = [trial for trial in chosen if cost_of(trial) < cost_of(_of(lab, lab.given.candidate.digest))]
    return by_digest[cheap[0].digest] if cheap else next(iter(by_digest.values()))


def _outcome(lab: Lab, best: Entry) -> Outcome:
    """Return the fresh measurement of what ships: new sessions from its bytes, rounds of their own."""
    models = {"given": _opener(lab.given.candidate), "best": _opener(best.candidate)}
    inputs, batch = lab.parts.tuning.inputs, lab.question.scenario.batch
    timings = remeasured(models, inputs, batch=batch)
    try:
        calls = {name: session_call(opened(), inputs, batch=batch) for name, opened in models.items()}
        energy_j, why = joules(calls, count=batch), ""
    except TwentyWattsError as error:
        energy_j, why = {}, str(error)
    return Outcome(
        given=timings["given"],
        best=timings["best"],
        energy_j=energy_j,
        why_no_joules=why,
        verdict=_verdict(timings["best"], is_given=best.digest == lab.given.candidate.digest),
    )


def _opener(candidate: Candidate) -> Callable[[], Any]:
    return lambda: shipped_session(candidate.content, what=candidate.text)


def _verdict(best: Timing, *, is_given: bool) -> str:
    """Return in one sentence what the fresh measurement says."""
    span = f"{best.saving.mid:.2f} times less processor time ({best.saving.low:.2f} to {best.saving.high:.2f}, 90 %)"
    if is_given:
        return "the model as given ships: nothing cheaper is proved to keep the metric"
    return f"measured anew: {span}"


def _summary(job: Job, given: Entry) -> ModelSummary:
    return ModelSummary(
        name=job.model.name,
        sha256=given.digest,
        mac_count=given.mac_count,
        parameter_count=given.parameter_count,
        weight_bytes=given.file_bytes,
        layer_count=0,
    )


def _refusals(lab: Lab) -> Iterable[Refusal]:
    for key, reason in lab.refused.items():
        yield Refusal(machine="", title=key, family="", reason=reason)
