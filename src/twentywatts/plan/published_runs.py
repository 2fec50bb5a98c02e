"""Published training runs: what share of their chips' peak they reached, and which are nearest to a plan."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from twentywatts.plan.inputs import point
from twentywatts.plan.operations import training_operations
from twentywatts.plan.result import Row, Table

__all__ = ["PublishedRun", "nearest_runs", "published_runs"]

_SHOWN = 5
_OTHER_KIND = 1.0  # a dense run beside a mixture of experts is as far as a factor e in the chip's peak


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """A run as published. kind: dense or moe. chip_hours: over all chips, with what the source counts in (how)."""

    name: str
    kind: str
    chip: str
    year: str
    active_params_count: float
    tokens_count: float
    peak_flop_per_s: float
    chip_hours: float
    how: str
    source: str

    @property
    def mfu_frac(self) -> float:
        """Operations over what the chips could have done in all published hours."""
        operations = training_operations(self.active_params_count, self.tokens_count)
        return operations / (self.peak_flop_per_s * self.chip_hours * 3600.0)


@cache
def published_runs() -> tuple[PublishedRun, ...]:
    """Return the runs of data/plan/training_runs.csv."""
    text = (files("twentywatts") / "data" / "plan" / "training_runs.csv").read_text(encoding="utf-8")
    return tuple(
        PublishedRun(
            name=row["name"],
            kind=row["kind"],
            chip=row["chip"],
            year=row["year"],
            active_params_count=float(row["active_params_count"]),
            tokens_count=float(row["tokens_count"]),
            peak_flop_per_s=float(row["peak_flop_per_s"]),
            chip_hours=float(row["chip_hours"]),
            how=row["hours_kind"],
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def nearest_runs(peak_flop_per_s: float, tokens_per_parameter: float, *, is_mixture: bool) -> Table:
    """Return the five published runs most like a plan: chip, dense or mixture of experts, tokens per parameter."""

    def distance(run: PublishedRun) -> float:
        chip = abs(math.log(run.peak_flop_per_s / peak_flop_per_s))
        kind = 0.0 if (run.kind == "moe") == is_mixture else _OTHER_KIND
        ratio = run.tokens_count / run.active_params_count / tokens_per_parameter
        return 2.0 * chip + kind + 0.25 * abs(math.log(ratio))

    chosen = sorted(published_runs(), key=distance)[:_SHOWN]
    rows = tuple(
        Row(
            name=run.name,
            numbers={
                "mfu_frac": point(run.mfu_frac),
                "tokens_per_parameter_count": point(run.tokens_count / run.active_params_count),
            },
            texts={"chip": run.chip, "year": run.year, "how": run.how},
            sources=(run.source,),
        )
        for run in chosen
    )
    labels = {
        "mfu_frac": "MFU",
        "tokens_per_parameter_count": "tokens a parameter",
        "chip": "chip",
        "year": "year",
        "how": "chip hours",
    }
    return Table(name="runs", title="The published runs most like it", labels=labels, rows=rows)
