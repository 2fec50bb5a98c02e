"""How long and how much a model may run: nobody vouches for its file, and a loop in it need never end.

One run on one batch is ended after five minutes, or after the seconds that the environment variable
TWENTYWATTS_RUN_LIMIT_S says. A model whose counted products could not be done in that time is not begun. All sessions
together take at most half of the memory that was free when the first was opened.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from twentywatts.errors import InputError, RefusedError

__all__ = [
    "VARIABLE",
    "Run",
    "Watchdog",
    "available_bytes",
    "check_products",
    "check_simulation",
    "limit_s",
    "limited",
    "session_memory",
]

VARIABLE = "TWENTYWATTS_RUN_LIMIT_S"
_LIMIT_S = 300.0
_TICK_S = 0.25  # how often runs are looked at
_IDLE_TICKS = 8  # without a run, after which nobody looks any more
_FASTEST_PER_S = 2e11  # multiply-accumulates: more than one thread of a processor does in float
_MEMORY_SHARE = 0.5
_LEAST_BYTES = 2**30
_GROUP = Path("/sys/fs/cgroup")


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """Something that runs until ``end_s`` [s on the watchdog's clock]; then ``stop`` is called and ``is_over`` set."""

    stop: Callable[[], object]
    end_s: float
    is_over: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Watchdog:
    """Stops runs that take too long. One thread looks at all of them; there is none while nothing runs."""

    clock: Callable[[], float] = time.monotonic
    _runs: set[Run] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    @contextmanager
    def watched(self, stop: Callable[[], object], time_s: float) -> Iterator[Run]:
        """Yield a Run that is stopped after ``time_s`` unless the block has ended by then."""
        run = Run(stop=stop, end_s=self.clock() + time_s)
        with self._lock:
            self._runs.add(run)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look_on, name="twentywatts-watchdog", daemon=True)
                self._thread.start()
        try:
            yield run
        finally:
            with self._lock:
                self._runs.discard(run)

    def look(self) -> bool:
        """Stop every run whose time is over; return whether there is any run at all."""
        now_s = self.clock()
        with self._lock:
            late = [run for run in self._runs if run.end_s <= now_s and not run.is_over]
            for run in late:
                run.is_over = True
                run.stop()
            return bool(self._runs)

    def _look_on(self) -> None:
        idle = 0
        while True:
            time.sleep(_TICK_S)
            idle = 0 if self.look() else idle + 1
            with self._lock:
                if idle >= _IDLE_TICKS and not self._runs:
                    self._thread = None
                    return


_watchdog = cache(Watchdog)


def limit_s() -> float:
    """Return how long one run may take [s]; raises InputError where the environment says what is no positive number."""
    text = os.environ.get(VARIABLE, "").strip()
    try:
        value = float(text) if text else _LIMIT_S
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(f"{VARIABLE} takes seconds above 0, such as 3600, got '{text}'")
    return value


@contextmanager
def limited(what: str, stop: Callable[[], object]) -> Iterator[None]:
    """Run a block that ``stop`` can end; raises RefusedError, naming ``what`` ran, where it was ended for its time."""
    most_s = limit_s()
    with _watchdog().watched(stop, most_s) as run:
        try:
            yield
        except Exception:
            if not run.is_over:
                raise
            raise RefusedError(
                f"{what} took longer than {most_s:g} s and was ended; if it is that slow and you trust it, "
                f"set {VARIABLE} to more seconds"
            ) from None


def check_products(mac_count: float, name: str) -> None:
    """Raise InputError where a model needs so many multiply-accumulates per run that no limit would be kept."""
    most = limit_s() * _FASTEST_PER_S
    if mac_count > most:
        raise InputError(
            f"'{name}' takes {mac_count:.3g} multiply-accumulates for one sample, more than one thread does in "
            f"{limit_s():g} s: `twentywatts count` and `estimate` price it without running it; to run it all the "
            f"same, set {VARIABLE} to more seconds"
        )


def check_simulation(sum_count: float, what: str) -> None:
    """Raise RefusedError where a simulation of all samples may take more additions than any limit stands for.

    It is slower than the model itself by as much as it adds: what is refused would take hours or days.
    """
    most = limit_s() * _FASTEST_PER_S
    if sum_count > most:
        raise RefusedError(
            f"simulating {what} may take {sum_count:.2g} additions, more than the {most:.2g} that are allowed: "
            f"give fewer samples, or set {VARIABLE} to more seconds than {limit_s():g}"
        )


@cache
def session_memory() -> int | None:
    """Return what all sessions together may take [bytes], from the first call on; None where nobody can tell.

    A gigabyte at least: on a machine that is short of memory just now no model would run otherwise.
    """
    free = available_bytes()
    return None if free is None else max(int(free * _MEMORY_SHARE), _LEAST_BYTES)


def available_bytes() -> int | None:
    """Return the memory that can be had now [bytes], the smaller of the machine's and the control group's; or None."""
    found = [_meminfo(), _group()]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def _meminfo() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _group(folder: Path = _GROUP) -> int | None:
    """Return what a control group still may take [bytes]: a cache of files is given back when asked."""
    try:
        most, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        told = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(most - used + int(told["active_file"]) + int(told["inactive_file"]), 0)
    except (OSError, ValueError, KeyError):
        return None
