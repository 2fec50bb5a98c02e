"""Ledger: joules and seconds per something, by part and by cause, each with interval, sources and evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from typing import TypeVar

from twentywatts.figures import Boundary, Evidence, Source
from twentywatts.uncertain import Spread

__all__ = ["Cause", "Entry", "Ledger"]

K = TypeVar("K")


class Cause(StrEnum):
    """Why energy was spent."""

    COMPUTE = "compute"
    MEMORY = "memory"
    COMMUNICATION = "communication"
    CONVERSION = "conversion"
    STATIC = "static"
    HOST = "host"
    COOLING = "cooling"
    UNSPLIT = "unsplit"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """Energy of one part (a layer or a component) for one cause.

    energy_j: joules per ``per`` of the ledger. scope: the narrowest boundary that contains this entry.
    sources: keys of the sources of every figure used. note: what a reader must know, or empty.
    """

    part: str
    cause: Cause
    energy_j: Spread
    scope: Boundary
    evidence: Evidence
    sources: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """The account of one workload on one machine.

    per: what one unit is (inference, token, image, run). count: how many units the account covers.
    boundary: as in the Scenario; rate_per_s: its mean rate. latency_s: time from input to output of one batch [s].
    bound: what holds the time (compute, memory, launch, …). chip_count: chips that the model occupies.
    notes: what the reader must know; not_covered: what the boundary would contain and this account does not.
    own_sources: citations that the machine's own file brings.
    """

    machine: str
    per: str
    boundary: Boundary
    entries: tuple[Entry, ...]
    latency_s: Spread
    count: float = 1.0
    rate_per_s: float | None = None
    bound: str = ""
    chip_count: int = 1
    notes: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    own_sources: Mapping[str, Source] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the account in one line: joules per unit with their interval, boundary, evidence, main causes."""
        from twentywatts.units import format_interval

        energy, total = self.energy_j.interval, self.energy_j.mid
        shares = [f"{cause} {100 * joules.mid / total:.0f} %" for cause, joules in self.by_cause().items() if total > 0]
        told = format_interval(energy.low, energy.mid, energy.high, "J")
        return f"{told} per {self.per} on {self.machine}, boundary {self.boundary}, {self.evidence.label}: " + (
            ", ".join(shares) or "nothing spent"
        )

    @property
    def energy_j(self) -> Spread:
        """Total joules per unit: the sum of all entries."""
        return _total(self.entries)

    @property
    def evidence(self) -> Evidence:
        """The weakest evidence of any entry that holds joules."""
        return min((e.evidence for e in self.entries if e.energy_j.mid > 0), default=Evidence.GUESSED)

    @property
    def guessed_frac(self) -> float:
        """Share of the joules that rests on guessed figures, 0 to 1."""
        total = self.energy_j.mid
        guessed = sum(e.energy_j.mid for e in self.entries if e.evidence == Evidence.GUESSED)
        return guessed / total if total > 0 else 0.0

    def guessed_frac_of(self, cause: Cause) -> float:
        """Share of one cause's joules that rests on guessed figures, 0 to 1."""
        entries = [entry for entry in self.entries if entry.cause == cause]
        total = sum(entry.energy_j.mid for entry in entries)
        guessed = sum(entry.energy_j.mid for entry in entries if entry.evidence == Evidence.GUESSED)
        return guessed / total if total > 0 else 0.0

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source key behind this account, sorted."""
        return tuple(sorted({key for entry in self.entries for key in entry.sources}))

    def by_cause(self) -> dict[Cause, Spread]:
        """Joules by cause, in the order of Cause; causes without an entry are left out."""
        found = _group(self.entries, lambda entry: entry.cause)
        return {cause: found[cause] for cause in Cause if cause in found}

    def by_part(self) -> dict[str, Spread]:
        """Joules by layer or component, in order of appearance."""
        return _group(self.entries, lambda entry: entry.part)

    def ratio(self, other: Ledger) -> Spread:
        """Energy of this account over that of another, draw by draw: shared figures cancel."""
        return self.energy_j / other.energy_j


def _total(entries: Iterable[Entry]) -> Spread:
    return reduce(lambda total, entry: total + entry.energy_j, entries, _zero(entries))


def _zero(entries: Iterable[Entry]) -> Spread:
    import numpy as np

    size = max((len(entry.energy_j.values) for entry in entries), default=1)
    return Spread(np.zeros(size))


def _group(entries: Iterable[Entry], key: Callable[[Entry], K]) -> dict[K, Spread]:
    parts: dict[K, Spread] = {}
    for entry in entries:
        name = key(entry)
        parts[name] = parts[name] + entry.energy_j if name in parts else entry.energy_j
    return parts
