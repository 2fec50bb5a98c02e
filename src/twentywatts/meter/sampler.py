"""The sampler: reads every channel in one pass, feeds the accumulators, and polls in one daemon thread where it must.

A thread is needed where a counter can wrap, where power must be integrated, or where a consumer wants samples. It
polls no slower than half the shortest possible wrap, and ends by itself once nobody measures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from twentywatts.meter.accumulate import State, accumulator_of
from twentywatts.meter.contract import Channel, Clock, Quantity, ReadError

__all__ = ["Sample", "Sampler", "poll_period_s"]

Sample = tuple[str, float, float | None, str]  # key, time_s, raw value or None, error
Lane = tuple[str, Callable[[], float], Callable[[float, float | None, str], float]]  # key, read, add to its accumulator

FASTEST_S, SLOWEST_S = 0.05, 1.0  # of polling a power sensor
_LEAST_TICK_S, _LONGEST_TICK_S = 1e-3, 3600.0
_SLEPT_S = 0.2  # a smaller jump between the two clocks is noise


def poll_period_s(channel: Channel) -> float | None:
    """Return how often a channel must be read [s]: half its shortest possible wrap; None where it never must."""
    if channel.quantity is Quantity.POWER:
        return min(max(channel.period_s, FASTEST_S), SLOWEST_S)
    if channel.range_j and channel.limit_w > 0:
        return channel.range_j / (2 * channel.limit_w)
    return None


def _sleep_clock() -> Clock:
    """Return the clock of the seconds that this machine has slept since boot; it stays 0 where no system tells."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return lambda: 0.0
    gettime, boot, monotonic = time.clock_gettime, time.CLOCK_BOOTTIME, time.monotonic  # bound, as every sample asks
    return lambda: gettime(boot) - monotonic()


_clocks_apart = _sleep_clock()


