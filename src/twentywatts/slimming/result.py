"""What slimming returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from twentywatts.comparison.result import ModelSummary, Refusal
from twentywatts.ledger import Ledger
from twentywatts.scenario import Scenario
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.advice import Advice
from twentywatts.slimming.elsewhere.orders import OrderDifference
from twentywatts.slimming.elsewhere.targets import Target
from twentywatts.slimming.proof.guard import Look
from twentywatts.slimming.proof.trial import Score
from twentywatts.slimming.timing.noop import Effect
from twentywatts.slimming.timing.outcome import Outcome

__all__ = ["Entry", "SlimData", "Slimmed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimData:
    """How the samples were used; ``split`` says it in one sentence. train_count: 0 where none were given."""

    name: str
    train_count: int
    search_count: int
    guard_count: int
    class_count: int | None
    metric: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One candidate that was tried on the processor at hand.

    precision: fp32 or int8. search: its score on the search samples. look: what the guard samples said, None where
    they were not asked. ledger: joules and seconds per inference that are *predicted* for this processor from counts
    (None where it is not priced). saving: how many times less processor time than the model as given it takes,
    *measured* in turns with it; time_s: that of the model as given over the saving, per inference [s]: the two always
    divide. timed: how, ``fresh`` (measured anew: what ships, which alone is reported), ``turns`` (the best few, all in
    turns) or ``quick`` (while the search went on: it ranks). file_bytes: of the ONNX file. no_effect: why the steps
    changed nothing, or empty.
    """

    candidate: Candidate
    floating: Candidate
    precision: str
    search: Score
    mac_count: int
    parameter_count: int
    file_bytes: int
    look: Look | None = None
    ledger: Ledger | None = None
    time_s: float | None = None
    saving: float | None = None
    timed: str = ""
    on_front: bool = False
    no_effect: str = ""
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of what ships."""
        return self.candidate.digest

    @property
    def name(self) -> str:
        """The steps in a few words; two candidates may share them."""
        return self.candidate.brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slimmed:
    """A model made smaller, and what is known about it.

    entries: everything that was tried here, the model as given first. best: what ships: the cheapest candidate that
    the guard samples prove to keep the metric, the model as given where there is none. likely: the cheapest that the
    search samples say keeps it, proved or not. outcome: the fresh measurement, None where this processor was not asked
    for. effects: what each step of the best did. targets: the fronts of other machines; orders: where they differ.
    advice: what else would save joules. folder: where the files of what ships lie. is_interrupted: Ctrl-C ended the
    search early. unproved: why nothing can be proved with so few samples, or empty. chance: why a kept metric says
    nothing, because one constant answer does as well, or empty; it is the first of the notes too. search_s: wall-clock
    time of the search [s].
    """

    model: ModelSummary
    data: SlimData
    scenario: Scenario
    max_drop: float
    methods: tuple[str, ...]
    entries: tuple[Entry, ...]
    best: Entry
    likely: Entry
    outcome: Outcome | None = None
    effects: tuple[Effect, ...] = ()
    targets: tuple[Target, ...] = ()
    orders: tuple[OrderDifference, ...] = ()
    advice: tuple[Advice, ...] = ()
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    unproved: str = ""
    chance: str = ""
    folder: Path | None = None
    is_interrupted: bool = False
    search_s: float = 0.0
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> Entry:
        """The model as it was given, which everything is held against."""
        return self.entries[0]

    @property
    def front(self) -> tuple[Entry, ...]:
        """Candidates that no other beats in both cost and accuracy on the search samples, the cheapest first."""
        return tuple(sorted((one for one in self.entries if one.on_front), key=lambda one: one.time_s or 0.0))

    @property
    def guard_count(self) -> int:
        """How many candidates the guard samples were asked about."""
        return sum(entry.look is not None for entry in self.entries)

    def report(self, path: str | Path) -> None:
        """Write one self-contained page, or the document where the name ends in .json; raises InputError."""
        # reports stand above this room and are found by name, as a plug-in is
        import_module("twentywatts.reports.written").write_report(self, path)

    def __str__(self) -> str:
        """Return the result as plain text."""
        from twentywatts.slimming.text import plain_result

        return plain_result(self)
