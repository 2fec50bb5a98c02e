"""Networks of the slimming benches and the one way in which they are trained: AdamW along a cosine, seeded, one thread.

Digits: `conv` (two convolutions and a dense layer), `vgg` (four and one), `residual` (BatchNorm, two widths, three
residual blocks), `dense` (two layers of 512), `strided` (one convolution of stride 2 and three dense layers with leaky
ReLU), `separable` (depthwise-separable, which is slim already). `keywords` is a
small convnet on 1 × 50 × 40 log-mel features; `text` a transformer of two layers on 24 word numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from twentywatts.readers.torch_module import model_file

BATCH = 64


def conv() -> nn.Module:
    return nn.Sequential(
        *_plain(1, 32), *_plain(32, 64), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def vgg() -> nn.Module:
    return nn.Sequential(
        *_plain(1, 32), *_plain(32, 32), nn.MaxPool2d(2), *_plain(32, 64), *_plain(64, 64), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def residual() -> nn.Module:
    blocks = Residual(32, 32), Residual(32, 64, 2), Residual(64, 64)
    return nn.Sequential(*_normed(1, 32), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def separable() -> nn.Module:
    pairs = ((32, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1))
    layers = [layer for pair in pairs for layer in _separable(*pair)]
    return nn.Sequential(*_normed(1, 32), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def dense() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def strided() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 48, 3, 2, 1), nn.LeakyReLU(0.1), nn.Flatten(),
        nn.Linear(768, 256), nn.LeakyReLU(0.1), nn.Linear(256, 128), nn.LeakyReLU(0.1), nn.Linear(128, 10),
    )  # fmt: skip


DIGITS = {"conv": conv, "vgg": vgg, "residual": residual, "dense": dense, "strided": strided, "separable": separable}


def keywords(classes: int) -> nn.Module:
    """Return a convnet for 1 × 50 × 40 features: 5.6 million multiply-accumulates."""
    return nn.Sequential(
        *_normed(1, 32, 2), *_normed(32, 48, 2), *_normed(48, 48), *_normed(48, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes),
    )  # fmt: skip


class Text(nn.Module):
    """Words → classes: embedding of words and places, transformer layers, mean over places, dense layer."""

    def __init__(self, words: int, classes: int, *, length: int = 24, width: int = 96, layers: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.ModuleList([Layer(width) for _ in range(layers)])
        self.out = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores (samples, classes) of word numbers (samples, length)."""
        h = self.words(x) + self.places
        for layer in self.layers:
            h = layer(h)
        return self.out(h.mean(1))


class Layer(nn.Module):
    """Attention of four heads and a feed-forward part of four times the width, each behind a norm."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.query, self.key, self.value, self.join = (nn.Linear(width, width) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
        self.drop = nn.Dropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x of the same shape (samples, places, width)."""
        normed = self.norms[0](x)
        query, key, value = (self._split(part(normed)) for part in (self.query, self.key, self.value))
        weights = torch.softmax(query @ key.transpose(-1, -2) / self.size**0.5, -1)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        x = x + self.drop(self.join(mixed))
        return x + self.drop(self.feed(self.norms[1](x)))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, self.size)).transpose(1, 2)


class Residual(nn.Module):
    """Two convolutions with BatchNorm, and the input beside them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.main = nn.Sequential(*_normed(inputs, outputs, stride), *_normed(outputs, outputs)[:-1])
        straight = inputs == outputs and stride == 1
        side = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.side = nn.Identity() if straight else nn.Sequential(*side)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activation after both ways are added."""
        return torch.relu(self.main(x) + self.side(x))


def _plain(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]


def _normed(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def _separable(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    depth = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
    point = nn.Conv2d(inputs, outputs, 1, bias=False)
    return [depth, nn.BatchNorm2d(inputs), nn.ReLU(), point, nn.BatchNorm2d(outputs), nn.ReLU()]


def trained(
    net: nn.Module, x: np.ndarray, y: np.ndarray, *, epochs: int, seed: int, hidden_frac: float = 0.0
) -> nn.Module:
    """Return the network, trained on all of x and y.

    hidden_frac: share of words that are made unknown (1) in each step, anew each time.
    """
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3 if hidden_frac == 0 else 1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    generator = torch.Generator().manual_seed(seed)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs), generator=generator).split(BATCH):
            batch = inputs[rows]
            if hidden_frac:
                batch = batch.masked_fill(torch.rand(batch.shape, generator=generator) < hidden_frac, 1)
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(batch), targets[rows]).backward()
            optimiser.step()
        schedule.step()
    return net.eval()


def exported(net: nn.Module, x: np.ndarray, path: Path) -> None:
    """Write the network as ONNX through the library's own reader."""
    with model_file(net, example=x[:2]) as found:
        path.write_bytes(found.read_bytes())
