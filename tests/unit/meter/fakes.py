"""Counters that do what a test says: no files, no sleep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from twentywatts.meter.assemble import Assembly, open_channels
from twentywatts.meter.contract import Channel, Finding, Quantity, ReadError, Scope

STEP_J = 2.0**-14
RANGE_J = 2.0**18


class Clock:
    """Monotonic seconds that move only when they are told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Counter:
    """A counter that draws ``power_w`` as the clock goes; what it shows is floored to its step and wraps."""

    clock: Clock
    power_w: float = 50.0
    start_j: float = 1000.0
    step_j: float = STEP_J
    range_j: float | None = RANGE_J
    fails: bool = False
    is_frozen: bool = False
    reads: int = 0
    began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.began_s = self.clock.now_s

    def true_j(self) -> float:
        return self.start_j + (0.0 if self.is_frozen else self.power_w * (self.clock.now_s - self.began_s))

    def __call__(self) -> float:
        self.reads += 1
        if self.fails:
            raise ReadError("no data")
        counts = self.true_j() // self.step_j
        return counts * self.step_j % self.range_j if self.range_j else counts * self.step_j


def channel(read: Callable[[], float] = lambda: 0.0, key: str = "fake:0", **other: Any) -> Channel:
    """Return a channel; a package's energy counter unless it is told otherwise."""
    known: dict[str, Any] = {
        "component": key,
        "scope": Scope.PACKAGE,
        "quantity": Quantity.ENERGY,
        "source": key.partition(":")[0],
        "step_j": STEP_J,
        "range_j": RANGE_J,
        "read": read,
    }
    return Channel(key=key, **(known | other))


def power(read: Callable[[], float] = lambda: 0.0, key: str = "fake:p", **other: Any) -> Channel:
    known: dict[str, Any] = {"quantity": Quantity.POWER, "step_j": 0.0, "range_j": None, "period_s": 0.1}
    return channel(read, key, **(known | other))


def script(values: Iterable[float | Exception | None]) -> Callable[[], float]:
    """Return a reader that gives these values in turn; None and exceptions are failed reads."""
    waiting: Iterator[float | Exception | None] = iter(values)

    def read() -> float:
        value = next(waiting)
        if value is None:
            raise ReadError("no data")
        if isinstance(value, Exception):
            raise value
        return value

    return read


@dataclass
class FakeSource:
    found: list[Channel]
    name: str = "fake"

    def channels(self) -> list[Channel]:
        return self.found

    def findings(self) -> list[Finding]:
        return []


def assembly(*channels: Channel) -> Assembly:
    return open_channels([FakeSource(list(channels))])
