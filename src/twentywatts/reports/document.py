"""The JSON document of a comparison: schema ``twentywatts.comparison/1``. The table and the page render it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from twentywatts.comparison.result import Baseline, Comparison, Row
from twentywatts.comparison.twins import Twin
from twentywatts.ledger import Cause, Ledger
from twentywatts.reports.always_on import always_on_record
from twentywatts.reports.output import check_writable, write_json
from twentywatts.reports.records import plain, source_records
from twentywatts.uncertain import Interval

__all__ = ["SCHEMA", "check_writable", "comparison_document", "write_json"]

SCHEMA = "twentywatts.comparison/1"

Document = dict[str, Any]


def comparison_document(comparison: Comparison) -> Document:
    """Return a comparison as plain values, keys in a fixed order, numbers with six significant digits.

    Quantities are ``{"low", "mid", "high"}`` in SI units under a key with the unit's suffix. ``run`` comes last: it
    alone may differ between two runs of one command. Raises TwentyWattsError where a number is not finite.
    """
    reference = comparison.reference
    document = {
        "schema": SCHEMA,
        "model": asdict(comparison.model),
        "data": asdict(comparison.data),
        "scenario": _scenario(comparison),
        "max_drop": comparison.max_drop,
        "chance": comparison.chance,
        "reference": {"machine": reference.machine, "form": reference.form, "setting": dict(reference.setting)},
        "rows": [_row(row) for row in comparison.rows],
        "ratios": [_ratio(row, reference) for row in comparison.rows],
        "baselines": [_baseline(baseline) for baseline in comparison.baselines],
        "refused": [asdict(refusal) for refusal in comparison.refused],
        "always_on": always_on_record(comparison),
        "sources": source_records(comparison.sources, own=comparison.own_sources),
        "notes": list(comparison.notes),
        "not_covered": _not_covered(comparison),
        "run": dict(comparison.run),
    }
    rounded = plain(document)
    assert isinstance(rounded, dict)
    return rounded


def _scenario(comparison: Comparison) -> Document:
    scenario = comparison.scenario
    return {
        "batch": scenario.batch,
        "rate_per_s": scenario.rate_per_s,
        "duty_frac": scenario.duty_frac,
        "event_rate_per_s": scenario.event_rate_per_s,
        "battery_j": scenario.battery_j,
        "boundary": str(scenario.boundary),
        "axes": dict(scenario.axes),
        "seed": scenario.seed,
        "draws": scenario.draws,
    }


def _row(row: Row) -> Document:
    return {
        "machine": row.machine,
        "title": row.title,
        "role": str(row.role),
        "family": row.family,
        "standing": row.standing,
        "form": row.form,
        "setting": dict(row.setting),
        "accuracy": row.accuracy,
        "accuracy_interval": row.accuracy_interval,
        "accuracy_drop": row.accuracy_drop,
        "drop_bound": row.drop_bound,
        "keeps_accuracy": row.keeps_accuracy,
        "verdict": row.verdict,
        "ratio": _quantity(row.ratio),
        **_account(row.ledger, notes=row.notes),
        "layers": _layers(row.ledger),
        "counts": dict(row.counts),
        "twin": _twin(row.twin),
    }


def _twin(twin: Twin | None) -> Document | None:
    """Return the dense twin of a spiking row: few-bit integers in one pass on the same chip."""
    if twin is None:
        return None
    return {
        "bits": twin.bits,
        "accuracy": twin.accuracy,
        "keeps_accuracy": twin.keeps_accuracy,
        "energy_j": _quantity(twin.ledger.energy_j.interval),
        "latency_s": _quantity(twin.ledger.latency_s.interval),
        "ratio": _quantity(twin.ratio),
        "event_count": twin.event_count,
        "notes": _once(twin.ledger.notes),
    }


def _baseline(baseline: Baseline) -> Document:
    return {
        "name": baseline.name,
        "machine": baseline.ledger.machine,
        "accuracy": baseline.accuracy,
        "accuracy_drop": baseline.accuracy_drop,
        "good_enough": baseline.good_enough,
        "ratio": _quantity(baseline.ratio),
        **_account(baseline.ledger),
    }


def _ratio(row: Row, reference: Row) -> Document:
    return {
        "machine": row.machine,
        "form": row.form,
        "against": reference.machine,
        "energy_ratio": _quantity(row.ratio),
    }


def _account(ledger: Ledger, *, notes: Iterable[str] = ()) -> Document:
    """Return the account that a row and a baseline share."""
    return {
        "energy_j": _quantity(ledger.energy_j.interval),
        "latency_s": _quantity(ledger.latency_s.interval),
        "per": ledger.per,
        "boundary": str(ledger.boundary),
        "evidence": ledger.evidence.label,
        "guessed_frac": ledger.guessed_frac,
        "bound": ledger.bound,
        "chip_count": ledger.chip_count,
        "causes": [
            {
                "cause": str(cause),
                "energy_j": _quantity(spread.interval),
                "guessed_frac": ledger.guessed_frac_of(cause),
            }
            for cause, spread in ledger.by_cause().items()
        ],
        "sources": list(ledger.sources),
        "notes": _once([*notes, *ledger.notes, *(entry.note for entry in ledger.entries)]),
        "not_covered": _once(ledger.not_covered),
    }


def _layers(ledger: Ledger) -> list[Document]:
    total = ledger.energy_j.mid
    main = _main_causes(ledger)
    return [
        {
            "layer": part,
            "energy_j": _quantity(spread.interval),
            "share_frac": spread.mid / total if total > 0 else 0.0,
            "main_cause": str(main[part]),
        }
        for part, spread in ledger.by_part().items()
    ]


def _main_causes(ledger: Ledger) -> dict[str, Cause]:
    """Return the cause of most of the joules of each layer or component."""
    joules: dict[str, dict[Cause, float]] = {}
    for entry in ledger.entries:
        causes = joules.setdefault(entry.part, {})
        causes[entry.cause] = causes.get(entry.cause, 0.0) + entry.energy_j.mid
    return {part: max(causes, key=lambda cause: causes[cause]) for part, causes in joules.items()}


def _not_covered(comparison: Comparison) -> list[str]:
    """Return what no total contains: what every account lacks, and operators that are not understood."""
    ledgers = [row.ledger for row in comparison.rows] + [baseline.ledger for baseline in comparison.baselines]
    unknown = [f"layer '{name}' of the model is not understood and not priced" for name in comparison.model.unknown]
    return _once([*unknown, *(text for ledger in ledgers for text in ledger.not_covered)])


def _quantity(interval: Interval) -> dict[str, float]:
    return interval.as_dict()


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))
