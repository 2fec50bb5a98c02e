"""The main job: one model, its own data, many kinds of machine, at held accuracy."""

from twentywatts.comparison.job import compare, default_machines
from twentywatts.comparison.metrics import Metric, metric_of
from twentywatts.comparison.result import Baseline, Comparison, DataSummary, ModelSummary, Refusal, Role, Row

__all__ = [
    "Baseline",
    "Comparison",
    "DataSummary",
    "Metric",
    "ModelSummary",
    "Refusal",
    "Role",
    "Row",
    "compare",
    "default_machines",
    "metric_of",
]
