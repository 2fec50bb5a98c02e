"""The JSON document of slimming: schema ``twentywatts.slim/1``. The table and the page render it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from twentywatts.ledger import Ledger
from twentywatts.reports.records import plain, source_records
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.guard import ClassDrop
from twentywatts.slimming.result import Entry, Outcome, Slimmed
from twentywatts.slimming.trial import Score
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
        "refused": [asdict(refusal) for refusal in result.refused],
        "sources": source_records(_sources(result), own={}),
        "notes": list(result.notes),
        "run": {**_measured(result), **result.run},
    }
    rounded = plain(document)
    assert isinstance(rounded, dict)
    return rounded


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
        "search": _score(entry.search),
        "guard": None if entry.look is None else {**_score(entry.look.score), "worst_class": _worst(entry.look.worst)},
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


def _score(score: Score) -> Document:
    return {
        "score": score.value,
        "drop": score.drop,
        "bound": score.verdict.bound,
        "keeps": score.verdict.keeps,
        "sentence": score.verdict.sentence,
        "sample_count": score.sample_count,
        "lost": score.lost,
        "gained": score.gained,
    }


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
    """Return what was timed here: the fresh measurement, and the quick one that ranked."""
    ranking = [
        {"digest": entry.digest, "cpu_time_s": entry.time_s, "saving": entry.saving}
        for entry in result.entries
        if entry.time_s is not None
    ]
    return {
        "measured": None if result.outcome is None else _outcome(result.outcome),
        "ranking": ranking,
        "interrupted": result.is_interrupted,
    }


def _outcome(outcome: Outcome) -> Document:
    def joules(name: str) -> dict[str, float] | None:
        found: Interval | None = outcome.energy_j.get(name)
        return None if found is None else found.as_dict()

    return {
        "given": {"cpu_time_s": outcome.given.time_s.as_dict(), "energy_j": joules("given")},
        "best": {
            "cpu_time_s": outcome.best.time_s.as_dict(),
            "energy_j": joules("best"),
            "saving": outcome.best.saving.as_dict(),
        },
        "why_no_joules": outcome.why_no_joules,
        "verdict": outcome.verdict,
    }


def _sources(result: Slimmed) -> list[str]:
    return sorted({key for entry in result.entries if entry.ledger for key in entry.ledger.sources})
