"""Journals that nobody asked for: the latest whose meter is gone, and not too many of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from twentywatts.errors import InputError
from twentywatts.meter import kept
from twentywatts.meter.journal import Journal

pytest.importorskip("fcntl")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "twentywatts"


def keep() -> Journal:
    journal = kept.keep({"host": "here"})
    assert journal is not None
    return journal


def test_what_a_meter_holds_was_not_cut_off(folder: Path) -> None:
    living = keep()
    assert living.path.parent == folder
    with pytest.raises(InputError, match="no measurement was cut off"):
        kept.latest()
    living.close()  # as the system does it when a process is killed
    assert kept.latest() == living.path
    kept.throw_away(living)
    with pytest.raises(InputError, match="no measurement was cut off"):
        kept.latest()


def test_the_latest_is_told_and_the_oldest_go(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for number in range(30):
        (folder / f"20260101T0000{number:02}-000000000-1.journal").write_text("{}")
    assert kept.latest().name.startswith("20260101T000029")
    newest = keep()
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 20 + 2
    assert "notes.txt" in names
    assert names[0].startswith("20260101T000010")
    newest.close()
    assert kept.latest() == newest.path, "a name tells the time"


def test_a_link_is_no_journal_of_ours(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "other").write_text("{}")
    (folder / "20260101T000000-000000000-1.journal").symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="no measurement was cut off"):
        kept.latest()


def test_without_a_home_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert kept.keep({}) is None
    with pytest.raises(InputError, match="--resume FILE"):
        kept.latest()
