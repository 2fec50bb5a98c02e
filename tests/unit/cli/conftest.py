"""Machines on which commands are measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.living import living
from tests.support.measured import environment


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return an environment in which a client processor's counters live."""
    with living("client", tmp_path / "machine"):
        yield environment(tmp_path / "machine")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return an environment of a machine that has no counter at all."""
    (tmp_path / "bare").mkdir()
    return environment(tmp_path / "bare")
