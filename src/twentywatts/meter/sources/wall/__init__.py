"""Wall meters and a node's own meter, by explicit configuration alone (wall/config.py says how).

The file is given by its path or by the environment variable TWENTYWATTS_WALL; without one, no network is touched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from twentywatts.meter.contract import Clock, Finding, Reader, Source
from twentywatts.meter.place import ROOT
from twentywatts.meter.sources.files import FoundSource, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["find"]

NAME = "wall"
VARIABLE = "TWENTYWATTS_WALL"
_NONE = f"none is configured: a .toml file with its host, named by --wall or {VARIABLE}, makes it one"
_HOW = (f"write its host into a .toml file and name that file in {VARIABLE}",)


def find(
    *,
    root: Root = ROOT,
    reader: Reader = read_text,
    config: Root | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Clock = time.monotonic,
) -> Source:
    """Return the configured meters that answer. config: the file; without it, what TWENTYWATTS_WALL names."""
    del reader  # meters answer by wire
    environ = os.environ if environ is None else environ
    named = config if config is not None else environ.get(VARIABLE, "") if os.fspath(root) == ROOT else ""
    if not named:
        nothing = Finding(source=NAME, what="wall meter", found=False, readable=False, reason=_NONE)
        return FoundSource(name=NAME, said=(nothing,))
    # a machine without wall meters pays for none of this
    from pathlib import Path

    from twentywatts.errors import InputError
    from twentywatts.meter.sources.wall.config import load
    from twentywatts.meter.sources.wall.meters import open_meter

    try:
        meters = load(Path(named))
    except InputError as error:
        wrong = Finding(source=NAME, what="wall meter", found=True, readable=False, reason=str(error), fix=_HOW)
        return FoundSource(name=NAME, said=(wrong,))
    channels, said = [], []
    for meter in meters:
        channel, finding = open_meter(meter, environ, clock)
        channels += [channel] if channel is not None else []
        said.append(finding)
    return FoundSource(name=NAME, found=tuple(channels), said=tuple(said))
