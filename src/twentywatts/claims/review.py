"""Review: what a paper's table of spike energies left out, and the same rows with memory, state and int8 for both.

The honest figure holds the node (45 nm), the weights (8 bit) and the memory equal on both sides and counts what the
table lets count. What no table tells, leakage, routing, input and output, stays named and outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from twentywatts.claims.review_table import PaperRow, read_table
from twentywatts.errors import clean
from twentywatts.figures import Evidence
from twentywatts.price.shortcuts import (
    constants,
    dense_j,
    shortcut_dense_j,
    shortcut_spiking_j,
    spiking_j,
    values_of,
)
from twentywatts.uncertain import DRAW_COUNT, Array, Interval, interval_of
from twentywatts.units import format_count_interval
from twentywatts.workload import twin_bits

__all__ = ["Finding", "Formula", "Review", "ReviewedRow", "Verdict", "review", "review_table"]

_NOTHING_J = 1e-40  # less is no energy: nothing is divided by it
_ROUNDING = 0.03  # a claim that a formula gives to this share was made with it
_USED = {
    "shortcut": ("fp32_add_energy_j", "fp32_mac_energy_j"),
    "memory": ("int32_add_energy_j", "int8_multiply_energy_j", "sram_bank_energy_j", "state_access_count"),
    "dense": ("dense_access_count",),
    "limits": ("break_even_spikes_count", "break_even_rate_frac"),
}


class Formula(StrEnum):
    """How a claimed energy came about, as far as its number tells."""

    SHORTCUT = "shortcut"
    RATE_TWICE = "rate_twice"
    STEPS_LEFT_OUT = "steps_left_out"
    UNKNOWN = "unknown"
    NONE = "none"  # nothing is claimed


class Verdict(StrEnum):
    """What is left of a claim that spikes need less."""

    HOLDS = "holds"
    REVERSED = "reversed"
    CANNOT_TELL = "cannot_tell"
    NOT_REVIEWED = "not_reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong or left out; kind is a short word for programs."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedRow:
    """A row of the paper with what was recomputed; None where the row does not say enough.

    told_ratio: energy without spikes over with spikes, as claimed. counted_ratio: the same shortcut, each factor once.
    spiking_j, dense_j, twin_j [J]: with memory: spikes; the int8 network; the network of twin_bits activations.
    honest_ratio: dense_j over spiking_j; twin_ratio: twin_j over spiking_j. Both above 1 where spikes need less.
    """

    given: PaperRow
    formula: Formula
    verdict: Verdict
    sentence: str
    findings: tuple[Finding, ...]
    sop_count: float | None = None
    shortcut_j: float | None = None
    shortcut_ann_j: float | None = None
    told_ratio: float | None = None
    counted_ratio: float | None = None
    spiking_j: Interval | None = None
    dense_j: Interval | None = None
    twin_bits: int | None = None
    twin_j: Interval | None = None
    honest_ratio: Interval | None = None
    twin_ratio: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A table, row by row. sources: keys behind the recomputed figures. not_covered: what no row contains."""

    name: str
    rows: tuple[ReviewedRow, ...]
    sources: tuple[str, ...]
    evidence: Evidence
    not_covered: tuple[str, ...]

    def __str__(self) -> str:
        """Return the verdicts as plain text, one line per row."""
        return "\n".join(f"{clean(row.given.name)}: {row.sentence}" for row in self.rows)


def review_table(path: str | Path, *, draws: int = DRAW_COUNT, seed: int = 0) -> Review:
    """Return the review of a paper's table in a CSV; raises InputError that names the line and the column."""
    return review(read_table(path), name=Path(path).name, draws=draws, seed=seed)


def review(rows: Sequence[PaperRow], *, name: str, draws: int = DRAW_COUNT, seed: int = 0) -> Review:
    """Return the review of a paper's table."""
    values = values_of(draws=draws, seed=seed)
    used = [constants()[key] for keys in _USED.values() for key in keys]
    return Review(
        name=name,
        rows=tuple(_reviewed(row, values) for row in rows),
        sources=tuple(sorted({figure.source for figure in used})),
        evidence=min(figure.evidence for figure in used),
        not_covered=(
            "leakage and clocks for as long as an inference takes: no table of operations tells the time",
            "spikes on their way between cores, their addresses and queues",
            "input, output and the host; where real chips were measured these hold most of the joules",
            "accuracy: whether both networks are equally good is not checked here",
        ),
    )


