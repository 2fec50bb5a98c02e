"""The end of a search: the best few timed in turns, the guard, what ships, and its fresh measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from twentywatts.comparison.result import ModelSummary, Refusal
from twentywatts.comparison.search import Progress
from twentywatts.counting import Counts
from twentywatts.readers.given_names import shown_name
from twentywatts.slimming.elsewhere.others import advice_for, fronts
from twentywatts.slimming.notes import chance_of, contradiction, notes_of
from twentywatts.slimming.proof.guard import Look, Walk, provable, walk
from twentywatts.slimming.proof.trial import Trial
from twentywatts.slimming.result import Entry, SlimData, Slimmed
from twentywatts.slimming.searching.choice import asking_order, cost_of, likely
from twentywatts.slimming.searching.lab import Lab
from twentywatts.slimming.searching.making import chain
from twentywatts.slimming.searching.rungs import FLOAT, PRECISIONS
from twentywatts.slimming.timing.measuring import Call, Rounds
from twentywatts.slimming.timing.outcome import Outcome, measured_outcome, step_effects
from twentywatts.slimming.timing.payback import Cost
from twentywatts.slimming.timing.pricing import counted, predicted
from twentywatts.slimming.undominated import undominated

if TYPE_CHECKING:
    from twentywatts.slimming.elsewhere.targets import Target
    from twentywatts.slimming.job import Job

__all__ = ["finished"]

_FINALISTS = 6
_FINAL = Rounds(rounds=15, window_s=0.01)


def finished(job: Job, lab: Lab, data: SlimData, *, cost: Cost, eager: Call | None, progress: Progress) -> Slimmed:
    """Return the result of a search as far as it came. cost: what the search took. eager: see ``job.run``.

    Where the search was told to end, what proves and measures is brief, and all else is left out.
    """
    clock, searched_s = lab.clock, lab.clock.elapsed_s
    chance, unproved = chance_of(lab), provable(lab.question.goal, lab.parts.reported.count)
    progress("timing the best in turns", 0.7)
    best_few = clock.kept_on(lambda: _retimed(lab))
    progress("asking the guard samples", 0.75)
    walked = Walk() if unproved or not lab.question.is_timed else clock.kept_on(lambda: _walked(lab, best_few))
    progress("asking other machines", 0.78)
    found, orders = clock.unless_stopped(partial(fronts, lab, job.machines, _within(progress, 0.78, 0.88))) or ((), ())
    entries = _entries(lab, walked, best_few)
    progress("measuring what ships anew", 0.9)
    ships, outcome, notes = clock.kept_on(lambda: _shipped(lab, entries, walked, found, cost=cost))
    entries = _with_front(_with_times(entries, ships, outcome))
    best = next(entry for entry in entries if entry.digest == ships.digest)
    way = chain(_of(lab, best.digest), lab)
    effects = clock.unless_stopped(lambda: step_effects(lab, way)) or ()
    is_late = lab.question.is_timed and clock.is_overdrawn and not clock.stop.is_set()
    progress("looking for other ways", 0.95)
    asked = partial(advice_for, lab, best.candidate, found, eager, progress)
    advice, said = (None if is_late else clock.unless_stopped(asked)) or ((), ())
    return Slimmed(
        model=_summary(job, lab, entries[0]),
        data=data,
        scenario=lab.question.scenario,
        max_drop=lab.question.goal.max_drop,
        methods=job.methods,
        entries=entries,
        best=best,
        likely=_likely(lab, entries),
        outcome=outcome,
        effects=effects,
        targets=found,
        orders=orders,
        advice=advice,
        refused=tuple(_refusals(lab)),
        notes=(*notes_of(lab, chance, is_late=is_late), *filter(None, [contradiction(entries)]), *notes, *said),
        unproved=unproved,
        chance=chance,
        search_s=clock.spent_s + searched_s,
    )


def _within(progress: Progress, first: float, last: float) -> Progress:
    """Return a progress whose shares lie between two of the whole."""
    return lambda text, share: progress(text, first + (last - first) * share)


def _walked(lab: Lab, best: Sequence[Trial]) -> Walk:
    """Ask the guard samples about the best, the safest candidate first."""
    order = asking_order(best, lab.question.goal.max_drop)
    return walk([trial.digest for trial in order], lambda digest: lab.asked(_of(lab, digest)))


def _of(lab: Lab, digest: str) -> Trial:
    return next(trial for trial in lab.trials.values() if trial.digest == digest)


def _retimed(lab: Lab) -> list[Trial]:
    """Return the model as given and the best few, measured again, all in turns.

    The quick times of a search favour whoever was lucky. Where a counter of this processor lives, joules rank them.
    """
    chosen = asking_order(list(lab.trials.values()), lab.question.goal.max_drop)[-_FINALISTS:]
    artefacts = {lab.given.candidate.digest: lab.given}
    artefacts |= {trial.digest: lab.opened(trial.shipped, is_held=True) for trial in chosen}
    timings, thrift = lab.timed(artefacts, lab.plan(_FINAL)), lab.metered(artefacts)
    for key, trial in lab.trials.items():
        if trial.digest in timings:
            timing = timings[trial.digest]
            again = replace(trial, time_s=timing.time_s.mid, saving=timing.saving.mid, thrift=thrift.get(trial.digest))
            lab.trials[key] = again
    return [trial for trial in lab.trials.values() if trial.digest in artefacts]


def _shipped(
    lab: Lab,
    entries: Sequence[Entry],
    walked: Walk,
    found: Sequence[Target],
    *,
    cost: Cost,
) -> tuple[Entry, Outcome | None, tuple[str, ...]]:
    """Return what ships, its fresh measurement, and what a reader must know.

    What is proved to keep the metric but does not save, measured anew, gives way to the model as given.
    """
    given = entries[0]
    if not lab.question.is_timed:
        return _best_elsewhere(entries, found), None, ()
    best = next((entry for entry in entries if entry.digest == walked.accepted), given)
    outcome = measured_outcome(lab, best.candidate, cost)
    if best is given or outcome.is_saving:
        return best, outcome, ()
    saving = outcome.best.saving
    note = (
        f"{best.name} is proved to keep the metric, but measured anew it takes {1 / saving.high:.2f} to "
        f"{1 / saving.low:.2f} times the processor time of the model as given, which noise alone could be, so that the "
        "model as given ships; the same command on a quieter machine measures again, and larger batches (--batch 64) "
        "leave more to save"
    )
    return given, measured_outcome(lab, given.candidate, cost), (note,)


def _best_elsewhere(entries: Sequence[Entry], found: Sequence[Target]) -> Entry:
    """Return the best of the first machine that has one, where the processor at hand was not asked for."""
    digests = [target.best.candidate.digest for target in found if target.best is not None]
    return next((entry for entry in entries if digests and entry.digest == digests[0]), entries[0])


def _entries(lab: Lab, walked: Walk, best_few: Sequence[Trial]) -> tuple[Entry, ...]:
    """Return every trial once, the model as given first, with what the guard samples said, in earlier runs too."""
    looks = {**lab.memory.looks, **{found.digest: found for found in walked.looks}}
    retimed = {trial.digest for trial in best_few}
    counts: dict[str, Counts] = {}
    entries: dict[str, Entry] = {}
    first = _of(lab, lab.given.candidate.digest)
    for trial in (first, *lab.trials.values()):
        if trial.floating.digest not in counts:
            counts[trial.floating.digest] = counted(trial.floating, lab.question.scenario)
        if trial.digest not in entries:
            work, look = counts[trial.floating.digest], looks.get(trial.digest)
            entries[trial.digest] = _entry(lab, trial, work, look, is_retimed=trial.digest in retimed)
    return tuple(entries.values())


def _entry(lab: Lab, trial: Trial, work: Counts, found: Look | None, *, is_retimed: bool) -> Entry:
    return Entry(
        candidate=trial.shipped,
        floating=trial.floating,
        precision=PRECISIONS[trial.packing],
        search=trial.score,
        mac_count=work.mac_count // work.batch,
        parameter_count=work.parameter_count,
        file_bytes=len(trial.shipped.content),
        look=found,
        ledger=predicted(work, PRECISIONS[trial.packing], lab.question.scenario),
        time_s=trial.time_s,
        saving=trial.saving,
        timed="" if trial.saving is None else "turns" if is_retimed else "quick",
        no_effect=trial.idle,
    )


def _with_times(entries: Sequence[Entry], ships: Entry, outcome: Outcome | None) -> tuple[Entry, ...]:
    """Return the entries with times that divide: each is that of the model as given, measured anew, over its saving."""
    if outcome is None:
        return tuple(entries)
    given_s = outcome.given.time_s.mid
    found = []
    for entry in entries:
        is_fresh = entry.digest in (ships.digest, entries[0].digest)
        saving = outcome.best.saving.mid if entry is ships and entry.candidate.steps else entry.saving
        time_s = given_s / saving if saving else None
        found.append(replace(entry, time_s=time_s, saving=saving, timed="fresh" if is_fresh else entry.timed))
    return tuple(found)


def _with_front(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries, those marked that no other beats in both cost and the metric on the search samples.

    Cost is processor time, the size of the file where nothing was timed. Of equals in the metric the cheapest alone.
    """
    front = undominated(entries, cost=lambda one: one.time_s or float(one.file_bytes), loss=lambda one: one.search.drop)
    found = {entry.digest for entry in front}
    return tuple(replace(entry, on_front=entry.digest in found) for entry in entries)


