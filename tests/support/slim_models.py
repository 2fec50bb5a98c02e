"""A wide network that decides by a few features, data for it, and what can be planted in its stead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tests.support.onnx_models import info, model_of

from twentywatts.readers.samples import Samples
from twentywatts.slimming.proof.guard import parted

FEATURES, CLASSES, WIDE, MIDDLE, NARROW = 12, 4, 2048, 256, 16
FLAG = FEATURES - 1  # a feature that the network does not look at
_RANDOM = np.random.default_rng(7)
_FIRST = _RANDOM.normal(size=(FEATURES, NARROW)).astype(np.float32)
_FIRST[FLAG] = 0
_LAST = _RANDOM.normal(size=(NARROW, CLASSES)).astype(np.float32)


def network(first: NDArray[np.float32] = _FIRST, last: NDArray[np.float32] = _LAST, *, name: str = "first") -> bytes:
    """Two dense layers."""
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], name=name),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Gemm", ["b", "v"], ["y"], name="last"),
    ]
    weights = [numpy_helper.from_array(first, "w"), numpy_helper.from_array(last, "v")]
    return model_of(nodes, [info("x", ["n", FEATURES])], ["y"], weights).SerializeToString()


def padded(width: int, *, name: str = "first") -> bytes:
    """The same answers from a layer of ``width`` neurons, most of which nobody needs."""
    idle = np.zeros((FEATURES, width - NARROW), dtype=np.float32)
    deaf = np.zeros((width - NARROW, CLASSES), dtype=np.float32)
    return network(np.concatenate([_FIRST, idle], axis=1), np.concatenate([_LAST, deaf]), name=name)


def lucky() -> bytes:
    """The narrow network, wrong wherever the flag is set."""
    first = np.concatenate([_FIRST, np.zeros((FEATURES, 1), dtype=np.float32)], axis=1)
    first[FLAG, -1] = 1.0
    last = np.concatenate([_LAST, np.zeros((1, CLASSES), dtype=np.float32)])
    last[-1, 0] = 1000.0
    return network(first, last)


def samples(count: int = 1800, *, seed: int = 0) -> Samples:
    """Inputs and the network's own answers; the flag is set for guard samples alone."""
    x = np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)
    y = (np.maximum(x @ _FIRST, 0) @ _LAST).argmax(axis=1)
    x[:, FLAG] = 0
    found = Samples(name="data.npz", inputs={"x": x}, targets=y)
    marked = Samples(name="data.npz", inputs={"x": np.arange(count)}, targets=y)
    x[parted(marked, seed=0, trained=False).reported.inputs["x"], FLAG] = 1
    return found


def written(folder: Path, content: bytes, data: Samples) -> tuple[Path, Path]:
    """Write a model and its data; return both paths."""
    model, path = folder / "model.onnx", folder / "data.npz"
    model.write_bytes(content)
    np.savez(path, x=data.inputs["x"], y=data.targets)
    return model, path
