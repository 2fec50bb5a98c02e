"""The machine at hand: its sources, and which of their channels live.

``TWENTYWATTS_ROOT`` names a folder that stands for the machine (its /sys, /proc, …): for tests and for looking at the
files of another machine. Nothing is kept between runs then.
"""

from __future__ import annotations

import os

from twentywatts.meter.assemble import Assembly, noted, open_channels, without
from twentywatts.meter.checks import LONGEST_S, PATIENT_S, Judge, cache_file
from twentywatts.meter.contract import Finding, Source
from twentywatts.meter.place import ROOT, Place
from twentywatts.meter.shared import RANKS
from twentywatts.meter.sources import find_all
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.lock import Claim

__all__ = ["Here", "look", "machine_root"]

_VARIABLE = "TWENTYWATTS_ROOT"


@record()
class Here:
    """What was found. claim: the locks of this rank of a job, to be held while it measures."""

    root: Place
    sources: tuple[Source, ...]
    assembly: Assembly
    claim: Claim | None = None

    def findings(self) -> list[Finding]:
        """Return what the sources say of every counter that exists or could."""
        return [finding for source in self.sources for finding in _said(source)]


def machine_root() -> Place:
    """Return the folder that is the machine; raises InputError where the variable names none."""
    named = os.environ.get(_VARIABLE, "")
    if named and not os.path.isdir(named):
        from twentywatts.errors import InputError, clean

        raise InputError(f"{_VARIABLE} must name a folder with a machine's /sys and /proc, got '{clean(named)[:200]}'")
    return Place(named or ROOT)


def look(*, wall: str | None = None, fresh: bool = False, is_rank: bool = True) -> Here:
    """Return what can be measured here; counters not yet known in this boot are probed.

    wall: configuration of wall meters; raises InputError where it is wrong. fresh: probe all again. is_rank: leave to
    another rank of this job on this node what it measures already.
    """
    root = machine_root()
    sources = tuple(find_all(root=root, options={"wall": {"config": _checked(wall)}} if wall else {}))
    cache = cache_file() if root == ROOT else None
    assembly = open_channels(
        sources, judge=Judge(cache=cache, fresh=fresh, longest_s=PATIENT_S if fresh else LONGEST_S)
    )
    claim = None
    if is_rank and any(name in os.environ for name in RANKS):
        assembly, claim = _claimed(assembly)
    return Here(root=root, sources=sources, assembly=assembly, claim=claim)


def _checked(wall: str) -> str:
    """Return the path of a configuration that can be used: one that was named must not be passed over."""
    from pathlib import Path

    from twentywatts.meter.sources.wall.config import load

    load(Path(wall))
    return wall


def _claimed(assembly: Assembly) -> tuple[Assembly, Claim | None]:
    """Return the assembly less what another rank of this job counts, and the locks of what this one does."""
    from twentywatts.meter.lock import INHERITED, claim, inherit, job_of

    job = job_of(os.environ)
    if job is None:
        return assembly, None
    channels = [assembly.channel(key) for key in assembly.summed]
    claimed = claim(channels, job, inherited=inherit(os.environ, job))
    left = without(assembly, claimed.elsewhere)
    return (noted(left, INHERITED) if claimed.level else left), claimed


def _said(source: Source) -> list[Finding]:
    try:
        return list(source.findings())
    except Exception as error:  # a plug-in that breaks must not hide the others
        reason = f"this source does not work here: {type(error).__name__}: {error}"
        return [Finding(source=source.name, what=source.name, found=False, readable=False, reason=reason)]
