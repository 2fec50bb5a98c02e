"""Pruning: a cut model computes what the whole one does with the cut weights zero, and nothing is cut by guess."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.random_networks import Made, convnets, transformers

from twentywatts.slimming import _cut
from twentywatts.slimming.coupling import coupled

ort = pytest.importorskip("onnxruntime")


def outputs(content: bytes, samples: int = 2) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    shape = [samples, *spec.shape[1:]]
    x = np.random.default_rng(7).normal(size=shape).astype(np.float32)
    return session.run(None, {spec.name: x})[0]


def check_cut(content: bytes, random: np.random.Generator) -> None:
    """Cut units at random, and compare with the model whose weights that read them are zero."""
    coupling = coupled(content)
    np.testing.assert_allclose(outputs(coupling.settled.content), outputs(content), rtol=1e-5, atol=1e-6)
    gone = []
    for group in coupling.groups:
        count = random.integers(0, group.unit_count)
        gone.append(random.permutation(group.atoms)[:count])
    atoms = np.concatenate(gone) if gone else np.zeros(0, dtype=np.int64)
    small, whole = _cut.cut(coupling, atoms), _cut.masked(coupling, atoms)
    np.testing.assert_allclose(outputs(small), outputs(whole), rtol=1e-4, atol=1e-5)


@settings(max_examples=25)
@given(convnets(), st.integers(0, 2**32 - 1))
def test_cut_convolutional_networks_compute_the_same(made: Made, seed: int) -> None:
    check_cut(made.content, np.random.default_rng(seed))


@settings(max_examples=25)
@given(transformers(), st.integers(0, 2**32 - 1))
def test_cut_transformers_compute_the_same(made: Made, seed: int) -> None:
    check_cut(made.content, np.random.default_rng(seed))
