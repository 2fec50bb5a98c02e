"""Rules: how the work of each operator follows from shapes and attributes. One table by domain and operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twentywatts.counting.rules import (
    attention,
    contrib,
    convolution,
    elementwise,
    movement,
    normalization,
    product,
    recurrent,
)
from twentywatts.counting.view import LayerView, Work

__all__ = ["RULES", "Rule"]

Rule = Callable[[LayerView], Work]
_MODULES = (elementwise, movement, normalization, convolution, product, recurrent, attention, contrib)
RULES: Mapping[tuple[str, str], Rule] = {key: rule for module in _MODULES for key, rule in module.RULES.items()}
