"""Measuring candidates: processor time per inference, the models in turn, so that a busy or warm machine troubles all.

Each round gives every call a window of a few milliseconds of processor time (of eight ticks at least, where the kernel
counts it in ticks), in a drawn order and then in its reverse;
ratios are formed inside a round, and their median is told with a distribution-free interval. Processor time is not
joules: it stands in for them where no counter lives, and ``joules`` measures those where one does.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.measured import benchmark_processor
from twentywatts.errors import InputError, TwentyWattsError
from twentywatts.forms.runtime import check_inputs, sample_count
from twentywatts.uncertain import Interval

__all__ = [
    "Rounds",
    "Timing",
    "against",
    "interleaved",
    "joules",
    "median_interval",
    "remeasured",
    "session_call",
    "wait_for_rest",
]

Call = Callable[[], Any]
_TAIL = 0.05  # outside a 90 % interval, on each side
_LEAST_ROUNDS = 5  # below which there is no interval
_STEPS = 8  # of the clock in a window, at least: shorter ones would show none or one
_READINGS = 10**6  # of a clock that seems to stand; two ticks of 10 ms are fewer
_SHORTEST_S = 1e-9  # of a window, where the clock did not move all the same
_REST_S, _RESTS = 0.01, 30  # one look whether other threads rest, and how many looks at most
_FEEDS = 64  # different batches at most: one batch over and over would flatter caches and branch prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How to measure. rounds: windows per call. window_s: processor time of one window [s]. clock: processor time.

    most_s: after so many seconds on the clock no further round is begun, once there are five: a model of seconds would
    take minutes otherwise.
    """

    rounds: int = 15
    window_s: float = 0.01
    most_s: float = float("inf")
    seed: int = 0
    clock: Callable[[], float] = field(default=time.process_time, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Processor time per inference of one call, and how many times less that is than the reference's.

    time_s: median over rounds with its 90 % interval. saving: reference over own: of the medians, so that it is what
    the two times told divide to, with the 90 % interval of the ratios by round; above 1 it is less. windows_s: every
    round's time per inference. calls: in one window.
    """

    name: str
    time_s: Interval
    saving: Interval
    windows_s: tuple[float, ...] = field(repr=False)
    calls: int = 1


def session_call(session: Any, inputs: Mapping[str, NDArray[Any]], *, batch: int) -> Call:
    """Return a call that runs one batch: at each call the next of up to 64 different ones, from the first sample on.

    inputs: samples first; repeated where they are fewer than a batch. Raises InputError where the model demands
    another batch, DataError for inputs that do not fit.
    """
    arrays = check_inputs(session, inputs)
    demanded = {spec.shape[0] for spec in session.get_inputs() if spec.shape and isinstance(spec.shape[0], int)}
    if batch < 1 or demanded - {batch}:
        wanted = f"batches of {max(demanded)}" if demanded else "a batch of at least 1"
        raise InputError(f"the model takes {wanted}, got {batch!r}: export it with an open batch axis to choose")
    feeds = itertools.cycle(_feeds(arrays, batch))
    run = session.run  # without a watch: a candidate has run all its samples before it is timed

    def call() -> Any:
        return run(None, next(feeds))

    return call


def _feeds(arrays: Mapping[str, NDArray[Any]], batch: int) -> list[dict[str, NDArray[Any]]]:
    count = sample_count(arrays)
    starts = range(0, max(count - batch, 0) + 1, batch)[:_FEEDS]
    places = [np.arange(start, start + batch) % count for start in starts]
    return [{name: np.ascontiguousarray(array[place]) for name, array in arrays.items()} for place in places]


def interleaved(
    calls: Mapping[str, Call], *, count: float = 1, plan: Rounds = Rounds(), reference: str | None = None
) -> dict[str, Timing]:
    """Return the processor time per inference of every call, by name.

    count: inferences of one call. reference: the name that savings are told against, the first one if not given.
    """
    reference = next(iter(calls), "") if reference is None else reference
    if reference not in calls:
        raise InputError(f"nothing to measure against: '{reference}' is not among {', '.join(calls) or 'no calls'}")
    if plan.rounds < 1 or plan.window_s <= 0 or count <= 0:
        raise InputError("measuring needs at least one round, a window of more than 0 s and a positive count")
    plan = _long_enough(plan)
    if plan.clock is time.process_time:
        wait_for_rest(plan.clock)
    repeats = {name: _repeats(call, plan) for name, call in calls.items()}
    windows = {name: np.maximum(found, _SHORTEST_S) for name, found in _windows(calls, repeats, plan).items()}
    times_s = {name: found / (repeats[name] * count) for name, found in windows.items()}
    return {name: _timing(name, own_s, times_s[reference], repeats[name]) for name, own_s in times_s.items()}


def against(before: Timing, after: Timing) -> Interval:
    """Return how many times less ``after`` takes than ``before``, round by round; both of one ``interleaved`` run."""
    if len(before.windows_s) != len(after.windows_s):
        raise InputError(f"'{before.name}' and '{after.name}' were not measured in the same rounds")
    return median_interval(np.array(before.windows_s) / np.maximum(np.array(after.windows_s), 1e-12))


def wait_for_rest(clock: Callable[[], float], sleep: Callable[[float], object] = time.sleep) -> None:
    """Wait until no other thread of this process works, for 0.3 s at most.

    Libraries of linear algebra keep their threads spinning for a tenth of a second after a product, and the processor
    time of the process counts that: what is measured in that time looked up to three times slower than it is.
    """
    for _ in range(_RESTS):
        start_s = clock()
        sleep(_REST_S)
        if clock() - start_s < _REST_S / 5:
            return


def _long_enough(plan: Rounds) -> Rounds:
    """Return the plan with windows in which the processor's clock makes some steps: some kernels count it in ticks."""
    step_s = _step_s(plan.clock) if plan.clock is time.process_time else 0.0
    return replace(plan, window_s=max(plan.window_s, _STEPS * step_s))


@cache
def _step_s(clock: Callable[[], float]) -> float:
    """Return by how much a clock of processor time goes on at once [s]: from one step to the next, while we look."""
    steps = itertools.islice(_changes(clock), 2)
    first_s, then_s = next(steps, 0.0), next(steps, 0.0)
    return max(then_s - first_s, 0.0)


def _changes(clock: Callable[[], float]) -> Iterator[float]:
    """Yield what a clock shows, each time it shows something new."""
    shown_s = clock()
    for _ in range(_READINGS):
        now_s = clock()
        if now_s != shown_s:
            shown_s = now_s
            yield now_s


def _windows(calls: Mapping[str, Call], repeats: Mapping[str, int], plan: Rounds) -> dict[str, list[float]]:
    generator = np.random.Generator(np.random.PCG64(plan.seed))
    found: dict[str, list[float]] = {name: [] for name in calls}
    order, end_s = list(calls), time.monotonic() + plan.most_s
    for turn in range(plan.rounds):
        if turn >= _LEAST_ROUNDS and time.monotonic() > end_s:
            break
        # every drawn order is followed by its reverse, so that nobody comes later more often than others
        order = order[::-1] if turn % 2 else [order[place] for place in generator.permutation(len(order))]
        for name in order:
            found[name].append(_window_s(calls[name], repeats[name], plan.clock))
    return found


def _window_s(call: Call, repeats: int, clock: Callable[[], float]) -> float:
    start_s = clock()
    for _ in range(repeats):
        call()
    return clock() - start_s


def _repeats(call: Call, plan: Rounds) -> int:
    """Warm up, and return how many calls fill a window."""
    call()
    repeats = 1
    while True:
        took_s = _window_s(call, repeats, plan.clock)
        if took_s >= plan.window_s / 4 or repeats >= 2**24:
            return max(1, round(repeats * plan.window_s / took_s)) if took_s > 0 else repeats
        repeats *= 4


def _timing(name: str, own_s: NDArray[np.float64], reference_s: NDArray[np.float64], calls: int) -> Timing:
    time_s, by_round = median_interval(own_s), median_interval(reference_s / np.maximum(own_s, 1e-12))
    ratio = float(np.median(reference_s)) / max(time_s.mid, 1e-12)
    return Timing(
        name=name,
        time_s=time_s,
        saving=Interval(low=min(by_round.low, ratio), mid=ratio, high=max(by_round.high, ratio)),
        windows_s=tuple(own_s.tolist()),
        calls=calls,
    )


def median_interval(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """Return the median with its 90 % interval from order statistics: it holds for every distribution.

    Below five values there is no such interval, and the whole range is told.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count, below, outside = len(ordered), 0.0, 0
    while outside < count // 2:
        below += math.comb(count, outside) / 2.0**count
        if below > _TAIL:
            break
        outside += 1
    place = max(outside - 1, 0)
    return Interval(low=float(ordered[place]), mid=float(np.median(ordered)), high=float(ordered[count - 1 - place]))


def remeasured(
    models: Mapping[str, Callable[[], Any]],
    inputs: Mapping[str, NDArray[Any]],
    *,
    batch: int,
    plan: Rounds = Rounds(),
    sessions: int = 3,
) -> dict[str, Timing]:
    """Return a fresh measurement that shares nothing with what chose the models: new sessions, other rounds.

    models: for each name what opens a new session; the first is the reference. Memory lies elsewhere in each session,
    which alone moves times by percents: the intervals span those of all ``sessions``, and what is told of each model in
    the middle is of one of them, that with the median saving of the last model, so that times and savings divide.
    """
    found: list[dict[str, Timing]] = []
    for turn in range(max(1, sessions)):
        calls = {name: session_call(opened(), inputs, batch=batch) for name, opened in models.items()}
        turn_plan = replace(plan, seed=plan.seed + 1 + turn)
        found.append(interleaved(calls, count=batch, plan=turn_plan))
    last = list(models)[-1]
    central = sorted(found, key=lambda one: one[last].saving.mid)[len(found) // 2]
    return {name: _joined(central[name], [one[name] for one in found]) for name in models}


def _joined(central: Timing, parts: Sequence[Timing]) -> Timing:
    """Return one timing of several sessions, told by the central one."""
    return Timing(
        name=central.name,
        time_s=_hull(central.time_s.mid, [part.time_s for part in parts]),
        saving=_hull(central.saving.mid, [part.saving for part in parts]),
        windows_s=tuple(itertools.chain.from_iterable(part.windows_s for part in parts)),
        calls=central.calls,
    )


def _hull(mid: float, intervals: Sequence[Interval]) -> Interval:
    """Return ``mid`` within what the intervals span."""
    return Interval(low=min(one.low for one in intervals), mid=mid, high=max(one.high for one in intervals))


def joules(calls: Mapping[str, Call], *, count: int) -> dict[str, Interval]:
    """Return joules per inference of the whole processor by name, the calls in turn, where a counter of it lives.

    count: inferences of one call. Idle power is in it, as it is in a bill. Raises TwentyWattsError where no counter
    lives or one gave nothing: absence is not zero.
    """
    found = {}
    for name, result in benchmark_processor(dict(calls), count).items():
        if result.energy_j is None or not result.how.is_measured:
            raise TwentyWattsError("the counters gave nothing while the model ran; see `twentywatts doctor`")
        found[name] = result.energy_j
    return found