def _likely(lab: Lab, entries: Sequence[Entry]) -> Entry:
    """Return the cheapest candidate that the search samples say keeps the metric, where it costs less than given."""
    given = _of(lab, lab.given.candidate.digest)
    chosen = likely(lab.trials.values(), lab.question.goal.max_drop)
    cheap = [trial.digest for trial in chosen if cost_of(trial) < cost_of(given)]
    return next((entry for entry in entries if cheap and entry.digest == cheap[0]), entries[0])


def _summary(job: Job, lab: Lab, given: Entry) -> ModelSummary:
    counts = counted(given.candidate, lab.question.scenario)
    return ModelSummary(
        name=shown_name(job.model),
        sha256=given.digest,
        mac_count=given.mac_count,
        parameter_count=given.parameter_count,
        weight_bytes=counts.weight_bytes,
        layer_count=len(counts.layers) + len(counts.unknown),
        unknown=tuple(f"{layer.name} ({layer.op}): {layer.reason}" for layer in counts.unknown),
    )


def _refusals(lab: Lab) -> list[Refusal]:
    late = [words for key, words in lab.passed_over.items() if f"{FLOAT} {key}" not in {*lab.trials, *lab.refused}]
    told = [*lab.refused.values(), *((words, "there was no time left for it") for words in late)]
    return [Refusal(machine="", title=words, family="", reason=reason) for words, reason in told if words]
