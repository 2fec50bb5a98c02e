"""A torch module held against onnxruntime, as it is and with its weights changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from twentywatts.slimming.learning.trainable import trainable, written

__all__ = ["F", "I", "agree", "array", "compare", "ran"]

Feeds = Mapping[str, NDArray[Any]]
F, I = np.float32, np.int64  # noqa: E741


def array(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> NDArray[Any]:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(F)


def ran(content: bytes, feeds: Feeds) -> list[NDArray[Any]]:
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, dict(feeds))]


def agree(content: bytes, feeds: Feeds, within: float = 1e-5) -> Any:
    """Check the module against onnxruntime, as it is and with every weight changed and written; return it."""
    module = trainable(content)
    given_ = {name: torch.from_numpy(np.array(value)) for name, value in feeds.items()}
    assert written(module) == content
    compare(module, given_, ran(content, feeds), within)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.01).add_(0.003)
    compare(module, given_, ran(written(module), feeds), within)
    return module


def compare(module: Any, feeds: Mapping[str, Any], wanted: Sequence[NDArray[Any]], within: float) -> None:
    with torch.no_grad():
        found = list(module(feeds).values())
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert tuple(ours.shape) == theirs.shape
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=within, atol=within)
