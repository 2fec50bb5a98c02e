"""Damaged files: two hundred here, ten thousand in bench/fuzz_inputs.py."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bench.fuzz_inputs import attempt, damaged, valid_files


def test_valid_files_are_read(tmp_path: Path) -> None:
    for name, content in valid_files().items():
        assert attempt(name, content, tmp_path) == "read", name


@pytest.mark.parametrize("seed", range(10))
def test_damaged_files_are_refused_or_read(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    files = valid_files()
    for _ in range(20):
        name = rng.choice(sorted(files))
        assert attempt(name, damaged(name, files[name], rng), tmp_path) in ("read", "refused"), (seed, name)
