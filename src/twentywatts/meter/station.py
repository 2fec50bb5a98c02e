"""A station: what every counter of a node shows now, for as long as somebody looks; for watch and the exporters.

Only what lives is shown. Nothing is modelled here, and a counter that cannot be read has no row rather than a zero.
"""

from __future__ import annotations

import threading
import time

from twentywatts.meter.accumulate import State
from twentywatts.meter.assemble import Assembly
from twentywatts.meter.contract import Channel, Clock, How, Quantity, Scope
from twentywatts.meter.sampler import Sampler
from twentywatts.records import record

__all__ = ["Row", "Station"]

_SHORTEST_S = 0.5  # a mean power over less is noise
_STALE_S = 60.0  # no valid sample for so long: the counter is gone


@record()
class Row:
    """One counter now. energy_j: since the station began. power_w: mean since the last look; None: not known.

    is_summed: whether it is part of the node's total; the others overlap with those that are.
    """

    key: str
    component: str
    scope: Scope
    kind: How
    source: str
    energy_j: float
    power_w: float | None
    is_summed: bool
    errors: int
    age_s: float
    resets: int


class Station:
    """Reads an assembly from ``start`` to ``close``; ``rows`` may be called from several threads."""

    def __init__(self, assembly: Assembly, *, period_s: float | None = None, clock: Clock = time.monotonic) -> None:
        self.assembly = assembly
        self._sampler = Sampler(assembly.channels, clock, period_s=period_s)
        self._lock = threading.Lock()
        self._basis: tuple[float, dict[str, State]] = (0.0, {})
        self._power_w: dict[str, float] = {}

    def start(self) -> Station:
        """Begin to count; returns itself."""
        self._basis = self._sampler.begin()
        return self

    def close(self) -> None:
        """Give the counters back."""
        self._sampler.close()

    def rows(self) -> list[Row]:
        """Read everything and return what has been seen at least once and not long ago."""
        with self._lock:
            time_s, states = self._sampler.states()
            self._refresh(time_s, states)
            seen = [(channel, states[channel.key]) for channel in self.assembly.channels]
            return [self._row(channel, state, time_s) for channel, state in seen if _is_fresh(state, time_s)]

    def _refresh(self, time_s: float, states: dict[str, State]) -> None:
        """Work out the mean power since the last look, unless that was just now."""
        last_s, last = self._basis
        if time_s - last_s < _SHORTEST_S:
            return
        self._power_w.clear()
        for key, state in states.items():
            before = last.get(key)
            covered_s = state.covered_s - before.covered_s if before else 0.0
            if before and covered_s > 0:
                self._power_w[key] = (state.energy_j - before.energy_j) / covered_s
        self._basis = time_s, states

    def _row(self, channel: Channel, state: State, time_s: float) -> Row:
        return Row(
            key=channel.key,
            component=channel.component,
            scope=channel.scope,
            kind=How.COUNTER if channel.quantity is Quantity.ENERGY else How.INTEGRATED,
            source=channel.source,
            energy_j=state.energy_j,
            power_w=self._power_w.get(channel.key),
            is_summed=channel.key in self.assembly.summed,
            errors=state.errors,
            age_s=max(0.0, time_s - state.time_s),
            resets=state.resets,
        )


def _is_fresh(state: State, time_s: float) -> bool:
    return state.raw is not None and time_s - state.time_s < _STALE_S
