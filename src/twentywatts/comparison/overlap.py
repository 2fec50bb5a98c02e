"""Samples that stand in both files: what was trained on can prove nothing, so it is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from twentywatts.errors import DataError
from twentywatts.readers.samples import Samples

__all__ = ["apart"]

_LEAST = 2  # samples that must be left to train on


def apart(train: Samples, data: Samples) -> tuple[Samples, str]:
    """Return the training samples whose inputs do not occur in ``data``, and what a reader must know, or empty.

    Raises DataError where fewer than two are left.
    """
    held = set(_digests(data))
    kept = np.array([digest not in held for digest in _digests(train)], dtype=bool)
    gone = int((~kept).sum())
    if not gone:
        return train, ""
    if kept.sum() < _LEAST:
        raise DataError(
            f"every sample of '{train.name}' stands in '{data.name}' too: what was trained on can prove nothing; "
            "give samples to train on that are not among those to prove with"
        )
    note = f"{gone} of {train.count} samples of {train.name} stand in {data.name} too: they are left out"
    return train.take(np.flatnonzero(kept)), note


def _digests(samples: Samples) -> Iterator[bytes]:
    """Yield a digest of each sample's inputs."""
    names = sorted(samples.inputs)
    for row in range(samples.count):
        digest = hashlib.blake2b(digest_size=16)
        for name in names:
            digest.update(np.ascontiguousarray(samples.inputs[name][row]).tobytes())
        yield digest.digest()
