"""One meter per node: of several ranks of one job on one machine, one holds each counter, so that none counts twice.

A rank is told by what its launcher sets (torchrun, Slurm, Open MPI, MPICH and their kin). Each counter's name and the
boot id make a lock file; the first rank that takes it measures, for as long as it lives. The others give their share
of the joules as ``attributed``, outside their total: the sum of all ranks' totals is the node, once.
A rank that `twentywatts measure` runs would meet the lock of its own meter: it is told by TWENTYWATTS_CLAIM what that
one holds, and shares it out one level deeper, among the ranks and workers inside that command alone.
Programs that are no ranks take no lock: two people on one machine may each measure it. Ranks in containers of their
own, without a common folder for the lock, do not see each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from twentywatts.meter.checks import boot_id
from twentywatts.meter.contract import Channel, Scope
from twentywatts.meter.place import Place, place_of
from twentywatts.meter.shared import RANKS
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.meter.place import Root

__all__ = ["ELSEWHERE", "INHERITED", "VARIABLE", "Claim", "claim", "inherit", "job_of"]

VARIABLE = "TWENTYWATTS_CLAIM"
ELSEWHERE = "another rank of this job on this node measures it"
INHERITED = "the command around this program measures it, too: part of its total"

_JOBS = ("SLURM_JOB_ID", "SLURM_STEP_ID", "TORCHELASTIC_RUN_ID", "MASTER_PORT", "PMIX_NAMESPACE", "PMI_JOBID")
_OWN_DEVICES = (Scope.GPU, Scope.GPU_PARTITION)  # each rank may have its own; all else belongs to the node


@record()
class Claim:
    """What this rank may measure. elsewhere: key and reason of what another rank holds. locks: descriptors to keep.

    told: the value of TWENTYWATTS_CLAIM for the programs that this one starts. level: how many meters stand around it.
    """

    elsewhere: Mapping[str, str]
    locks: tuple[int, ...] = ()
    told: str = ""
    level: int = 0

    def release(self) -> None:
        """Give the locks back."""
        for descriptor in self.locks:
            os.close(descriptor)


def job_of(environment: Mapping[str, str]) -> str | None:
    """Return what names this job on this node, None where the program is no rank of one."""
    if not any(environment.get(name, "").isdigit() for name in RANKS):
        return None
    known = [environment[name] for name in _JOBS if environment.get(name)]
    return ".".join(known) if known else f"parent-{os.getppid()}"


def inherit(environment: Mapping[str, str], job: str) -> tuple[int, tuple[str, ...] | None]:
    """Return how many meters of this job stand around this program, and the devices that the nearest holds.

    None instead of devices: there is no meter around it, or one of another job.
    """
    told, *rest = environment.get(VARIABLE, "").split("\t")
    if told != _digest(job) or not rest or not rest[0].isdecimal() or len(rest[0]) > 3:
        return 0, None
    return int(rest[0]) + 1, tuple(rest[1:])


def claim(
    channels: Iterable[Channel],
    job: str,
    *,
    folder: Root | None = None,
    boot: str | None = None,
    inherited: tuple[int, tuple[str, ...] | None] = (0, None),
) -> Claim:
    """Take the lock of every device of these channels that no other rank holds; never waits, never raises.

    inherited: what ``inherit`` gave: the locks are then those of that level, for the devices named there.
    """
    boot = boot_id() if boot is None else boot
    level, offered = inherited
    folder = _folder() if folder is None else folder
    elsewhere: dict[str, str] = {}
    locks: dict[str, int | None] = {}
    for channel in channels:
        device = channel.key if channel.scope in _OWN_DEVICES else "node"
        if device not in locks:
            is_offered = offered is None or device in offered
            locks[device] = _take(place_of(folder) / _name(boot, f"{job}|{level}", device)) if is_offered else None
        if locks[device] is None:
            elsewhere[channel.key] = ELSEWHERE
    held = [device for device, lock in locks.items() if lock is not None]
    return Claim(
        elsewhere=elsewhere,
        locks=tuple(lock for lock in locks.values() if lock is not None and lock >= 0),
        told="\t".join((_digest(job), str(level), *held)),
        level=level,
    )


def _folder() -> Place:
    return Place(os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp")


def _name(boot: str, job: str, device: str) -> str:
    user = os.getuid() if hasattr(os, "getuid") else 0
    return f"twentywatts-{_digest(f'{user}|{boot}|{job}|{device}')}.lock"


def _digest(text: str) -> str:
    from hashlib import blake2b

    return blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _take(path: Place) -> int | None:
    """Return the descriptor of the lock; None where somebody holds it; -1 where locking is not possible here."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except (ImportError, OSError):
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor
