"""What a plan returns: amounts with intervals, the inputs behind them, what drives their spread, what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from twentywatts.figures import Evidence, Figure, Source
from twentywatts.uncertain import Interval

__all__ = ["Amount", "Driver", "Input", "Plan", "Row", "Series", "Table", "cited"]


_MATTERS_FRAC = 0.01  # an input that explains less of the spread does not make the answer a guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """One number of the answer; its key ends in the suffix of its SI unit. note: what a reader must know."""

    key: str
    label: str
    interval: Interval
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What went in. origin: given (by the user), figure (cited), fitted (by a bench) or assumed (by this project).

    distribution: lognormal (low and high are the 5 % and 95 % quantiles), uniform or triangular (they are the ends;
    mid is the mode), or point. year, region: what the number holds for, empty where it does not matter.
    """

    key: str
    label: str
    interval: Interval
    origin: str = "given"
    distribution: str = "lognormal"
    grade: str = ""
    source: str = ""
    where: str = ""
    condition: str = ""
    year: str = ""
    region: str = ""
    shared: str = ""

    @property
    def evidence(self) -> Evidence:
        """A guess makes L0; what is cited, or given by the user, L1."""
        return Evidence.GUESSED if self.grade == "guess" else Evidence.MODELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """How one input moves the result: the result at the input's 5 % and 95 % quantile, all others at mid.

    share_frac: the part of the spread that this input explains (squared rank correlation, normalised to 1).
    """

    key: str
    label: str
    low: float
    high: float
    share_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a table: numbers with intervals under keys with a unit's suffix, and texts."""

    name: str
    numbers: Mapping[str, Interval] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Lines that belong together. labels: of the numbers and texts, by their key."""

    name: str
    title: str
    labels: Mapping[str, str]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Values over time: equal steps from ``start`` (ISO 8601, UTC) on, under keys with a unit's suffix."""

    name: str
    title: str
    start: str
    step_s: float
    labels: Mapping[str, str]
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """The answer of one verb of ``plan``.

    kind: training, scaling, equivalents, fleet, serving or grid. sentences: the answer in words, the first alone
    enough. driven: the key of the amount that ``drivers`` move. series: hours to draw. evidence: the weakest of any
    input that matters.
    """

    kind: str
    title: str
    sentences: tuple[str, ...]
    inputs: tuple[Input, ...]
    amounts: tuple[Amount, ...]
    tables: tuple[Table, ...] = ()
    drivers: tuple[Driver, ...] = ()
    driven: str = ""
    notes: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    draws: int = 0
    seed: int = 0
    own_sources: Mapping[str, Source] = field(default_factory=dict)
    series: tuple[Series, ...] = ()

    def report(self, path: str | Path) -> None:
        """Write one self-contained page, or the document where the name ends in .json; raises InputError."""
        # reports stand above this room and are found by name, as a plug-in is
        import_module("twentywatts.reports.written").write_report(self, path)

    def __str__(self) -> str:
        """Return title, answer and amounts as plain text."""
        from twentywatts.plan.words import amount_text

        amounts = [f"{amount.label}: {amount_text(amount)}" for amount in self.amounts]
        return "\n".join([self.title, " ".join(self.sentences), *amounts])

    def amount(self, key: str) -> Interval:
        """Return one number with its interval; raises KeyError for a key that this plan has not."""
        found = {amount.key: amount.interval for amount in self.amounts}
        if key not in found:
            raise KeyError(f"this {self.kind} plan has no '{key}', only {', '.join(found)}")
        return found[key]

    @property
    def evidence(self) -> Evidence:
        """The weakest evidence of any input that moves what is driven; of all where nothing is driven."""
        moving = {driver.key for driver in self.drivers if driver.share_frac >= _MATTERS_FRAC}
        matter = [item for item in self.inputs if not moving or item.key in moving or item.distribution == "point"]
        return min((item.evidence for item in matter), default=Evidence.GUESSED)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source key behind this plan, sorted."""
        keys: Iterable[str] = [item.source for item in self.inputs]
        rows = [key for table in self.tables for row in table.rows for key in row.sources]
        return tuple(sorted({key for key in (*keys, *rows) if key}))


def cited(figure: Figure, label: str, *, year: str = "", region: str = "") -> Input:
    """Return a figure as an input."""
    return Input(
        key=figure.key,
        label=label,
        interval=figure.interval,
        origin="assumed" if figure.source == "twentywatts" else "figure",
        grade=figure.grade,
        source=figure.source,
        where=figure.where,
        condition=figure.condition,
        year=year,
        region=region,
        shared=figure.shared,
    )
