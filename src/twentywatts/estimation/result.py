"""What an estimation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from twentywatts.figures import Source
from twentywatts.ledger import Ledger
from twentywatts.uncertain import Interval

__all__ = ["Estimation", "EstimationRow", "ModelCard", "Refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What was estimated. kind: language model, image, video, or network (an ONNX file).

    parameter_count, active_parameter_count: in all, and what one token (step, inference) uses. weight_bytes: stored.
    cache_bytes_per_token: keys and values that one token leaves behind, 0 where there are none.
    """

    name: str
    title: str
    kind: str
    precision: str
    parameter_count: float
    active_parameter_count: float
    weight_bytes: float
    cache_bytes_per_token: float = 0.0
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EstimationRow:
    """One machine at one batch.

    ledger: joules per request (reply, image, video, inference) and seconds of a batch. step_s: between two tokens of
    one reply, 0 where none are written. units_per_s: output tokens (images, inferences) a second, all sequences.
    unit: what those are. power_w: mean of all chips while serving.
    """

    machine: str
    title: str
    chip_count: int
    batch: int
    ledger: Ledger
    energy_j_per_unit: Interval
    unit: str
    units_per_s: Interval
    step_s: Interval
    power_w: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A machine that cannot be in the table, and why."""

    machine: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimation:
    """A model on chips, from a lone user to a full server.

    use: what each request is (prompt_tokens, output_tokens; steps, pixels). answer: the commonest question, in one
    sentence. rows: by machine, then batch.
    """

    model: ModelCard
    use: Mapping[str, float | str]
    answer: str
    rows: tuple[EstimationRow, ...]
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    boundary: str = "device"
    draws: int = 0
    seed: int = 0
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """Keys of every source behind any number, sorted."""
        return tuple(sorted({*self.model.sources, *(key for row in self.rows for key in row.ledger.sources)}))

    @property
    def own_sources(self) -> Mapping[str, Source]:
        """Citations that machine files of the user's own bring, by key."""
        return {key: source for row in self.rows for key, source in row.ledger.own_sources.items()}

    def report(self, path: str | Path) -> None:
        """Write one self-contained page, or the document where the name ends in .json; raises InputError."""
        # reports stand above this room and are found by name, as a plug-in is
        import_module("twentywatts.reports.written").write_report(self, path)

    def __str__(self) -> str:
        """Return the answer and one line per row."""
        from twentywatts.estimation.words import row_text

        return "\n".join([self.answer, *(row_text(row) for row in self.rows)])
