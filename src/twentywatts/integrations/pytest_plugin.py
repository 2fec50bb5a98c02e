"""pytest: ``--energy`` tells the joules of every test; ``assert_energy_below`` fails a test that takes more.

    def test_inference(assert_energy_below):
        with assert_energy_below(2.0):          # joules; the lower bound of the reading must stay below
            model(batch)

Where nothing can be measured the test is skipped with the reason: an estimate proves nothing. Registered as the entry
point ``twentywatts`` of the group pytest11; it imports nothing until it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from twentywatts.meter import Meter

__all__ = ["assert_energy_below", "pytest_addoption", "pytest_configure"]

_MOST_TOLD = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --energy."""
    group = parser.getgroup("twentywatts", "energy of tests")
    group.addoption("--energy", action="store_true", help="tell the joules of each test, the hungriest first")


def pytest_configure(config: pytest.Config) -> None:
    """Measure where it was asked for."""
    if config.getoption("energy", False):
        config.pluginmanager.register(_Energy(), "twentywatts-energy")


@pytest.fixture
def assert_energy_below() -> Callable[[float], AbstractContextManager[Meter]]:
    """Return a context manager: it takes joules, and fails where what runs inside surely took more."""
    return _below


@contextmanager
def _below(limit_j: float) -> Iterator[Meter]:
    __tracebackhide__ = True
    if not limit_j > 0:
        raise ValueError(f"the limit must be more than 0 joules, got {limit_j!r}")
    from twentywatts.meter import Meter

    meter = Meter("assert_energy_below").start()
    try:
        yield meter
    finally:
        meter.stop()
    span = meter.span
    if not span.is_measured or span.interval is None:
        reasons = "; ".join(note for reading in span.readings for note in reading.notes)
        pytest.skip(f"energy cannot be measured here, an estimate proves nothing ({reasons}): see `twentywatts doctor`")
    if span.interval.low > limit_j:
        pytest.fail(f"took {_joules(span)}, more than the limit of {limit_j:g} J")


class _Energy:
    """Measures the call of every test, and tells in the end."""

    def __init__(self) -> None:
        self._told: list[tuple[str, Any]] = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Measure one test; a test that fails is measured, too."""
        from twentywatts.meter import Meter

        meter = Meter(item.nodeid).start()
        yield
        meter.stop()
        self._told.append((item.nodeid, meter.span))
        item.user_properties.append(("energy_j", meter.span.energy_j))
        item.user_properties.append(("energy_how", str(meter.span.how)))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell the hungriest tests first."""
        if not self._told:
            return
        terminalreporter.section("energy")
        ranked = sorted(self._told, key=lambda pair: -(pair[1].energy_j or 0.0))
        for name, span in ranked[:_MOST_TOLD]:
            terminalreporter.write_line(f"{_joules(span):<34} {name}")
        if len(ranked) > _MOST_TOLD:
            terminalreporter.write_line(f"and {len(ranked) - _MOST_TOLD} tests that took less")
        if not all(span.is_measured for _, span in ranked):
            terminalreporter.write_line("ESTIMATED is no measurement: `twentywatts doctor` tells what would help")


def _joules(span: Any) -> str:
    from twentywatts.units import format_interval

    if span.interval is None:
        return "unavailable"
    text = format_interval(span.interval.low, span.interval.mid, span.interval.high, "J")
    return text if span.is_measured else f"ESTIMATED {text}"
