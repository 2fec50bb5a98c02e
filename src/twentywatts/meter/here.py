"""The machine at hand: its sources, and which of their channels live.

``TWENTYWATTS_ROOT`` names a folder that stands for the machine (its /sys, /proc, …): for tests and for looking at the
files of another machine. Nothing is kept between runs then.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from twentywatts.meter.assemble import Assembly, open_channels, without
from twentywatts.meter.checks import Judge, cache_file
from twentywatts.meter.contract import Finding, Source
from twentywatts.meter.lock import Claim, claim, job_of
from twentywatts.meter.sources import find_all

__all__ = ["Here", "look", "machine_root"]

_VARIABLE = "TWENTYWATTS_ROOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What was found. claim: the locks of this rank of a job, to be held while it measures."""

    root: Path
    sources: tuple[Source, ...]
    assembly: Assembly
    claim: Claim | None = None

    def findings(self) -> list[Finding]:
        """Return what the sources say of every counter that exists or could."""
        return [finding for source in self.sources for finding in _said(source)]


def machine_root() -> Path:
    """Return the folder that is the machine."""
    return Path(os.environ.get(_VARIABLE) or "/")


def look(*, extra: tuple[Source, ...] = (), fresh: bool = False, is_rank: bool = True) -> Here:
    """Return what can be measured here; counters not yet known in this boot are probed.

    extra: further sources (a wall meter). fresh: probe all again. is_rank: leave to another rank of this job on this
    node what it measures already.
    """
    root = machine_root()
    sources = (*find_all(root=root), *extra)
    cache = cache_file() if root == Path("/") else None
    assembly = open_channels(sources, judge=Judge(cache=cache, fresh=fresh))
    job = job_of(os.environ) if is_rank else None
    if job is None:
        return Here(root=root, sources=sources, assembly=assembly)
    claimed = claim([assembly.channel(key) for key in assembly.summed], job)
    return Here(root=root, sources=sources, assembly=without(assembly, claimed.elsewhere), claim=claimed)


def _said(source: Source) -> list[Finding]:
    try:
        return list(source.findings())
    except Exception as error:  # a plug-in that breaks must not hide the others
        reason = f"this source does not work here: {type(error).__name__}: {error}"
        return [Finding(source=source.name, what=source.name, found=False, readable=False, reason=reason)]
