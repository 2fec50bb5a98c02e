"""Lowering: a Network as the few blocks that a converted ReLU network is made of, or the layer that cannot be one."""

from twentywatts.forms.lowering.linear import Floats, Frame, Geometry, Linear, apply, convolution
from twentywatts.forms.lowering.lower import evaluate, largest, lower, sum_of
from twentywatts.forms.lowering.state import Block, Kind, Lowered, Projection

__all__ = [
    "Block",
    "Floats",
    "Frame",
    "Geometry",
    "Kind",
    "Linear",
    "Lowered",
    "Projection",
    "apply",
    "convolution",
    "evaluate",
    "largest",
    "lower",
    "sum_of",
]
