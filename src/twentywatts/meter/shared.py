"""What this process measures with: the channels of this machine, opened once and shared by every window.

Windows that nest or run in several threads read through one sampler. A forked child opens its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from twentywatts.meter.assemble import Assembly, open_channels
from twentywatts.meter.contract import Source
from twentywatts.meter.sampler import Sample, Sampler
from twentywatts.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.lock import Claim

__all__ = ["RANKS", "Instrument", "close_shared", "instrument", "shared"]


# set by torchrun, Slurm, Open MPI, MPICH and their kin for each of several programs of one job on a node
RANKS = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PALS_LOCAL_RANKID")


class Instrument(NamedTuple):
    """Channels and the sampler that reads them. is_own: not shared, so whoever asked for it closes it.

    claim: locks of this rank, where the program is one.
    """

    assembly: Assembly
    sampler: Sampler
    is_own: bool = False
    claim: Claim | None = None


_LOCK = threading.Lock()
_SHARED: list[Instrument] = []  # one at most


def shared() -> Instrument:
    """Return the instrument of this process; the first call looks for counters and probes those not yet known."""
    with _LOCK:
        if not _SHARED:
            from twentywatts.meter.here import look

            here = look()
            _SHARED.append(
                Instrument(assembly=here.assembly, sampler=Sampler(here.assembly.channels), claim=here.claim)
            )
        return _SHARED[0]


def instrument(
    sources: Assembly | Sequence[Source] | None = None,
    *,
    period_s: float | None = None,
    on_sample: Callable[[list[Sample]], None] | None = None,
) -> Instrument:
    """Return the shared instrument, or one of its own where sources, a period or a consumer are given.

    sources: an Assembly is taken as it is; sources are probed first, and nothing is kept in the cache.
    """
    if sources is None and period_s is None and on_sample is None:
        return shared()
    if isinstance(sources, Assembly):
        assembly = sources
    elif sources is None:
        assembly = shared().assembly
    else:
        from twentywatts.meter.checks import Judge

        assembly = open_channels(sources, judge=Judge())
    sampler = Sampler(assembly.channels, on_sample=on_sample, period_s=period_s)
    return Instrument(assembly=assembly, sampler=sampler, is_own=sources is not None)


def close_shared() -> None:
    """Give the shared channels back; the next window opens them again."""
    with _LOCK:
        for one in _SHARED:
            one.sampler.close()
            if one.claim is not None:
                one.claim.release()
        _SHARED.clear()


def _forget() -> None:
    """After a fork the thread is gone and a lock may be held by nobody: begin anew."""
    global _LOCK  # noqa: PLW0603
    _LOCK = threading.Lock()
    _SHARED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
