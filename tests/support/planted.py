"""A problem with a known answer: two classes parted by one plane, and a network that is far wider than it takes."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper
from tests.support.onnx_models import info, model_of

from twentywatts.readers.samples import Samples

__all__ = ["WIDTH", "network", "samples"]

WIDTH = 16


def network(batch: str | int = "n", hidden: int = 256) -> bytes:
    """Two classes parted by one plane, through two layers that are wider than need be."""
    first = np.zeros((WIDTH, hidden), np.float32)
    first[0, :2] = 1, -1
    last = np.zeros((hidden, 2), np.float32)
    last[0, 1] = last[1, 0] = 1
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Gemm", ["b", "v"], ["y"], name="last"),
    ]
    weights = [numpy_helper.from_array(first, "w"), numpy_helper.from_array(last, "v")]
    return model_of(nodes, [info("x", [batch, WIDTH])], ["y"], weights).SerializeToString()


def samples(name: str, count: int) -> Samples:
    x = np.random.default_rng(count).normal(size=(count, WIDTH)).astype(np.float32)
    x[:, 0] += np.sign(x[:, 0])
    return Samples(name=name, inputs={"x": x}, targets=(x[:, 0] > 0).astype(np.int64))
