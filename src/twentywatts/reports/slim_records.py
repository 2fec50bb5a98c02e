"""Parts of the slimming document: scores, fronts of machines, differences of order, advice."""

from __future__ import annotations

from typing import Any

from twentywatts.slimming.elsewhere.advice import Advice
from twentywatts.slimming.elsewhere.orders import OrderDifference
from twentywatts.slimming.elsewhere.targets import Point, Target
from twentywatts.slimming.proof.trial import Score

__all__ = ["advice_record", "order_record", "score_record", "target_record"]

Record = dict[str, Any]


def score_record(score: Score) -> Record:
    """Return a score against the model as given, with its bound; ``keeps`` is None where the samples cannot tell."""
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


def target_record(target: Target) -> Record:
    """Return a machine's points, the cheapest first; ``best`` is the digest of the one accepted, None where none is."""
    return {
        "machine": target.machine,
        "title": target.title,
        "family": target.family,
        "standing": target.standing,
        "reason": target.reason,
        "best": target.best.candidate.digest if target.best else None,
        "guard_looks": target.asked_count,
        "points": [_point(point) for point in target.points],
        "refused": [{"name": name, "reason": reason} for name, reason in target.refused],
        "notes": list(target.notes),
    }


def _point(point: Point) -> Record:
    ledger = point.energy
    return {
        "digest": point.candidate.digest,
        "name": point.candidate.brief,
        "form": point.form,
        "setting": dict(point.setting),
        "energy_j": ledger.energy_j.interval.as_dict(),
        "latency_s": ledger.latency_s.interval.as_dict(),
        "against_given": point.against_given.as_dict(),
        "boundary": str(ledger.boundary),
        "evidence": ledger.evidence.label,
        "guessed_frac": ledger.guessed_frac,
        "chip_count": ledger.chip_count,
        "search": score_record(point.search),
        "guard": None if point.guard is None else score_record(point.guard),
        "accepted": point.is_accepted,
        "on_front": point.on_front,
        "sources": list(ledger.sources),
        "notes": list(dict.fromkeys([*ledger.notes, *ledger.not_covered])),
    }


def order_record(order: OrderDifference) -> Record:
    """Return two candidates, by digest, that change places between two machines."""
    return {
        "machine": order.machine,
        "other": order.other,
        "better": order.better,
        "worse": order.worse,
        "ratio": order.ratio.as_dict(),
        "other_ratio": order.other_ratio.as_dict(),
        "sure": order.is_sure,
    }


def advice_record(advice: Advice) -> Record:
    """Return one piece of advice; ``basis`` says whether its saving was measured or predicted."""
    return {
        "kind": advice.kind,
        "machine": advice.machine,
        "title": advice.title,
        "text": advice.text,
        "basis": str(advice.basis),
        "against": advice.against,
        "saving": advice.saving.as_dict(),
        "saved_j": advice.saved_j.as_dict(),
    }
