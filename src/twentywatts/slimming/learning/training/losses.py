"""How wrong a student's answers are, by what kind of answer it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch.nn import functional

__all__ = ["Answer", "Loss", "likeness", "loss_of"]

Loss = Callable[[Any, Any, Any], Any]
_TINY = 1e-12


class Answer(StrEnum):
    """What the first output is."""

    CLASSES = "classes"
    YES_OR_NO = "yes or no"
    VALUES = "values"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    """What a loss is made of."""

    temperature: float
    hard_frac: float
    axis: int
    variance: float


def loss_of(kind: Answer, *, temperature: float, hard_frac: float, axis: int = 1, variance: float = 1.0) -> Loss:
    """Return a function (student's scores, teacher's scores, targets or None) → mean loss.

    axis: that of the classes. variance: of the teacher's values, the unit of a squared error.
    """
    weights = _Weights(temperature=temperature, hard_frac=hard_frac, axis=axis, variance=max(variance, _TINY))
    soft, hard = {
        Answer.CLASSES: (_soft_classes, _hard_classes),
        Answer.YES_OR_NO: (_soft_yes, _hard_yes),
        Answer.VALUES: (_distance, _distance),
    }[kind]

    def loss(found: Any, taught: Any, wanted: Any) -> Any:
        share = weights.hard_frac if wanted is not None else 0.0
        total = (1.0 - share) * soft(found, taught, weights) if share < 1.0 else 0.0
        return total + share * hard(found, wanted, weights) if share > 0.0 else total

    return loss


def _soft_classes(found: Any, taught: Any, weights: _Weights) -> Any:
    scores = (found.movedim(weights.axis, -1) / weights.temperature).log_softmax(-1)
    answers = (taught.movedim(weights.axis, -1) / weights.temperature).log_softmax(-1)
    rows = scores.numel() // scores.shape[-1]
    total = functional.kl_div(scores, answers, reduction="sum", log_target=True)
    return weights.temperature**2 * total / max(rows, 1)


def _hard_classes(found: Any, wanted: Any, weights: _Weights) -> Any:
    scores = found.movedim(weights.axis, -1)
    return functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), wanted.reshape(-1))


def _soft_yes(found: Any, taught: Any, weights: _Weights) -> Any:
    """Return the divergence from the teacher's odds; it is zero where they are met."""
    shares = torch.sigmoid(taught / weights.temperature)
    own = functional.binary_cross_entropy_with_logits(taught / weights.temperature, shares)
    return weights.temperature**2 * (
        functional.binary_cross_entropy_with_logits(found / weights.temperature, shares) - own
    )


def _hard_yes(found: Any, wanted: Any, weights: _Weights) -> Any:
    return functional.binary_cross_entropy_with_logits(found, wanted.reshape(found.shape))


def _distance(found: Any, wanted: Any, weights: _Weights) -> Any:
    return functional.mse_loss(found, wanted.reshape(found.shape)) / weights.variance


def likeness(found: Any, taught: Any) -> Any:
    """Return how differently two networks see which samples of a batch are alike; the widths need not agree."""
    own, given = (_rows(value) for value in (found, taught))
    return (own - given).square().mean() * len(own)


def _rows(features: Any) -> Any:
    flat = features.flatten(1)
    return functional.normalize(flat @ flat.T, dim=1)