def _reviewed(row: PaperRow, values: Mapping[str, Array]) -> ReviewedRow:
    sops = _sops(row)
    if sops is None:
        text = "neither operations of the spiking network, nor MACs with a spike rate: nothing can be recomputed"
        return ReviewedRow(
            given=row,
            formula=Formula.NONE if row.claimed_j is None else Formula.UNKNOWN,
            verdict=Verdict.NOT_REVIEWED,
            sentence=text,
            findings=(Finding(kind="operations_missing", text=text),),
        )
    shortcut = shortcut_spiking_j(sops) + shortcut_dense_j(row.analog_mac_count or 0.0)
    ann = None if row.mac_count is None else shortcut_dense_j(row.mac_count)
    found = ReviewedRow(
        given=row,
        formula=_formula(row, sops, shortcut),
        verdict=Verdict.CANNOT_TELL,
        sentence="",
        findings=(),
        sop_count=sops,
        shortcut_j=shortcut,
        shortcut_ann_j=ann,
        told_ratio=_told(row, ann),
        counted_ratio=None if ann is None else _over(row.claimed_ann_j or ann, shortcut),
    )
    found = _with_memory(found, values)
    verdict = _verdict(found)
    found = replace(found, verdict=verdict, findings=tuple(_findings(found)))
    return replace(found, sentence=_sentence(found))


def _sops(row: PaperRow) -> float | None:
    """Return synaptic operations per inference: as told, or MACs × rate × steps."""
    if row.sop_count is not None:
        return row.sop_count
    if row.mac_count is None or row.spike_rate is None:
        return None
    return row.mac_count * row.spike_rate * (row.timesteps or 1)


def _told(row: PaperRow, ann_j: float | None) -> float | None:
    if row.claimed_ratio is not None:
        return row.claimed_ratio
    ann = row.claimed_ann_j if row.claimed_ann_j is not None else ann_j
    return _over(ann, row.claimed_j) if ann and row.claimed_j else None


def _over(energy_j: float, other_j: float) -> float | None:
    """Return one energy over another, None over what is next to nothing."""
    return energy_j / other_j if other_j > _NOTHING_J else None


def _formula(row: PaperRow, sops: float, shortcut: float) -> Formula:
    """Return the formula that gives the claimed energy."""
    if row.claimed_j is None:
        return Formula.NONE
    kept = shortcut_dense_j(row.analog_mac_count or 0.0)
    spikes = shortcut - kept
    candidates = {Formula.SHORTCUT: shortcut}
    if row.spike_rate is not None:
        candidates[Formula.RATE_TWICE] = spikes * row.spike_rate + kept
    if row.timesteps is not None and row.timesteps > 1:
        candidates[Formula.STEPS_LEFT_OUT] = spikes / row.timesteps + kept
    for formula, energy in candidates.items():
        if math.isclose(energy, row.claimed_j, rel_tol=_ROUNDING):
            return formula
    return Formula.UNKNOWN


def _with_memory(found: ReviewedRow, values: Mapping[str, Array]) -> ReviewedRow:
    """Return the row with both networks recomputed: weights of 8 bits, potentials of 32, memory on the same node."""
    row = found.given
    updates = (row.neuron_count or 0.0) * (row.timesteps or 1)
    analog = dense_j(row.analog_mac_count or 0.0, values)
    spiking = spiking_j(found.sop_count or 0.0, values, update_count=updates) + analog
    found = replace(found, spiking_j=interval_of(spiking))
    if row.mac_count is None:
        return found
    dense = dense_j(row.mac_count, values)
    found = replace(found, dense_j=interval_of(dense), honest_ratio=_ratio(dense, spiking))
    if row.timesteps is None:
        return found
    bits = min(twin_bits(row.timesteps), 8)
    twin = dense_j(row.mac_count, values, bits=bits)
    return replace(found, twin_bits=bits, twin_j=interval_of(twin), twin_ratio=_ratio(twin, spiking))


def _ratio(dense: Array, spiking: Array) -> Interval | None:
    """Return one over the other draw by draw, so that shared figures cancel; None where no spike costs anything."""
    return interval_of(dense / spiking) if bool(np.all(spiking > _NOTHING_J)) else None


def _verdict(found: ReviewedRow) -> Verdict:
    ratio = found.twin_ratio or found.honest_ratio
    if ratio is None:
        return Verdict.CANNOT_TELL
    if ratio.low > 1:
        return Verdict.HOLDS
    return Verdict.REVERSED if ratio.high < 1 else Verdict.CANNOT_TELL


def _findings(found: ReviewedRow) -> Iterator[Finding]:
    yield from _arithmetic(found)
    yield from _left_out(found)
    yield from _limits(found)


def _arithmetic(found: ReviewedRow) -> Iterator[Finding]:
    """Yield what is wrong with the claimed number itself."""
    row = found.given
    if found.formula is Formula.RATE_TWICE:
        yield Finding(
            kind="rate_twice",
            text=f"the spike rate is multiplied twice: the {_counted(found.sop_count or 0.0)} operations contain it "
            f"already, and {_picojoules('fp32_add_energy_j')} of each were multiplied by {row.spike_rate:.4g} again",
        )
    if found.formula is Formula.STEPS_LEFT_OUT:
        yield Finding(
            kind="steps_left_out",
            text=f"the {row.timesteps} time steps are left out: the claimed energy is that of one step",
        )
    if found.formula is Formula.UNKNOWN:
        yield Finding(
            kind="formula_unknown",
            text=f"the claimed energy is not {_picojoules('fp32_add_energy_j')} times the operations of this row: how "
            "it came about is not told",
        )
    if row.sop_count is None and row.timesteps is None:
        yield Finding(
            kind="steps_missing",
            text="no time steps: the rate is taken as spikes per neuron and inference; per step, the operations are T "
            "times as many",
        )
    yield from _inconsistent(row)


