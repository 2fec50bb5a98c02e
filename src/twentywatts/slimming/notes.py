"""What a reader of a result must know, in sentences; what makes the whole result worthless comes first."""

from __future__ import annotations

import numpy as np

from twentywatts.comparison.chance import chance_note
from twentywatts.slimming.searching.lab import Lab
from twentywatts.slimming.searching.making import why_no_training

__all__ = ["chance_of", "notes_of"]


def chance_of(lab: Lab) -> str:
    """Return why a kept metric would say nothing of this model, on search and guard samples together, or empty."""
    outputs = np.concatenate([lab.given_search, lab.given_guard])
    targets = np.concatenate([lab.parts.tuning.targets, lab.parts.reported.targets])
    goal = lab.question.goal
    return chance_note(goal.metric, outputs, targets, max_drop=goal.max_drop)


def notes_of(lab: Lab, chance: str, *, is_late: bool) -> tuple[str, ...]:
    """Return what holds for the whole result. chance: see ``chance_of``; is_late: no time was left for advice."""
    found = [chance, why_no_training(lab) if {"prune", "distil"} & lab.question.methods else ""]
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
