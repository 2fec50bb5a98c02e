"""Train the bundled digits network and write examples/digits.onnx.

A small convnet with BatchNorm and ReLU on the training part of scikit-learn's digits. In the second half of the epochs
activations are clipped and rounded to a few levels with a straight-through gradient (Bu et al. 2022, arXiv 2303.04347),
and weights are perturbed in every step (Joshi et al. 2020, doi 10.1038/s41467-020-16108-9), so that the plain ReLU
network that is exported survives coarse arithmetic and noisy cells. Needs torch; the seed is fixed.
Usage: python bench/make_digits.py [examples/digits.onnx]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from digits_data import digits

LEVELS = 8
NOISE = 0.09


class Rounded(nn.Module):
    """ReLU while ``on`` is False, else clip to a learned bound and round to LEVELS steps."""

    def __init__(self) -> None:
        super().__init__()
        self.bound = nn.Parameter(torch.tensor(2.0))
        self.on = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activation; the rounding passes the gradient straight through."""
        if not self.on:
            return torch.relu(x)
        share = torch.clamp(x / self.bound, 0, 1)
        steps = torch.floor(share * LEVELS + 0.5) / LEVELS
        return (share + (steps - share).detach()) * self.bound


def build() -> nn.Sequential:
    """Return conv24 – conv16 (stride 2) – dense 64 – dense 10: no neuron has more than 256 inputs."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        Rounded(),
        nn.Conv2d(24, 16, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(16),
        Rounded(),
        nn.Flatten(),
        nn.Linear(256, 64),
        Rounded(),
        nn.Dropout(0.2),
        nn.Linear(64, 10),
    )


def shifted(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the images moved by up to one pixel, with a little noise."""
    moves = torch.randint(-1, 2, (len(x), 2), generator=generator)
    moved = torch.stack([torch.roll(image, tuple(move.tolist()), (1, 2)) for image, move in zip(x, moves, strict=True)])
    return (moved + 0.05 * torch.randn(x.shape, generator=generator)).clamp(0, 1)


@contextmanager
def noisy_weights(net: nn.Sequential, share: float, generator: torch.Generator) -> Iterator[None]:
    """Add Gaussian noise to weights, as a share of each output's largest, for one forward and backward pass."""
    layers = [module for module in net if isinstance(module, nn.Conv2d | nn.Linear)]
    clean = [layer.weight.detach().clone() for layer in layers]
    with torch.no_grad():
        for layer in layers:
            largest = layer.weight.abs().flatten(1).amax(1).reshape(-1, *[1] * (layer.weight.dim() - 1))
            layer.weight += share * largest * torch.randn(layer.weight.shape, generator=generator)
    yield
    with torch.no_grad():
        for layer, weight in zip(layers, clean, strict=True):
            layer.weight.copy_(weight)


def train(net: nn.Sequential, x: torch.Tensor, y: torch.Tensor, *, epochs: int = 240) -> None:
    """Train with AdamW; the second half of the epochs uses rounded activations."""
    generator = torch.Generator().manual_seed(20)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for epoch in range(epochs):
        for module in net.modules():
            if isinstance(module, Rounded):
                module.on = epoch >= epochs // 2
        order = torch.randperm(len(x), generator=generator)
        for batch in order.split(64):
            optimiser.zero_grad()
            with noisy_weights(net, NOISE if epoch >= epochs // 2 else 0.0, generator):
                loss = nn.functional.cross_entropy(net(shifted(x[batch], generator)), y[batch], label_smoothing=0.05)
                loss.backward()
            optimiser.step()
        schedule.step()


def export(net: nn.Sequential, path: Path) -> None:
    """Write the network with plain ReLU and separate BatchNorm nodes; the batch axis is dynamic."""
    nodes, weights, value = [], [], "image"

    def put(name: str, tensor: torch.Tensor) -> str:
        weights.append(numpy_helper.from_array(tensor.detach().numpy().astype(np.float32), name))
        return name

    for index, module in enumerate(net):
        name = f"{type(module).__name__.lower().removesuffix('2d')}{index}"
        if isinstance(module, nn.Conv2d):
            inputs, op = [put(f"{name}.weight", module.weight)], "Conv"
            attributes = {"pads": [1] * 4, "strides": list(module.stride), "kernel_shape": [3, 3]}
        elif isinstance(module, nn.BatchNorm2d):
            fields = ("weight", "bias", "running_mean", "running_var")
            inputs, op = [put(f"{name}.{field}", getattr(module, field)) for field in fields], "BatchNormalization"
            attributes = {"epsilon": module.eps}
        elif isinstance(module, nn.Linear):
            inputs, op = [put(f"{name}.weight", module.weight), put(f"{name}.bias", module.bias)], "Gemm"
            attributes = {"transB": 1}
        elif isinstance(module, Rounded | nn.Flatten):
            inputs, attributes = [], {}
            op, name = ("Relu", f"relu{index}") if isinstance(module, Rounded) else ("Flatten", name)
        else:
            continue
        nodes.append(helper.make_node(op, [value, *inputs], [f"{name}.out"], name, **attributes))
        value = f"{name}.out"
    nodes[-1].output[0] = "logits"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])
    graph = helper.make_graph(nodes, "digits", [image], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="digits")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def main() -> None:
    """Train, report the accuracy on the unseen part, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", default=Path("examples/digits.onnx"))
    path = parser.parse_args().path
    torch.manual_seed(20)
    torch.set_num_threads(1)
    parts = {name: (torch.from_numpy(x), torch.from_numpy(y)) for name, (x, y) in digits().items()}
    net = build()
    train(net, *parts["train"])
    net.eval()
    for on in (True, False):
        for module in net.modules():
            if isinstance(module, Rounded):
                module.on = on
        with torch.no_grad():
            right = (net(parts["test"][0]).argmax(1) == parts["test"][1]).float().mean()
        print(f"unseen part, {'rounded' if on else 'plain ReLU'}: {right:.4f}")
    export(net, path)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
