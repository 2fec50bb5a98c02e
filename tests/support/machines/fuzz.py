"""Broken trees without end: a fixture machine with some of its files spoiled, by a seed."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from tests.support.machines.record import Machine
from tests.support.machines.simulation import Simulation

__all__ = ["spoil", "spoiled"]

_TEXTS = (
    "",
    "\n",
    "-1",
    "0",
    "1e9",
    "nan",
    "inf",
    "0x10",
    "1_000",
    "9" * 19,
    "9" * 20,
    "9" * 5000,
    "18446744073709551615",
    "18446744073709551616",
    "12 34",
    "package-0",
    "package-99999999999999999999",
    "psys",
    "dram",
    "core",
    "Discharging",
    "Battery",
    "VDD_IN",
    "amdgpu",
    "Esocket0",
    "Module Power Socket 0",
    "event=0x02",
    "event=0xffffffff,umask=1",
    "0-4294967295",
    "0,0,0",
    "Joules",
    "\x00" * 64,
    "\u0663",
    "\u2603" * 300,
)


def spoiled(machine: Machine, folder: Path, seed: int) -> Simulation:
    """Build a machine in ``folder`` and spoil up to eight of its files; the same seed spoils the same."""
    simulation = machine.at(folder).simulation
    before = {name: dial.path.read_text() for name, dial in simulation.dials.items() if dial.path}
    spoil(folder, random.Random(seed))
    simulation.dials = {name: dial for name, dial in simulation.dials.items() if _text(dial.path) == before.get(name)}
    return simulation


def _text(path: Path | None) -> str | None:
    """Return the text of a plain file; a spoiled one must not be written to (it may be a link to anything)."""
    return path.read_text(errors="replace") if path and path.is_file() and not path.is_symlink() else None


def spoil(folder: Path, chance: random.Random) -> None:
    """Spoil up to eight files of a tree: other text or bytes, gone, a folder, a link out of the root or in a loop."""
    for _ in range(chance.randint(1, 8)):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        if not files:
            return
        path, other = chance.choice(files), chance.choice(files)
        match chance.randrange(8):
            case 0 | 1 | 2:
                path.write_text(chance.choice(_TEXTS), encoding="utf-8")
            case 3:
                path.write_bytes(chance.randbytes(chance.randint(0, 5000)))
            case 4:
                path.unlink()
            case 5:
                path.unlink()
                path.mkdir()
            case 6:
                path.unlink()
                path.symlink_to(
                    chance.choice(("/dev/zero", "/dev/null", path.name, "/proc/self/mem", os.fspath(other)))
                )
            case 7:
                shutil.rmtree(path.parent)
