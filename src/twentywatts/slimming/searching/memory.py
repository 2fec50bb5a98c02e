"""The memory of a search: trials and looks at the guard samples, kept in a storage where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.proof.guard import ClassDrop, Look
from twentywatts.slimming.proof.trial import Score, Trial
from twentywatts.slimming.searching.recorded import of_record
from twentywatts.slimming.searching.rungs import PRECISIONS, Rung
from twentywatts.slimming.searching.storage import Record, Storage

__all__ = ["Memory", "remembered"]

T = TypeVar("T")

_MOST_RUNS = 2**31
_TRIAL, _LOOK, _BEGUN, _SPENT = "trial", "look", "look-begun", "spent"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A candidate as the log names it."""

    digest: str
    parent: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A trial as the log tells it."""

    key: str
    floating: _Made
    shipped: _Made
    score: Score
    time_s: float | None
    saving: float | None
    idle: str
    risk: float | None

    def request(self) -> tuple[str, Rung]:
        """Return how it was packed and what was asked for; raises ValueError or KeyError for what no search asks."""
        packing, _, key = self.key.partition(" ")
        if packing not in PRECISIONS or min(self.time_s or 1.0, self.saving or 1.0) < 0:
            raise ValueError("no packing, or a time below nothing")
        _check_counts(self.score)
        return packing, Rung.of(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spent:
    """What a run had taken so far [s]."""

    run: int
    time_s: float
    cpu_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.run < _MOST_RUNS or min(self.time_s, self.cpu_s) < 0:
            raise ValueError("a run takes no time below nothing")


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
                found = of_record(_Tried, {name: value for name, value in record.items() if name != "kind"})
                packing, rung = found.request()
            except (KeyError, ValueError):
                continue
            floating, shipped = self._candidate(found.floating), self._candidate(found.shipped)
            if floating is not None and shipped is not None:
                values = {name: getattr(found, name) for name in ("score", "time_s", "saving", "idle", "risk")}
                yield Trial(rung=rung, floating=floating, shipped=shipped, packing=packing, **values)

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

    def _candidate(self, found: _Made) -> Candidate | None:
        content = self.storage.content(found.digest) if self.storage else None
        return None if content is None else Candidate(content=content, steps=found.steps, parent=found.parent)


def remembered(storage: Storage | None) -> Memory:
    """Return the memory that a storage holds, an empty one without."""
    if storage is None:
        return Memory()
    runs = {spent.run: spent for spent in _every(_Spent, storage, _SPENT)}  # the last of each run counts
    begun = [str(record.get("digest")) for record in storage.records(_BEGUN)]
    memory = Memory(
        storage=storage,
        begun=begun,
        was_asked=len(set(begun)),
        run_index=max(runs, default=-1) + 1,
        spent=(sum(one.time_s for one in runs.values()), sum(one.cpu_s for one in runs.values())),
    )
    for found in _every(Look, storage, _LOOK):
        with suppress(ValueError):
            _check_counts(found.score, found.worst)
            memory.looks[found.digest] = found
    return memory


def _check_counts(score: Score, worst: ClassDrop | None = None) -> None:
    """Raise ValueError for samples that no set holds."""
    if min(score.sample_count, worst.sample_count if worst else 1) < 1 or min(score.lost or 0, score.gained or 0) < 0:
        raise ValueError("samples are counted from one on")


def _every(kind: type[T], storage: Storage, name: str) -> Iterator[T]:
    """Yield what records of one kind say; what is damaged is left out."""
    for record in storage.records(name):
        with suppress(ValueError):
            yield of_record(kind, {key: value for key, value in record.items() if key != "kind"})


def _written(candidate: Candidate) -> Record:
    steps = [asdict(step) | {"settings": dict(step.settings)} for step in candidate.steps]
    return {"digest": candidate.digest, "parent": candidate.parent, "steps": steps}