class Sampler:
    """Reads channels; ``on_sample`` gets the list of samples of every pass.

    clock: monotonic seconds. period_s: read everything this often while somebody measures (None: only what must be).
    slept: seconds of suspend since boot; suspended_s: of them, those while somebody measured. Safe to use from several
    threads.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        clock: Clock = time.monotonic,
        on_sample: Callable[[list[Sample]], None] | None = None,
        *,
        period_s: float | None = None,
        slept: Clock = _clocks_apart,
    ) -> None:
        self.channels = tuple(channels)
        self.accumulators = {channel.key: accumulator_of(channel) for channel in self.channels}
        self.consumer_error, self.suspended_s = "", 0.0
        self._clock, self._slept, self._on_sample = clock, slept, on_sample
        self._slept_s = slept()
        self._lock = threading.RLock()
        self._active = 0
        self._thread: threading.Thread | None = None
        self._halt = threading.Lock()  # free: the thread must end
        self._lanes = self._lanes_of(self.channels)
        self._plan = [(need, self._lanes_of(group)) for need, group in _plan(self.channels, period_s)]

    def _lanes_of(self, channels: Iterable[Channel]) -> tuple[Lane, ...]:
        return tuple((channel.key, channel.read, self.accumulators[channel.key].add) for channel in channels)

    @property
    def tick_s(self) -> float | None:
        """The period of the thread [s]; None where no thread is needed."""
        if not self._plan:
            return None
        return min(max(min(period for period, _ in self._plan), _LEAST_TICK_S), _LONGEST_TICK_S)

    def snapshot(self) -> list[Sample]:
        """Read every channel once and return what they gave."""
        return self._pass(self._lanes)

    def states(self) -> tuple[float, dict[str, State]]:
        """Read every channel once; return the time [s] and the state of every accumulator."""
        with self._lock:
            time_s = self._clock()
            self._pass(self._lanes)
            return time_s, {key: accumulator.state for key, accumulator in self.accumulators.items()}

    def begin(self) -> tuple[float, dict[str, State]]:
        """Open a window: return its first states; starts the thread where one is needed."""
        with self._lock:
            if self._active == 0:
                for accumulator in self.accumulators.values():
                    accumulator.rest()
                self._slept_s = self._slept()
            self._active += 1
            if self._plan and self._thread is None:
                self._start()
            return self.states()

    def end(self) -> tuple[float, dict[str, State]]:
        """Close a window: return its last states; the thread ends at its next turn if it was the last one."""
        with self._lock:
            found = self.states()
            self._active = max(0, self._active - 1)
            return found

    def close(self) -> None:
        """Stop the thread, which reads nothing from here on, and give every channel back."""
        with self._lock:
            self._active = 0
            thread, self._thread = self._thread, None
            if thread is not None and self._halt.locked():
                self._halt.release()
        for channel in self.channels:
            channel.close()

    def _pass(self, lanes: Iterable[Lane]) -> list[Sample]:
        """Read every lane once. Ten times a second this finds cold caches, so it is one loop of few steps."""
        clock, samples = self._clock, []
        with self._lock:
            slept_s = self._slept()
            if slept_s - self._slept_s > _SLEPT_S:
                self._interrupt(slept_s)
            for key, read, add in lanes:
                try:
                    raw, error = read(), ""
                    if type(raw) is not float:
                        raw = _number(raw)
                except Exception as caught:  # foreign code: this sample is missing and the run goes on
                    raw, error = None, str(caught) or type(caught).__name__
                time_s = clock()
                add(time_s, raw, error)
                samples.append((key, time_s, raw, error))
            if self._on_sample is not None:
                try:
                    self._on_sample(samples)
                except Exception as error:  # a full disk must not end the measurement
                    self.consumer_error = f"{type(error).__name__}: {error}"
            return samples

    def _interrupt(self, slept_s: float) -> None:
        jump_s, self._slept_s = slept_s - self._slept_s, slept_s
        self.suspended_s += jump_s
        for accumulator in self.accumulators.values():
            accumulator.interrupt(jump_s)

    def _start(self) -> None:
        self._halt = threading.Lock()
        self._halt.acquire()
        self._thread = threading.Thread(
            target=self._run, args=(self._halt, self.tick_s), name="twentywatts-sampler", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # no more threads, or the interpreter is ending: windows still read their edges
            self._thread = None

    def _run(self, halt: threading.Lock, tick_s: float) -> None:
        me = threading.current_thread()
        due = [self._clock() + period_s for period_s, _ in self._plan]
        while not _is_over(halt, tick_s):
            with self._lock:
                if self._thread is not me:
                    return
                if self._active == 0:
                    self._thread = None
                    return
                self._poll(due)

    def _poll(self, due: list[float]) -> None:
        """Read the groups whose time has come (a quarter of a period early counts as come)."""
        now_s = self._clock()
        for index, (period_s, lanes) in enumerate(self._plan):
            if now_s >= due[index] - period_s / 4:
                due[index] = now_s + period_s
                self._pass(lanes)


def _is_over(halt: threading.Lock, tick_s: float) -> bool:
    """Wait for one tick; tell whether the thread must end.

    Sleep costs a fifth less CPU than waiting on a lock, and is for short ticks, as nothing cuts it short.
    """
    if tick_s > SLOWEST_S:
        return halt.acquire(timeout=tick_s)
    time.sleep(tick_s)
    return not halt.locked()


def _plan(channels: tuple[Channel, ...], period_s: float | None) -> list[tuple[float, tuple[Channel, ...]]]:
    """Return groups of channels with their period [s]: all at once if one is given, else power apart from energy."""
    needs = [(need, channel) for channel in channels if (need := poll_period_s(channel)) is not None]
    if period_s is not None:
        shortest = min([period_s, *(need for need, _ in needs)])
        return [(shortest, channels)] if channels else []
    groups = []
    for quantity in Quantity:
        group = [(need, channel) for need, channel in needs if channel.quantity is quantity]
        if group:
            groups.append((min(need for need, _ in group), tuple(channel for _, channel in group)))
    return groups


def _number(raw: object) -> float:
    """Return what a channel gave as a float; raises ReadError for what is no number."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise ReadError(f"the channel gave {type(raw).__name__}")
    return float(raw)
