"""Damaged machines: two hundred here, ten thousand in bench/fuzz_meter.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.fuzz_meter import play


@pytest.mark.parametrize("block", range(10))
def test_a_damaged_machine_gives_honest_joules_or_a_reason(block: int, tmp_path: Path) -> None:
    for seed in range(20 * block, 20 * block + 20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        kind, wrong, _ = play(seed, folder)
        assert not wrong, (seed, kind, wrong)
