"""A fixture machine that lives: its counters move with the real clock, for this process and those started in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from tests.support.living_site.living_counters import VARIABLE, Counts, Opening, told
from tests.support.machines import MACHINES
from tests.support.machines.simulation import Dial

from twentywatts.meter.sources import files

_SITE = Path(__file__).with_name("living_site")


@contextmanager
def living(name: str, folder: Path) -> Iterator[None]:
    """Build a machine and let its counters move.

    A reading finds its counter where it stands at that moment, in this process and in every Python that is started
    here (its ``sitecustomize`` sees to it), however long a busy machine keeps anybody waiting.
    """
    simulation = MACHINES[name].at(folder).simulation
    text = told({str(dial.path): _line(dial) for dial in simulation.dials.values()})
    paths = os.pathsep.join([str(_SITE), *filter(None, [os.environ.get("PYTHONPATH")])])
    with patch.object(files, "os", Opening(text)), patch.dict(os.environ, {VARIABLE: text, "PYTHONPATH": paths}):
        yield


def _line(dial: Dial) -> tuple[Counts, float]:
    assert dial.path is not None
    assert isinstance(dial.show, Counts)
    assert not callable(dial.power)
    return dial.show, dial.power
