"""The JSON document of slimming: schema ``twentywatts.slim/1``. The table and the page render it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from twentywatts.figures import Source
from twentywatts.ledger import Ledger
from twentywatts.reports.records import plain_document, source_records
from twentywatts.reports.slim_records import advice_record, order_record, score_record, target_record
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.elsewhere.advice import Advice, Basis
from twentywatts.slimming.proof.guard import ClassDrop
from twentywatts.slimming.result import Entry, Slimmed
from twentywatts.slimming.timing.noop import Effect
from twentywatts.slimming.timing.outcome import Outcome
from twentywatts.uncertain import Interval

__all__ = ["SCHEMA", "slim_document"]

SCHEMA = "twentywatts.slim/1"

Document = dict[str, Any]


def slim_document(result: Slimmed) -> Document:
    """Return a result as plain values, keys in a fixed order, numbers with six significant digits.

    ``predicted`` joules come from counts; what was measured stands under ``run``, which comes last. A candidate's own
    record is the same in every run; which of them were tried in time, and which is best, hangs on what was measured.
    Raises TwentyWattsError where a number is not finite.
    """
    ledgers = [entry.ledger for entry in result.entries if entry.ledger]
    ledgers += [point.energy for target in result.targets for point in target.points]
    document = {
        "schema": SCHEMA,
        "model": asdict(result.model),
        "data": asdict(result.data),
        "scenario": _scenario(result),
        "max_drop": result.max_drop,
        "methods": list(result.methods),
        "candidates": [_candidate(entry) for entry in result.entries],
        "best": result.best.digest,
        "likely": result.likely.digest,
        "unproved": result.unproved,
        "chance": result.chance,
        "targets": [target_record(target) for target in result.targets],
        "orders": [order_record(order) for order in result.orders],
        "advice": _predicted_advice(result.advice),
        "refused": [asdict(refusal) for refusal in result.refused],
        "sources": source_records(_sources(ledgers), own=_own_sources(ledgers)),
        "notes": list(result.notes),
        "run": {**_measured(result), **result.run},
    }
    return plain_document(document)


def _scenario(result: Slimmed) -> Document:
    scenario = result.scenario
    return {
        "batch": scenario.batch,
        "boundary": str(scenario.boundary),
        "axes": dict(scenario.axes),
        "seed": scenario.seed,
    }


def _candidate(entry: Entry) -> Document:
    return {
        "digest": entry.digest,
        "name": entry.name,
        **_origin(entry.candidate),
        "precision": entry.precision,
        "mac_count": entry.mac_count,
        "parameter_count": entry.parameter_count,
        "file_bytes": entry.file_bytes,
        "search": score_record(entry.search),
        "guard": None
        if entry.look is None
        else {**score_record(entry.look.score), "worst_class": _worst(entry.look.worst)},
        "predicted": None if entry.ledger is None else _predicted(entry.ledger),
        "on_front": entry.on_front,
        "no_effect": entry.no_effect,
        "notes": list(entry.notes),
    }


def _origin(candidate: Candidate) -> Document:
    steps = [
        {"name": step.name, "settings": dict(step.settings), "seed": step.seed, "notes": list(step.notes)}
        for step in candidate.steps
    ]
    return {"steps": steps, "parent": candidate.parent}


def _worst(worst: ClassDrop | None) -> Document | None:
    return None if worst is None else {**asdict(worst), "drop": worst.drop}


def _predicted(ledger: Ledger) -> Document:
    return {
        "machine": ledger.machine,
        "energy_j": ledger.energy_j.interval.as_dict(),
        "latency_s": ledger.latency_s.interval.as_dict(),
        "boundary": str(ledger.boundary),
        "evidence": ledger.evidence.label,
        "guessed_frac": ledger.guessed_frac,
    }


def _measured(result: Slimmed) -> Document:
    """Return what was timed here: the fresh measurement, what ranked, and what the search took.

    Of ``ranking`` the times divide: each is that of the model as given over its saving; ``timed`` says how that was
    measured.
    """
    ranking = [
        {"digest": entry.digest, "cpu_time_s": entry.time_s, "saving": entry.saving, "timed": entry.timed}
        for entry in result.entries
        if entry.time_s is not None
    ]
    return {
        "measured": None if result.outcome is None else _outcome(result.outcome),
        "effects": [_effect(found) for found in result.effects],
        "ranking": ranking,
        "search": _search(result),
        "advice": [advice_record(one) for one in result.advice if one.basis is Basis.MEASURED],
        "interrupted": result.is_interrupted,
    }


def _outcome(outcome: Outcome) -> Document:
    return {
        "given": {
            "cpu_time_s": outcome.given.time_s.as_dict(),
            "energy_j": _quantity(outcome.energy_j.get("given")),
        },
        "best": {
            "cpu_time_s": outcome.best.time_s.as_dict(),
            "energy_j": _quantity(outcome.energy_j.get("best")),
            "saving": outcome.best.saving.as_dict(),
        },
        "why_no_joules": outcome.why_no_joules,
        "verdict": outcome.verdict,
    }


def _effect(found: Effect) -> Document:
    return {
        "step": found.step,
        "standing": str(found.standing),
        "sentence": found.sentence,
        "saving": _quantity(found.saving),
    }


def _search(result: Slimmed) -> Document:
    """Return what the search took, and after how many inferences that is paid back."""
    outcome = result.outcome
    if outcome is None:
        return {"wall_s": result.search_s}
    cost, back = outcome.cost, outcome.payback
    return {
        "wall_s": result.search_s,
        "cpu_s": cost.cpu_s,
        "energy_j": _quantity(cost.energy_j),
        "why_no_joules": cost.why_not,
        "pays_back_count": None if back.inferences is None else _finite(back.inferences),
        "pays_back_basis": back.basis,
        "why_never": back.sentence if back.inferences is None else "",
    }


def _quantity(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.as_dict()


def _finite(interval: Interval) -> dict[str, float | None]:
    """Return a quantity whose upper bound may be none at all."""
    return {name: value if math.isfinite(value) else None for name, value in interval.as_dict().items()}


def _predicted_advice(advice: Sequence[Advice]) -> list[Document]:
    return [advice_record(one) for one in advice if one.basis is not Basis.MEASURED]


def _sources(ledgers: Sequence[Ledger]) -> list[str]:
    return sorted({key for ledger in ledgers for key in ledger.sources})


def _own_sources(ledgers: Sequence[Ledger]) -> dict[str, Source]:
    return {key: source for ledger in ledgers for key, source in ledger.own_sources.items()}
