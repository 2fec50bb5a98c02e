"""Mixtures: between two samples, the class the teacher's; what cannot be mixed comes back as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.support.planted import WIDTH, network, samples

from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.learning.mixing import TIMES, with_mixtures
from twentywatts.slimming.proof.trial import opened

TEACHER = Candidate(content=network())


@pytest.fixture(scope="module")
def given() -> Samples:
    return samples("train", 120)


def test_the_samples_come_first_and_mixtures_lie_between_two_of_them(given: Samples) -> None:
    found = with_mixtures(given, TEACHER)
    assert found.count == (1 + TIMES) * given.count
    np.testing.assert_array_equal(found.inputs["x"][: given.count], given.inputs["x"])
    np.testing.assert_array_equal(found.targets[: given.count], given.targets)
    mixed = found.inputs["x"][given.count :]
    assert mixed.dtype == np.float32
    assert (np.abs(mixed) <= np.abs(given.inputs["x"]).max(axis=0) + 1e-6).all()
    assert mixed.std() < given.inputs["x"].std()  # between two samples, not beside them


def test_a_mixture_of_two_is_one_share_of_all_numbers(given: Samples) -> None:
    """With samples that are each one number everywhere, so is every mixture."""
    flat = replace(given, inputs={"x": np.repeat(np.arange(120, dtype=np.float32)[:, None], WIDTH, axis=1)})
    mixed = with_mixtures(flat, TEACHER).inputs["x"]
    np.testing.assert_allclose(mixed, mixed[:, :1].repeat(WIDTH, axis=1), rtol=1e-5)


def test_the_class_of_a_mixture_is_the_teachers(given: Samples) -> None:
    found = with_mixtures(given, TEACHER)
    answers = opened(TEACHER).outputs(found).argmax(axis=1)
    np.testing.assert_array_equal(found.targets[given.count :], answers[given.count :])


def test_what_would_take_too_much_memory_is_not_mixed(given: Samples) -> None:
    """Read-only views of one number each: the bound is on what would be made, and nothing is made to find out."""
    wide = replace(given, inputs={"x": np.broadcast_to(np.float32(0), (120, 2**20))})
    assert with_mixtures(wide, TEACHER) is wide


def test_the_same_seed_mixes_alike(given: Samples) -> None:
    first, second, other = (with_mixtures(given, TEACHER, seed=seed).inputs["x"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "change",
    [
        {"targets": np.zeros(120, np.float32)},
        {"targets": np.zeros((120, 2), np.int64)},
        {"inputs": {"x": np.zeros((120, WIDTH), np.int64)}},
        {"inputs": {"x": np.zeros((1, WIDTH), np.float32)}, "targets": np.zeros(1, np.int64)},
        {"inputs": {"x": np.zeros((4001, WIDTH), np.float32)}, "targets": np.zeros(4001, np.int64)},
    ],
)
def test_what_cannot_be_mixed_comes_back(given: Samples, change: dict[str, object]) -> None:
    odd = replace(given, **change)
    assert with_mixtures(odd, TEACHER) is odd
