"""Plug-ins: the static table first, installed entry points only for other names."""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

from twentywatts import plugins
from twentywatts.errors import MachineError
from twentywatts.machines import load


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with a machine, a broken machine and a reader, as pip would lay it out."""
    (tmp_path / "chipmaker.py").write_text(
        "def tables():\n    return {'schema': 'twentywatts.machine/1', 'name': 'foreign', 'title': 'T',\n"
        "        'summary': 'S', 'family': 'neuromorphic', 'year': 2030, 'refused': 'nothing is published'}\n"
        "def broken():\n    raise RuntimeError('no licence')\n"
        "def number():\n    return 7\n"
        "def reader(path, *, batch, axes):\n    return 'network'\n"
    )
    info = tmp_path / "chipmaker-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chipmaker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[twentywatts.machines]\nforeign = chipmaker:tables\nbroken = chipmaker:broken\nnumber = chipmaker:number\n"
        "absent = chipmaker:nothing\n[twentywatts.readers]\nxyz = chipmaker:reader\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "chipmaker", raising=False)
    return tmp_path


def test_every_built_in_can_be_imported() -> None:
    for kind, table in plugins._BUILT_IN.items():
        for name in table:
            if import_module(table[name].split(":")[0]):
                assert callable(plugins.find(kind, name)), name


def test_built_ins_are_found_without_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: pytest.fail("entry points were scanned"))
    assert plugins.find("pricers", "SpikingWorkload") is not None
    load("loihi")


def test_a_name_that_nobody_registered_is_none() -> None:
    assert plugins.find("machines", "no-such-machine") is None


@pytest.mark.usefixtures("installed")
def test_an_installed_machine_is_found_and_listed() -> None:
    assert "foreign" in plugins.names("machines")
    machine = load("foreign")
    assert (machine.title, machine.origin) == ("T", "plug-in foreign")
    assert plugins.find("readers", "xyz") is not None


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "words"), [("broken", "no licence"), ("absent", "nothing"), ("number", "wanted a table with schema")]
)
def test_a_broken_plug_in_is_named(name: str, words: str) -> None:
    with pytest.raises(MachineError) as caught:
        load(name)
    assert name in str(caught.value)
    assert words in str(caught.value)
