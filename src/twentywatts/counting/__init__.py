"""Counting: what a model does, from its layers and shapes alone; nothing is run."""

from twentywatts.counting.counter import count
from twentywatts.counting.result import Counts, LayerCount, UnknownLayer, WeightUse
from twentywatts.counting.work import processor_workload

__all__ = ["Counts", "LayerCount", "UnknownLayer", "WeightUse", "count", "processor_workload"]
