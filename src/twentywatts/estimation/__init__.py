"""Estimation: what is not run here: language models, images and videos, on chips you do not have."""

from twentywatts.estimation.job import estimate
from twentywatts.estimation.result import Estimation, EstimationRow, ModelCard, Refusal

__all__ = ["Estimation", "EstimationRow", "ModelCard", "Refusal", "estimate"]
