"""How a model is used, measured: batches, threads, another runtime; not one weight is changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from twentywatts.forms.runtime import open_session, shipped_session, usual_session
from twentywatts.slimming.timing.measuring import Call, Rounds, interleaved, session_call
from twentywatts.uncertain import Interval

__all__ = ["batch_savings", "eager_saving", "thread_saving"]

Inputs = Mapping[str, NDArray[Any]]
_SHIPPED, _OTHER = "as shipped", "other"


def batch_savings(
    content: bytes, inputs: Inputs, *, base: int, batches: Sequence[int], plan: Rounds
) -> dict[int, Interval]:
    """Return batch → how many times less processor time an inference takes than in batches of ``base``.

    Raises InputError where the model demands one batch.
    """
    calls = {
        size: session_call(shipped_session(content, what="the model"), inputs, batch=size) for size in (base, *batches)
    }
    found = interleaved({str(size): call for size, call in calls.items()}, plan=plan, reference=str(base))
    return {size: _times(found[str(size)].saving, size / base) for size in batches}


def _times(interval: Interval, factor: float) -> Interval:
    return Interval(low=interval.low * factor, mid=interval.mid * factor, high=interval.high * factor)


def thread_saving(content: bytes, inputs: Inputs, *, batch: int, plan: Rounds) -> tuple[Interval, Interval]:
    """Return how many times less processor time, and less time on the clock, one thread takes than all cores.

    All cores are what the runtime takes where nobody says otherwise; below 1 on the clock one thread is slower.
    """
    sessions = {
        _OTHER: usual_session(content, what="the model"),
        _SHIPPED: shipped_session(content, what="the model"),
    }
    calls = {name: session_call(session, inputs, batch=batch) for name, session in sessions.items()}
    work, clock = (interleaved(calls, plan=one) for one in (plan, replace(plan, clock=time.perf_counter)))
    return work[_SHIPPED].saving, clock[_SHIPPED].saving


def eager_saving(content: bytes, inputs: Inputs, *, eager: Call, batch: int, plan: Rounds) -> Interval:
    """Return how many times less processor time the runtime takes than ``eager``, which runs one batch of as many."""
    session = open_session(content, what="the model")
    calls = {_OTHER: eager, _SHIPPED: session_call(session, inputs, batch=batch)}
    return interleaved(calls, plan=plan)[_SHIPPED].saving
