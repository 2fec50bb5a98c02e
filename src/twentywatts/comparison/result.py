"""What a comparison returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from twentywatts.comparison.twins import Twin
from twentywatts.figures import Source
from twentywatts.ledger import Ledger
from twentywatts.price.always_on import Standby
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Interval

__all__ = ["Baseline", "Comparison", "DataSummary", "ModelSummary", "Refusal", "Role", "Row"]


class Role(StrEnum):
    """Why a row is there."""

    REFERENCE = "reference"  # float on this-cpu: what every ratio is against
    CANDIDATE = "candidate"  # a machine that was asked for
    YARDSTICK = "yardstick"  # the brain: no form, no accuracy, never ranked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One machine with the form and setting that were chosen for it.

    accuracy: the metric on the reported half (None for the yardstick). accuracy_interval: exact 95 % interval, None
    where the metric has none. accuracy_drop: reference minus this. keeps_accuracy: True or False where the exact
    bound decides, None where the samples are too few; verdict: that in one sentence with the samples it would take.
    counts: what was done per inference. ratio: energy over the reference's energy, shared figures cancelled.
    standing: chip, macro (one array without the rest of a chip) or design (never built); only chips are ranked first.
    twin: of a spiking row, the same weights as a dense network of few bits on the same chip.
    standby: what its power at any rate follows from, where a rate was asked for.
    """

    role: Role
    machine: str
    title: str
    family: str
    form: str
    setting: Mapping[str, int | float | str]
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None
    accuracy_drop: float | None
    drop_bound: float | None
    keeps_accuracy: bool | None
    verdict: str
    ledger: Ledger
    counts: Mapping[str, float]
    ratio: Interval
    standing: str = "chip"
    notes: tuple[str, ...] = ()
    standby: Standby | None = None
    twin: Twin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A machine that cannot be in the table, and why."""

    machine: str
    title: str
    family: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """A non-AI or classical method on the same data, priced on the same processor as the reference.

    good_enough: the same exact bound says that it keeps the reference's accuracy.
    """

    name: str
    accuracy: float
    accuracy_drop: float
    good_enough: bool | None
    ledger: Ledger
    ratio: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """Name, SHA-256 of the file, totals of the count."""

    name: str
    sha256: str
    mac_count: int
    parameter_count: int
    weight_bytes: int
    layer_count: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSummary:
    """How the samples were used; ``split`` says it in one sentence."""

    name: str
    tuning_count: int
    reported_count: int
    class_count: int | None
    metric: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """One model on its own data, on every machine, at held accuracy.

    rows: reference first, then candidates by energy (those that keep the accuracy first), the yardstick last.
    notes: what the whole table does not cover. chance: why a kept metric says nothing, or empty.
    """

    model: ModelSummary
    data: DataSummary
    scenario: Scenario
    max_drop: float
    rows: tuple[Row, ...]
    refused: tuple[Refusal, ...]
    baselines: tuple[Baseline, ...]
    notes: tuple[str, ...] = ()
    chance: str = ""
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> Row:
        """The row that every ratio is against."""
        return next(row for row in self.rows if row.role is Role.REFERENCE)

    @property
    def sources(self) -> tuple[str, ...]:
        """Keys of every source behind any number of the table, sorted."""
        ledgers = [row.ledger for row in self.rows] + [baseline.ledger for baseline in self.baselines]
        return tuple(sorted({key for ledger in ledgers for key in ledger.sources}))

    @property
    def own_sources(self) -> Mapping[str, Source]:
        """Citations that machine files of the user's own bring, by key."""
        return {key: source for row in self.rows for key, source in row.ledger.own_sources.items()}

    def report(self, path: str | Path) -> None:
        """Write one self-contained page, or the document where the name ends in .json; raises InputError."""
        # reports stand above this room and are found by name, as a plug-in is
        import_module("twentywatts.reports.written").write_report(self, path)

    def __str__(self) -> str:
        """Return the table as plain text."""
        from twentywatts.comparison.text import plain_table

        return plain_table(self)
