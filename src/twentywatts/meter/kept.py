"""Journals that nobody asked for: one is kept while a command is measured, and thrown away when all of it was told.

They lie in the user's state folder (``$XDG_STATE_HOME/twentywatts``, else ``~/.local/state/twentywatts``). Its meter
holds a lock on each; one without a holder belonged to a meter that was killed, or to a machine that lost its power.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

from twentywatts.errors import InputError
from twentywatts.meter.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["keep", "latest", "throw_away"]

_SUFFIX = ".journal"
_MOST = 20  # of meters that were killed; older ones go


def keep(header: Mapping[str, Any]) -> Journal | None:
    """Return a journal in the user's state folder, None where there can be none: nobody asked for it."""
    folder = _folder()
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in _left(folder)[:-_MOST]:
            old.unlink(missing_ok=True)
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09}-{os.getpid()}{_SUFFIX}"
        journal = Journal(folder / name, header)
    except (OSError, InputError):
        return None
    _hold(journal.descriptor)
    return journal


def throw_away(journal: Journal | None) -> None:
    """Remove a journal of which everything was told, if there is one."""
    if journal is not None:
        with contextlib.suppress(OSError):
            journal.path.unlink()


def latest() -> Path:
    """Return the latest journal whose meter did not come to its end; raises InputError where there is none."""
    folder = _folder()
    found = _left(folder) if folder is not None else []
    if not found:
        where = f" in '{folder}'" if folder is not None else ""
        raise InputError(f"no measurement was cut off: there is no journal{where}; name one as --resume FILE")
    return found[-1]


def _folder() -> Path | None:
    try:
        home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    except (KeyError, OSError):
        return None
    return Path(home) / "twentywatts" if os.path.isabs(home) else None


def _left(folder: Path) -> list[Path]:
    """Return the journals that no meter holds any more, the oldest first (their names tell the time)."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except OSError:
        return []
    return [folder / name for name in names if not _is_held(folder / name)]


def _hold(descriptor: int) -> None:
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_held(path: Path) -> bool:
    """Return whether a meter writes to it now, or it cannot be told."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (ImportError, OSError):
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
