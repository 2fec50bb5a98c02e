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
_PROPERTIES = ("energy_j", "energy_low_j", "energy_high_j", "energy_how", "energy_measured")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --energy."""
    group = parser.getgroup("twentywatts", "energy of tests")
    group.addoption("--energy", action="store_true", help="tell the joules of each test, the hungriest first")


def pytest_configure(config: pytest.Config) -> None:
    """Measure where it was asked for."""
    if config.getoption("energy", False):
        workers = getattr(config.option, "numprocesses", None)
        config.pluginmanager.register(_Energy(workers), "twentywatts-energy")


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
    """Measures the call of every test and tells in the end; with xdist the workers measure, the controller tells."""

    def __init__(self, workers: object = None) -> None:
        self._told: list[tuple[str, dict[str, Any]]] = []
        self._workers = workers

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Measure one test; a test that fails is measured, too."""
        from twentywatts.meter import Meter

        meter = Meter(item.nodeid).start()
        yield
        span = meter.stop().span
        bounds = (None, None) if span.interval is None else (span.interval.low, span.interval.high)
        values = (span.energy_j, *bounds, str(span.how), span.is_measured)
        item.user_properties.extend(zip(_PROPERTIES, values, strict=True))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what a test took, in whichever process it ran."""
        found = {name: value for name, value in report.user_properties if name in _PROPERTIES}
        if report.when == "call" and len(found) == len(_PROPERTIES):
            self._told.append((report.nodeid, found))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell the hungriest tests first."""
        if not self._told:
            return
        terminalreporter.section("energy")
        ranked = sorted(self._told, key=lambda pair: -(pair[1]["energy_j"] or 0.0))
        for name, found in ranked[:_MOST_TOLD]:
            terminalreporter.write_line(f"{_words(found):<34} {name}")
        if len(ranked) > _MOST_TOLD:
            terminalreporter.write_line(f"and {len(ranked) - _MOST_TOLD} tests that took less")
        if not all(found["energy_measured"] for _, found in ranked):
            terminalreporter.write_line("ESTIMATED is no measurement: `twentywatts doctor` tells what would help")
        if self._workers:
            terminalreporter.write_line(
                "tests ran side by side: the joules of each hold what the others drew meanwhile"
            )


def _words(found: dict[str, Any]) -> str:
    from twentywatts.units import format_interval

    if found["energy_j"] is None:
        return "unavailable"
    text = format_interval(found["energy_low_j"], found["energy_j"], found["energy_high_j"], "J")
    return text if found["energy_measured"] else f"ESTIMATED {text}"


def _joules(span: Any) -> str:
    from twentywatts.units import format_interval

    return format_interval(span.interval.low, span.interval.mid, span.interval.high, "J")
