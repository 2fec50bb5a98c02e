"""A graph as torch.export wants it: tensors one by one, under the names that the model has for its inputs."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from twentywatts.slimming.learning.trainable.module import GraphModule

__all__ = ["Named"]


class Named(nn.Module):  # type: ignore[misc]
    """A module whose ``forward`` takes the graph's inputs by place or name and returns its outputs in their order.

    names: of the arguments: the inputs' own, where Python allows them.
    """

    def __init__(self, module: GraphModule) -> None:
        super().__init__()
        self.module = module
        inputs = [spec.name for spec in module.graph.inputs]
        self.names = [name if name.isidentifier() else f"input_{index}" for index, name in enumerate(inputs)]

        def forward(*tensors: Any, **named: Any) -> tuple[Any, ...]:
            given = dict(zip(self.names, tensors, strict=False)) | named
            return tuple(module({name: given[key] for name, key in zip(inputs, self.names, strict=True)}).values())

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD  # torch names a program's inputs by this signature
        forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in self.names])  # type: ignore[attr-defined]
        self.forward = forward
