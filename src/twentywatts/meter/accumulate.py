"""Accumulators: from (time, raw value) pairs of one channel to joules since the start, whatever the counter does.

Pure state machines: no clock, no file. Every number in a State only grows (but ``raw``, ``time_s`` and ``power_w``), so
a window is the difference of two of them, and windows may nest, overlap and share one accumulator.
"""

from __future__ import annotations

import math

from twentywatts.meter.contract import Channel, Quantity
from twentywatts.records import NamedTuple

__all__ = ["Accumulator", "EnergyAccumulator", "PowerAccumulator", "State", "accumulator_of"]
_ENDLESS = math.inf  # a float is compared with floats only (0.0, not 0): the interpreter has a shorter way for that
_MOST_J = 1e18  # more than any machine can have used; keeps the product of absurd times finite


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


class _Tally:
    """The same numbers while they grow: plain attributes, as a sample every 20 ms must cost microseconds."""

    __slots__ = State._fields

    def __init__(self) -> None:
        (
            self.time_s, self.raw, self.energy_j, self.covered_s, self.moved_s, self.spare_j, self.noise_j,
            self.power_w, self.samples, self.wraps, self.unseen_wraps, self.resets, self.gaps, self.errors,
            self.suspended_s, self.last_error,
        ) = State()  # fmt: skip

    def state(self) -> State:
        return State(
            self.time_s, self.raw, self.energy_j, self.covered_s, self.moved_s, self.spare_j, self.noise_j,
            self.power_w, self.samples, self.wraps, self.unseen_wraps, self.resets, self.gaps, self.errors,
            self.suspended_s, self.last_error,
        )  # fmt: skip

    def fail(self, error: str) -> float:
        self.errors += 1
        self.last_error = error
        return self.energy_j

    def take(self, time_s: float, raw: float) -> None:
        self.time_s, self.raw = time_s, raw
        self.samples += 1


class EnergyAccumulator:
    """Joules of one counter since the first sample, over wraps, resets, driver reloads and failed reads."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._tally = _Tally()
        self._is_broken = False
        self._range_j = channel.range_j if channel.range_is_known and channel.range_j else 0.0
        self._limit_w = channel.limit_w
        self._slack_j = 2 * channel.limit_w * channel.period_s + channel.step_j

    @property
    def state(self) -> State:
        """What is known now."""
        return self._tally.state()

    def add(self, time_s: float, raw: float | None, error: str = "") -> float:
        """Take one sample (None: the read failed) and return the joules since the first one [J]."""
        tally = self._tally
        if raw is None or not 0.0 <= raw < _ENDLESS:
            return tally.fail(error or f"the counter gave {raw}")
        if tally.raw is not None:
            elapsed_s = time_s - tally.time_s
            if elapsed_s < 0.0:
                return tally.fail("the clock went back")
            if elapsed_s == 0.0:
                return tally.energy_j
            if self._is_broken:
                self._is_broken = False
                tally.gaps += 1
            else:
                self._count(elapsed_s, raw - tally.raw)
        tally.time_s, tally.raw = time_s, raw
        tally.samples += 1
        return tally.energy_j

    def interrupt(self, suspended_s: float = 0.0) -> None:
        """Note that the machine slept: the stretch up to the next sample does not count, the counter may be reset."""
        self._is_broken = True
        self._tally.suspended_s += suspended_s

    def rest(self) -> None:
        """Forget the last value, as nobody measures: the next sample begins anew without a gap."""
        self._is_broken = False
        self._tally.raw, self._tally.power_w = None, 0.0

    def _count(self, elapsed_s: float, delta_j: float) -> None:
        """Take the joules of one stretch, or throw them away where no plausible power explains them."""
        tally, is_wrap = self._tally, delta_j < 0.0
        if is_wrap:
            delta_j += self._range_j
        plausible_j = self._limit_w * elapsed_s
        if not 0.0 <= delta_j <= plausible_j + self._slack_j:
            tally.gaps += 1
            tally.resets += 1
            tally.power_w = 0.0
            return
        tally.energy_j += delta_j
        tally.covered_s += elapsed_s
        tally.power_w = delta_j / elapsed_s
        if delta_j > 0.0:
            tally.moved_s += elapsed_s
        if is_wrap:
            tally.wraps += 1
            tally.spare_j += self.channel.step_j
        if self._range_j and plausible_j - delta_j >= self._range_j:
            # how many further wraps the highest plausible power allows in this stretch
            unseen = int((min(plausible_j, _MOST_J) - delta_j) // self._range_j)
            tally.unseen_wraps += unseen
            tally.spare_j += unseen * self._range_j


class PowerAccumulator:
    """Joules of one power sensor: the trapezoid rule between samples, and nothing across a long silence."""

    def __init__(self, channel: Channel, *, longest_gap_s: float | None = None) -> None:
        self.channel = channel
        self._tally = _Tally()
        self._is_broken = False
        self._longest_gap_s = max(10 * channel.period_s, 3.0) if longest_gap_s is None else longest_gap_s

    @property
    def state(self) -> State:
        """What is known now."""
        return self._tally.state()

    def add(self, time_s: float, raw: float | None, error: str = "") -> float:
        """Take one sample in watts (None: the read failed) and return the joules since the first one [J]."""
        tally = self._tally
        if raw is None or not 0.0 <= raw <= self.channel.limit_w:
            return tally.fail(error or f"the sensor gave {raw} W")
        elapsed_s = 0.0 if tally.raw is None else time_s - tally.time_s
        if elapsed_s < 0.0:
            return tally.fail("the clock went back")
        if tally.raw is None or elapsed_s > 0.0:
            if elapsed_s > 0.0:
                self._count(elapsed_s, tally.raw or 0.0, raw)
            tally.take(time_s, raw)
            tally.power_w = raw
        return tally.energy_j

    def interrupt(self, suspended_s: float = 0.0) -> None:
        """Note that the machine slept: the stretch up to the next sample does not count."""
        self._is_broken = True
        self._tally.suspended_s += suspended_s

    def rest(self) -> None:
        """Forget the last value, as nobody measures: the next sample begins anew without a gap."""
        self._is_broken = False
        self._tally.raw, self._tally.power_w = None, 0.0

    def _count(self, elapsed_s: float, last_w: float, power_w: float) -> None:
        tally = self._tally
        if self._is_broken or elapsed_s > self._longest_gap_s:
            self._is_broken = False
            tally.gaps += 1
            return
        tally.energy_j += (last_w + power_w) / 2 * elapsed_s
        tally.covered_s += elapsed_s
        tally.noise_j += abs(power_w - last_w) / 2 * elapsed_s
        if last_w + power_w > 0.0:
            tally.moved_s += elapsed_s


Accumulator = EnergyAccumulator | PowerAccumulator


def accumulator_of(channel: Channel) -> Accumulator:
    """Return the accumulator that fits what the channel reads."""
    return EnergyAccumulator(channel) if channel.quantity is Quantity.ENERGY else PowerAccumulator(channel)
