"""What the benches of the guard share: candidates with their outputs, and what the library's own walk accepts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slim_measured import shipped
from twentywatts.comparison.search import Goal
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.proof.guard import Walk, look, walk
from twentywatts.slimming.proof.soft import soft_drop_bound
from twentywatts.slimming.proof.trial import Trial, score_of
from twentywatts.slimming.searching.choice import asking_order
from twentywatts.slimming.searching.rungs import Rung

ORDERS = ("counts", "soft drop", "soft drop, no luck granted")  # the second is the library's


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Candidates of one model, the model as given first.

    outputs: scores (candidates, samples, classes). targets: classes (samples). savings: (candidates), that of the model
    as given 1.
    """

    outputs: np.ndarray
    targets: np.ndarray
    savings: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Flags (candidates, samples)."""
        return np.asarray(self.outputs.argmax(axis=2) == self.targets)


def pool_of(home: Path, *parts: str) -> Pool:
    """Return what every candidate of a home answers to the named parts of its samples, one after the other."""
    entries = json.loads((home / "slim.json").read_text())["entries"]
    sessions = [shipped((home / f"{entry['digest']}.onnx").read_bytes()) for entry in entries]
    found = [dict(np.load(home / f"{part}.npz")) for part in parts]
    x, y = (np.concatenate([one[name] for one in found]) for name in ("x", "y"))
    return Pool(
        outputs=np.stack([ran(session, x) for session in sessions]),
        targets=y.astype(np.int64),
        savings=np.array([entry["saving"] or 1.0 for entry in entries]),
    )


def ran(session: Any, x: np.ndarray) -> np.ndarray:
    """Return the scores of a session (samples, classes)."""
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[place : place + 256]})[0] for place in range(0, len(x), 256)])


def accepted(pool: Pool, goal: Goal, search: np.ndarray, guard: np.ndarray, *, order: str) -> tuple[int, Walk]:
    """Return which candidate the library accepts, 0 for the model as given, and what it asked.

    search, guard: places of samples. order: one of ``ORDERS``; without luck only what loses no more than the budget on
    the search samples is asked about, with no standard error on top.
    """
    trials = [_trial(pool, goal, place, search, order) for place in range(1, len(pool.savings))]
    places = {one.digest: place for place, one in enumerate(trials, 1)}
    if order == ORDERS[2]:
        trials = [one for one in trials if one.score.drop <= goal.max_drop]

    def ask(digest: str) -> Any:
        return look(digest, goal, pool.outputs[0][guard], pool.outputs[places[digest]][guard], pool.targets[guard])

    found = walk([one.digest for one in asking_order(trials, goal.max_drop)], ask)
    return (places[found.accepted] if found.accepted else 0), found


def _trial(pool: Pool, goal: Goal, place: int, search: np.ndarray, order: str) -> Trial:
    candidate = Candidate(content=str(place).encode())
    before, after, targets = pool.outputs[0][search], pool.outputs[place][search], pool.targets[search]
    return Trial(
        rung=Rung(seed=place),
        floating=candidate,
        shipped=candidate,
        packing="fp32",
        score=score_of(goal, before, after, targets),
        saving=float(pool.savings[place]),
        risk=soft_drop_bound(before, after, targets) if order != ORDERS[0] else None,
    )