def _inconsistent(row: PaperRow) -> Iterator[Finding]:
    if row.sop_count is None or row.mac_count is None or row.spike_rate is None:
        return
    once = row.mac_count * row.spike_rate
    several = once * (row.timesteps or 1)
    if once and not any(math.isclose(row.sop_count, count, rel_tol=0.1) for count in (once, several)):
        yield Finding(
            kind="operations_do_not_fit",
            text=f"MACs × rate{' × steps' if row.timesteps else ''} give {_counted(several)} operations, the table "
            f"says {_counted(row.sop_count)}: rates differ between layers, or one of them counts something else",
        )


def _left_out(found: ReviewedRow) -> Iterator[Finding]:
    row = found.given
    if found.spiking_j is not None and (found.shortcut_j or 0.0) > _NOTHING_J:
        assert found.shortcut_j is not None
        times = found.spiking_j.mid / found.shortcut_j
        yield Finding(
            kind="memory_left_out",
            text=f"weights and potentials have to be read and written: with them the spiking network needs "
            f"{_factor(times)} the shortcut's joules ({_factor(found.spiking_j.low / found.shortcut_j)} to "
            f"{_factor(found.spiking_j.high / found.shortcut_j)})",
        )
    yield Finding(
        kind="fp32_for_ann",
        text=f"{_picojoules('fp32_mac_energy_j')} are an fp32 multiply-accumulate; in int8 the arithmetic of the "
        f"network without spikes takes {_picojoules('int8_multiply_energy_j', 'int32_add_energy_j')}, and spikes are "
        "compared with that",
    )
    if row.neuron_count is None:
        yield Finding(
            kind="updates_left_out", text="neurons are not counted: leak and threshold of every step are free"
        )
    if row.analog_mac_count is None:
        yield Finding(
            kind="first_layer_left_out",
            text="multiply-accumulates of the first layer are not in the table: with direct coding it keeps them",
        )
    yield Finding(kind="static_left_out", text="static power, routing, input and output are left out; no chip is named")


def _limits(found: ReviewedRow) -> Iterator[Finding]:
    """Yield what published break-even points say of this activity."""
    row = found.given
    if row.mac_count and found.sop_count is not None:
        spikes, limit = found.sop_count / row.mac_count, constants()["break_even_spikes_count"]
        place = "above" if spikes > limit.high else "below" if spikes < limit.low else "within"
        yield Finding(
            kind="spikes_per_synapse",
            text=f"{spikes:.2g} spikes per synapse and inference, {place} the {limit.low:g} to {limit.high:g} up to "
            "which spikes can compete with good dense hardware (dampfhoffer2023)",
        )
    if row.timesteps in (4, 5, 6) and row.spike_rate is not None:
        rate = constants()["break_even_rate_frac"].value
        place = "above" if row.spike_rate > rate else "below"
        yield Finding(
            kind="rate_limit",
            text=f"{100 * row.spike_rate:.3g} % spikes per step, {place} the {100 * rate:.2g} % under which they win "
            "at about 5 steps (yan2024)",
        )


def _sentence(found: ReviewedRow) -> str:
    """Return the verdict with its numbers."""
    parts = []
    if found.told_ratio is not None:
        parts.append(f"told {_factor(found.told_ratio, 3)} less")
    if found.counted_ratio is not None:
        parts.append(f"{_factor(found.counted_ratio, 3)} by the same shortcut with every factor once")
    ratio, against = found.twin_ratio, f"a network of {found.twin_bits}-bit activations"
    if ratio is None:
        ratio, against = found.honest_ratio, "an int8 network"
    if ratio is not None:
        bounds = f"{_factor(ratio.low)} to {_factor(ratio.high)}"
        parts.append(f"{_factor(ratio.mid)} ({bounds}) with memory and against {against}")
    end = {
        Verdict.HOLDS: "spikes need less",
        Verdict.REVERSED: "spikes need more",
        Verdict.CANNOT_TELL: "which of the two needs less cannot be told from this table",
        Verdict.NOT_REVIEWED: "",
    }[found.verdict]
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}: {end}." if text else f"{end[:1].upper()}{end[1:]}."


def _factor(value: float, digits: int = 2) -> str:
    """Return a factor with two digits; what a table says itself has three."""
    return f"{float(f'{value:.{digits}g}'):,.10g}×"


def _counted(count: float) -> str:
    """Return a count in words: ``2.51 million``."""
    return format_count_interval(count, count, count)


def _picojoules(*keys: str) -> str:
    return f"{sum(constants()[key].value for key in keys) * 1e12:.2g} pJ"
