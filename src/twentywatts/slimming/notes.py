"""What a reader of a result must know, in sentences; what makes the whole result worthless comes first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from twentywatts.comparison.chance import chance_note
from twentywatts.comparison.text import ratio_text
from twentywatts.slimming.result import Entry
from twentywatts.slimming.searching.lab import Lab
from twentywatts.slimming.searching.making import why_no_training
from twentywatts.units import format_si

__all__ = ["chance_of", "contradiction", "notes_of"]

_ALIKE = 1.05  # factors nearer to 1 say neither


def chance_of(lab: Lab) -> str:
    """Return why a kept metric would say nothing of this model, on search and guard samples together, or empty."""
    outputs = np.concatenate([lab.given_search, lab.given_guard])
    targets = np.concatenate([lab.parts.tuning.targets, lab.parts.reported.targets])
    goal = lab.question.goal
    return chance_note(goal.metric, outputs, targets, max_drop=goal.max_drop)


def contradiction(entries: Sequence[Entry]) -> str:
    """Return where fewer bits are predicted to save here and were measured to cost, or the other way round, or empty.

    Of each candidate in fewer bits the same in float is asked; the pair that lies farthest apart is told.
    """
    floats = {entry.digest: entry for entry in entries if entry.precision == "fp32"}
    pairs = [(entry, floats[entry.floating.digest]) for entry in entries if entry.floating.digest in floats]
    found = [(*ratios, own) for own, other in pairs if own is not other and (ratios := _ratios(own, other))]
    apart = [
        one for one in found if (one[0] < 1 / _ALIKE and one[1] > _ALIKE) or (one[0] > _ALIKE and one[1] < 1 / _ALIKE)
    ]
    if not apart:
        return ""
    predicted, measured, own = max(apart, key=lambda one: abs(math.log(one[1] / one[0])))
    which = f" ({own.name})" if own.name != own.precision else ""
    return (
        f"{own.precision} is predicted to take {ratio_text(predicted)} joules than float on this processor, and was "
        f"measured to take {ratio_text(measured)} processor time{which}: what was measured counts, and `compare` "
        "and `estimate`, which predict, are wrong about it here"
    )


def _ratios(own: Entry, other: Entry) -> tuple[float, float] | None:
    """Return predicted joules and measured processor time in fewer bits over those in float."""
    if own.ledger is None or other.ledger is None or not own.saving or not other.saving:
        return None
    return own.ledger.energy_j.mid / other.ledger.energy_j.mid, other.saving / own.saving


def notes_of(lab: Lab, chance: str, *, is_late: bool) -> tuple[str, ...]:
    """Return what holds for the whole result. chance: see ``chance_of``; is_late: no time was left for advice."""
    found = [chance, why_no_training(lab) if {"prune", "distil"} & lab.question.methods else ""]
    if lab.memory.run_index:
        taken = format_si(lab.clock.spent_s, "s")
        found.append(f"it went on where an earlier search in the same folder stopped, whose {taken} the budget counts")
    batch, count = lab.question.scenario.batch, lab.parts.tuning.count
    if lab.question.is_timed and batch > count:
        found.append(f"a batch of {batch:,} is timed with the {count} search samples over and over: there are no more")
    looked = len(set(lab.memory.begun))
    if looked > 1:
        found.append(f"the guard samples were asked about {looked} candidates, from the safest to the cheapest")
    if lab.memory.was_asked and looked > lab.memory.was_asked:
        found.append(
            f"{lab.memory.was_asked} of them in earlier runs: choosing after looking weakens the proof; new samples "
            "would mend it"
        )
    if lab.clock.is_over and not lab.clock.stop.is_set() and not why_no_training(lab):
        found.append("the budget ended the search: a longer --budget tries more, and trains longer")
    if is_late:
        found.append("there was no time left to look for advice that is no compression: a longer --budget has it")
    return tuple(text for text in found if text)
