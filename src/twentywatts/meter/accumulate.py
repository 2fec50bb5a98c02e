"""Accumulators: from (time, raw value) pairs of one channel to joules since the start, whatever the counter does.

Pure state machines: no clock, no file. Every number in a State only grows (but ``raw``, ``time_s`` and ``power_w``), so
a window is the difference of two of them, and windows may nest, overlap and share one accumulator.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from twentywatts.meter.contract import Channel, Quantity

__all__ = ["Accumulator", "EnergyAccumulator", "PowerAccumulator", "State", "accumulator_of"]


class State(NamedTuple):
    """What an accumulator knows at one moment; the difference of two states is a window.

    time_s, raw: of the last valid sample (None: none yet). energy_j: accepted joules. covered_s: the time they span.
    spare_j: joules that may be missing (wraps that cannot be seen, or the last count of a wrap). noise_j: bound of what
    happened between samples of a power sensor. moved_s: covered time in which the value moved. gaps: stretches thrown
    away. power_w: mean power over the last accepted stretch.
    """

    time_s: float = 0.0
    raw: float | None = None
    energy_j: float = 0.0
    covered_s: float = 0.0
    moved_s: float = 0.0
    spare_j: float = 0.0
    noise_j: float = 0.0
    power_w: float = 0.0
    samples: int = 0
    wraps: int = 0
    unseen_wraps: int = 0
    resets: int = 0
    gaps: int = 0
    errors: int = 0
    suspended_s: float = 0.0
    last_error: str = ""


class EnergyAccumulator:
    """Joules of one counter since the first sample, over wraps, resets, driver reloads and failed reads."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.state = State()
        self._is_broken = False
        self._range_j = channel.range_j if channel.range_is_known and channel.range_j else 0.0

    def add(self, time_s: float, raw: float | None, error: str = "") -> float:
        """Take one sample (None: the read failed) and return the joules since the first one [J]."""
        state = self.state
        if raw is None or not 0 <= raw < math.inf:
            return self._fail(error or f"the counter gave {raw}")
        if state.raw is None:
            self.state = state._replace(time_s=time_s, raw=raw, samples=state.samples + 1)
            return state.energy_j
        elapsed_s = time_s - state.time_s
        if elapsed_s < 0:
            return self._fail("the clock went back")
        if elapsed_s > 0:
            self.state = self._step(state, elapsed_s, raw)
            self._is_broken = False
        return self.state.energy_j

    def interrupt(self, suspended_s: float = 0.0) -> None:
        """Note that the machine slept: the stretch up to the next sample does not count, the counter may be reset."""
        self._is_broken = True
        self.state = self.state._replace(suspended_s=self.state.suspended_s + suspended_s)

    def rest(self) -> None:
        """Forget the last value, as nobody measures: the next sample begins anew without a gap."""
        self._is_broken = False
        self.state = self.state._replace(raw=None, power_w=0.0)

    def _fail(self, error: str) -> float:
        self.state = self.state._replace(errors=self.state.errors + 1, last_error=error)
        return self.state.energy_j

    def _step(self, state: State, elapsed_s: float, raw: float) -> State:
        channel, last = self.channel, state.raw or 0.0
        state = state._replace(time_s=state.time_s + elapsed_s, raw=raw, samples=state.samples + 1)
        if self._is_broken:
            return state._replace(gaps=state.gaps + 1)
        delta_j, is_wrap = raw - last, raw < last
        if is_wrap:
            delta_j += self._range_j
        ceiling_j = channel.limit_w * (elapsed_s + 2 * channel.period_s) + channel.step_j
        if not 0 <= delta_j <= ceiling_j:
            return state._replace(gaps=state.gaps + 1, resets=state.resets + 1, power_w=0.0)
        unseen = self._unseen_wraps(elapsed_s, delta_j)
        spare_j = unseen * self._range_j + (channel.step_j if is_wrap else 0.0)
        return state._replace(
            energy_j=state.energy_j + delta_j,
            covered_s=state.covered_s + elapsed_s,
            moved_s=state.moved_s + (elapsed_s if delta_j > 0 else 0.0),
            spare_j=state.spare_j + spare_j,
            power_w=delta_j / elapsed_s,
            wraps=state.wraps + is_wrap,
            unseen_wraps=state.unseen_wraps + unseen,
        )

    def _unseen_wraps(self, elapsed_s: float, delta_j: float) -> int:
        """Return how many further wraps the longest plausible power allows in this stretch."""
        if not self._range_j:
            return 0
        return max(0, int((self.channel.limit_w * elapsed_s - delta_j) // self._range_j))


class PowerAccumulator:
    """Joules of one power sensor: the trapezoid rule between samples, and nothing across a long silence."""

    def __init__(self, channel: Channel, *, longest_gap_s: float | None = None) -> None:
        self.channel = channel
        self.state = State()
        self._is_broken = False
        self._longest_gap_s = max(10 * channel.period_s, 3.0) if longest_gap_s is None else longest_gap_s

    def add(self, time_s: float, raw: float | None, error: str = "") -> float:
        """Take one sample in watts (None: the read failed) and return the joules since the first one [J]."""
        state = self.state
        if raw is None or not 0 <= raw <= self.channel.limit_w:
            return self._fail(error or f"the sensor gave {raw} W")
        if state.raw is None:
            self.state = state._replace(time_s=time_s, raw=raw, power_w=raw, samples=state.samples + 1)
            return state.energy_j
        elapsed_s = time_s - state.time_s
        if elapsed_s < 0:
            return self._fail("the clock went back")
        if elapsed_s > 0:
            self.state = self._step(state, elapsed_s, raw)
            self._is_broken = False
        return self.state.energy_j

    def interrupt(self, suspended_s: float = 0.0) -> None:
        """Note that the machine slept: the stretch up to the next sample does not count."""
        self._is_broken = True
        self.state = self.state._replace(suspended_s=self.state.suspended_s + suspended_s)

    def rest(self) -> None:
        """Forget the last value, as nobody measures: the next sample begins anew without a gap."""
        self._is_broken = False
        self.state = self.state._replace(raw=None, power_w=0.0)

    def _fail(self, error: str) -> float:
        self.state = self.state._replace(errors=self.state.errors + 1, last_error=error)
        return self.state.energy_j

    def _step(self, state: State, elapsed_s: float, raw: float) -> State:
        last = state.raw or 0.0
        state = state._replace(time_s=state.time_s + elapsed_s, raw=raw, power_w=raw, samples=state.samples + 1)
        if self._is_broken or elapsed_s > self._longest_gap_s:
            return state._replace(gaps=state.gaps + 1)
        return state._replace(
            energy_j=state.energy_j + (last + raw) / 2 * elapsed_s,
            covered_s=state.covered_s + elapsed_s,
            moved_s=state.moved_s + (elapsed_s if last + raw > 0 else 0.0),
            noise_j=state.noise_j + abs(raw - last) / 2 * elapsed_s,
        )


Accumulator = EnergyAccumulator | PowerAccumulator


def accumulator_of(channel: Channel) -> Accumulator:
    """Return the accumulator that fits what the channel reads."""
    return EnergyAccumulator(channel) if channel.quantity is Quantity.ENERGY else PowerAccumulator(channel)
