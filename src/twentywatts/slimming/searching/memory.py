"""The memory of a search: trials and looks at the guard samples, kept in a storage where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from twentywatts.comparison.bound import Verdict
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.proof.guard import ClassDrop, Look
from twentywatts.slimming.proof.trial import Score, Trial
from twentywatts.slimming.searching.rungs import Rung
from twentywatts.slimming.searching.storage import Record, Storage

__all__ = ["Memory", "remembered"]

_TRIAL, _LOOK, _BEGUN, _SPENT = "trial", "look", "look-begun", "spent"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """What was tried and asked before.

    looks: by digest. begun: digests that the guard samples were asked about. was_asked: how many of
    them by earlier runs. run_index: earlier runs of this search;
    spent: their wall-clock and processor time [s], as far as they logged it before they ended or were killed.
    """

    storage: Storage | None = None
    looks: dict[str, Look] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    was_asked: int = 0
    run_index: int = 0
    spent: tuple[float, float] = (0.0, 0.0)

    def recalled(self) -> Iterator[Trial]:
        """Yield what was tried before, in its order; what is damaged, or whose model is lost, is left out."""
        for record in self.storage.records(_TRIAL) if self.storage else ():
            try:
                packing, _, key = str(record["key"]).partition(" ")
                rung, score = Rung.of(key), _score(record["score"])
                floating, shipped = self._candidate(record["floating"]), self._candidate(record["shipped"])
                values = {name: record[name] for name in ("time_s", "saving", "idle", "risk")}
            except (KeyError, TypeError, ValueError):
                continue
            if floating is not None and shipped is not None:
                yield Trial(rung=rung, floating=floating, shipped=shipped, packing=packing, score=score, **values)

    def remember(self, trial: Trial) -> None:
        """Keep a trial: its models first, then the record that names them."""
        if self.storage is None:
            return
        for candidate in (trial.floating, trial.shipped):
            self.storage.keep(candidate.content)
        record: Record = {
            "key": trial.key,
            "floating": _written(trial.floating),
            "shipped": _written(trial.shipped),
            "score": asdict(trial.score),
            "time_s": trial.time_s,
            "saving": trial.saving,
            "idle": trial.idle,
            "risk": trial.risk,
        }
        self.storage.append(_TRIAL, record)

    def announce(self, digest: str) -> None:
        """Log that the guard samples are about to be asked, before they are: a crash cannot hide a look."""
        self.begun.append(digest)
        if self.storage is not None:
            self.storage.append(_BEGUN, {"digest": digest})

    def seen(self, look: Look) -> None:
        """Keep what the guard samples said."""
        self.looks[look.digest] = look
        if self.storage is not None:
            self.storage.append(_LOOK, asdict(look))

    def spend(self, time_s: float, cpu_s: float) -> None:
        """Log wall-clock and processor time that this run of the search took so far [s]."""
        if self.storage is not None:
            self.storage.append(_SPENT, {"run": self.run_index, "time_s": time_s, "cpu_s": cpu_s})

    def _candidate(self, record: Record) -> Candidate | None:
        content = self.storage.content(str(record["digest"])) if self.storage else None
        if content is None:
            return None
        steps = tuple(Step(**{**step, "notes": tuple(step["notes"])}) for step in record["steps"])
        return Candidate(content=content, steps=steps, parent=str(record["parent"]))


def remembered(storage: Storage | None) -> Memory:
    """Return the memory that a storage holds, an empty one without."""
    if storage is None:
        return Memory()
    runs = {int(record.get("run", 0)): record for record in storage.records(_SPENT)}  # the last of each run counts
    spent = tuple(sum(float(record.get(name, 0.0)) for record in runs.values()) for name in ("time_s", "cpu_s"))
    begun = [str(record.get("digest")) for record in storage.records(_BEGUN)]
    memory = Memory(
        storage=storage,
        begun=begun,
        was_asked=len(set(begun)),
        run_index=max(runs, default=-1) + 1,
        spent=(spent[0], spent[1]),
    )
    for record in storage.records(_LOOK):
        try:
            found = _look(record)
        except (KeyError, TypeError, ValueError):
            continue
        memory.looks[found.digest] = found
    return memory


def _written(candidate: Candidate) -> Record:
    steps = [asdict(step) | {"settings": dict(step.settings)} for step in candidate.steps]
    return {"digest": candidate.digest, "parent": candidate.parent, "steps": steps}


def _score(record: Mapping[str, Any]) -> Score:
    return Score(**{**record, "verdict": Verdict(**record["verdict"])})


def _look(record: Mapping[str, Any]) -> Look:
    worst = record["worst"]
    return Look(
        digest=str(record["digest"]),
        score=_score(record["score"]),
        worst=None if worst is None else ClassDrop(**worst),
    )
