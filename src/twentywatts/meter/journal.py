"""The journal: samples go to an append-only file as they come, so that nothing seen is lost.

JSON lines, schema ``twentywatts.journal/1``. The first line describes the run and its channels; each further line
stands for itself: samples ``{"s": [[key, time_s, raw or null, error]]}``, an edge of a window ``{"edge", "n", "t",
"cpu"}``, a sign of life ``{"tick", "cpu"}``, the end ``{"end"}``. A full disk costs lines, never the measurement.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from twentywatts.errors import InputError
from twentywatts.meter.contract import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.assemble import Assembly
    from twentywatts.meter.sampler import Sample

__all__ = ["FIELDS", "SCHEMA", "Journal", "describe"]

SCHEMA = "twentywatts.journal/1"
FIELDS = (
    *("key", "component", "scope", "quantity", "source", "step_j", "range_j", "range_is_known", "period_s"),
    *("error_frac", "error_source", "limit_w", "inside", "twin", "notes"),
)
_SYNC_S = 5.0  # at most this much is lost with the power


def describe(assembly: Assembly) -> dict[str, Any]:
    """Return the channels of an assembly as plain values."""
    return {
        "channels": [_channel(channel) for channel in assembly.channels],
        "summed": list(assembly.summed),
        "apart": [[channel.key, reason] for channel, reason in assembly.apart],
        "rejected": [[_channel(channel), reason] for channel, reason in assembly.rejected],
        "elsewhere": [[_channel(channel), reason] for channel, reason in assembly.elsewhere],
    }


def _channel(channel: Channel) -> dict[str, Any]:
    found = {name: getattr(channel, name) for name in FIELDS}
    return {name: str(value) if name in ("scope", "quantity") else value for name, value in found.items()}


class Journal:
    """A file that only grows. Nothing here raises once it is open.

    problem: what went wrong last, empty if nothing did; lost: lines that could not be written. descriptor: of the open
    file, below 0 once it is closed.
    Raises InputError where the file cannot be opened or holds an earlier run.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self.path, self.problem, self.lost = Path(path), "", 0
        self._lock = threading.Lock()
        self._is_torn = False
        self._synced_s = time.monotonic()
        self.descriptor = _open(self.path)
        self.write({"schema": SCHEMA, **header})
        self.sync(force=True)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one line, at once."""
        try:
            line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        except (ValueError, TypeError) as error:
            self._failed(f"a line could not be written: {error}")
            return
        with self._lock:
            if self.descriptor < 0:
                return
            try:
                self._append(b"\n" + line if self._is_torn else line)
            except OSError as error:  # full disk: go on, and try again with the next line
                self._failed(error.strerror or str(error))

    def samples(self, samples: Sequence[Sample], extra: Mapping[str, Any] | None = None) -> None:
        """Append what one pass of the sampler gave."""
        rows = [[key, time_s, _finite(raw), *([error] if error else [])] for key, time_s, raw, error in samples]
        self.write({"s": rows, **(extra or {})})

    def sync(self, *, force: bool = False) -> None:
        """Bring the lines to the disk, every few seconds; call it where waiting does no harm."""
        if self.descriptor < 0 or not (force or time.monotonic() - self._synced_s >= _SYNC_S):
            return
        self._synced_s = time.monotonic()
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            if not _is_no_disk(self.path):
                self.problem = error.strerror or str(error)

    def close(self) -> None:
        """Bring everything to the disk and close the file."""
        self.sync(force=True)
        with self._lock:
            if self.descriptor >= 0:
                os.close(self.descriptor)
            self.descriptor = -1

    def _append(self, line: bytes) -> None:
        written = os.write(self.descriptor, line)
        self._is_torn = written < len(line)
        if self._is_torn:  # the disk took a part of it: the next write tells why
            rest = line[written:]
            self._is_torn = os.write(self.descriptor, rest) < len(rest)
        if self._is_torn:
            raise OSError(28, "No space left on device")

    def _failed(self, reason: str) -> None:
        self.problem, self.lost = reason, self.lost + 1


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o644)
    except OSError as error:
        raise InputError(f"cannot write the journal '{path}': {error.strerror or error}") from error
    if path.is_file() and os.fstat(descriptor).st_size:
        os.close(descriptor)
        raise InputError(f"'{path}' holds an earlier run: name another file, or read it with `measure --resume {path}`")
    return descriptor


def _is_no_disk(path: Path) -> bool:
    """Return whether this is a pipe or a device, which cannot be brought to a disk."""
    return not path.is_file()


def _finite(raw: float | None) -> float | None:
    return raw if raw is not None and math.isfinite(raw) else None
