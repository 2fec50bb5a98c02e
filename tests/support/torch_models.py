"""Small torch models with every layer that has multiply-accumulates; imported only where torch is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["MODELS"]


class Convolutions(nn.Module):
    """Plain, depthwise and dilated, grouped, transposed; then a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8, dilation=2)
        self.grouped = nn.Conv2d(8, 16, 1, groups=4, bias=False)
        self.normal = nn.BatchNorm2d(16)
        self.transposed = nn.ConvTranspose2d(16, 6, 3, stride=2, groups=2)
        self.last = nn.Linear(6, 10)

    def forward(self, x: Any) -> Any:
        """Take (batch, 3, height, width)."""
        x = torch.relu(self.normal(self.grouped(self.depthwise(torch.relu(self.plain(x))))))
        return self.last(torch.relu(self.transposed(x)).mean((2, 3)))


class OneAndThree(nn.Module):
    """Convolutions over one and three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv1d(4, 6, 5, padding=2, groups=2)
        self.three = nn.Conv3d(6, 4, 3)
        self.back = nn.ConvTranspose1d(4, 3, 4, stride=3)

    def forward(self, x: Any) -> Any:
        """Take (batch, 4, 64)."""
        return self.back(self.three(self.one(x).reshape(-1, 6, 4, 4, 4)).flatten(2))


class Recurrent(nn.Module):
    """Two bidirectional recurrent layers, time first."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.body = kind(12, 20, num_layers=2, bidirectional=True)
        self.last = nn.Linear(40, 5)

    def forward(self, x: Any) -> Any:
        """Take (time, batch, 12)."""
        return self.last(self.body(x)[0])


class Attention(nn.Module):
    """Multi-head attention with a residual and a normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.normal = nn.LayerNorm(32)

    def forward(self, x: Any) -> Any:
        """Take (batch, length, 32)."""
        return self.normal(x + self.attention(x, x, x)[0])


class Fused(nn.Module):
    """Attention as one operator."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(32, 96)

    def forward(self, x: Any) -> Any:
        """Take (2, 9, 32)."""
        query, key, value = self.project(x).reshape(2, 9, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        return functional.scaled_dot_product_attention(query, key, value)


class Einstein(nn.Module):
    """Two Einsums."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 8, 16))

    def forward(self, x: Any) -> Any:
        """Take (batch, length, 8)."""
        heads = torch.einsum("bld,hdk->bhlk", x, self.weight)
        return torch.einsum("bhlk,bhmk->bhlm", heads, heads)


class Encoder(nn.Module):
    """An embedding and a transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 32)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    def forward(self, x: Any) -> Any:
        """Take tokens (batch, length)."""
        return self.layer(self.table(x))


class Together(nn.Module):
    """Several models beside each other: an export costs seconds, whatever it exports."""

    def __init__(self, *models: nn.Module) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, *inputs: Any) -> Any:
        """Take one input for each."""
        return tuple(model(x) for model, x in zip(self.models, inputs, strict=True))


MODELS: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Any, ...]]]] = {
    "convolutions and products": (
        lambda: Together(Convolutions(), OneAndThree(), Einstein()),
        lambda: (torch.randn(2, 3, 32, 32), torch.randn(2, 4, 64), torch.randn(2, 5, 8)),
    ),
    "attention": (
        lambda: Together(Attention(), Fused(), Encoder()),
        lambda: (torch.randn(2, 9, 32), torch.randn(2, 9, 32), torch.randint(0, 50, (2, 9))),
    ),
    "lstm": (lambda: Recurrent(nn.LSTM), lambda: (torch.randn(4, 3, 12),)),
    "gru": (lambda: Recurrent(nn.GRU), lambda: (torch.randn(4, 3, 12),)),
}
