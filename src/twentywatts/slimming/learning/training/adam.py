"""Adam in public tensor operations: torch's own brings its compiler along, seconds of imports for twenty lines.

Source: Kingma & Ba 2014 (arXiv 1412.6980), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

__all__ = ["Adam"]

_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8  # the paper's own settings


class Adam:
    """Moves parameters against the running mean of their gradients, in units of its running deviation."""

    def __init__(self, parameters: Iterable[Any]) -> None:
        self._moments = [(p, torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
        self._count = 0

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter, _, _ in self._moments:
            parameter.grad = None

    def step(self, learning_rate: float) -> None:
        """Move every parameter that has a gradient once."""
        self._count += 1
        size = learning_rate / (1.0 - _FIRST**self._count)
        unit = (1.0 - _SECOND**self._count) ** 0.5
        with torch.no_grad():
            for parameter, mean, square in self._moments:
                gradient = parameter.grad
                if gradient is not None:
                    mean.lerp_(gradient, 1.0 - _FIRST)
                    square.mul_(_SECOND).addcmul_(gradient, gradient, value=1.0 - _SECOND)
                    parameter.addcdiv_(mean, square.sqrt().div_(unit).add_(_TINY), value=-size)
