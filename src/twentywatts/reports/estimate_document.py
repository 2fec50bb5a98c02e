"""The JSON document of an estimation: schema ``twentywatts.estimate/1``. The table and the page render it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from twentywatts.estimation.result import Estimation, EstimationRow
from twentywatts.reports.records import plain_document, source_records

__all__ = ["SCHEMA", "estimation_document"]

SCHEMA = "twentywatts.estimate/1"


def estimation_document(estimation: Estimation) -> dict[str, Any]:
    """Return an estimation as plain values, keys in a fixed order, quantities in SI; ``run`` alone may differ."""
    document = {
        "schema": SCHEMA,
        "answer": estimation.answer,
        "model": {**asdict(estimation.model), "sources": list(estimation.model.sources)},
        "use": dict(estimation.use),
        "boundary": estimation.boundary,
        "rows": [_row(row) for row in estimation.rows],
        "refused": [asdict(refusal) for refusal in estimation.refused],
        "notes": list(estimation.notes),
        "not_covered": _once(text for row in estimation.rows for text in row.ledger.not_covered),
        "sources": source_records(estimation.sources, own=estimation.own_sources),
        "draws": estimation.draws,
        "seed": estimation.seed,
        "run": dict(estimation.run),
    }
    return plain_document(document)


def _row(row: EstimationRow) -> dict[str, Any]:
    ledger = row.ledger
    return {
        "machine": row.machine,
        "title": row.title,
        "chip_count": row.chip_count,
        "batch": row.batch,
        "per": ledger.per,
        "energy_j": ledger.energy_j.interval.as_dict(),
        "unit": row.unit,
        "energy_j_per_unit": row.energy_j_per_unit.as_dict(),
        "units_per_s": row.units_per_s.as_dict(),
        "step_s": row.step_s.as_dict(),
        "latency_s": ledger.latency_s.interval.as_dict(),
        "power_w": row.power_w.as_dict(),
        "bound": ledger.bound,
        "evidence": ledger.evidence.label,
        "guessed_frac": ledger.guessed_frac,
        "causes": [
            {"cause": str(cause), "energy_j": spread.interval.as_dict(), "guessed_frac": ledger.guessed_frac_of(cause)}
            for cause, spread in ledger.by_cause().items()
        ],
        "parts": [{"part": part, "energy_j": spread.interval.as_dict()} for part, spread in ledger.by_part().items()],
        "sources": list(ledger.sources),
        "notes": _once([*ledger.notes, *(f"{entry.part}: {entry.note}" for entry in ledger.entries if entry.note)]),
    }


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))
