"""Windows: a stretch of time between two edges, and what every channel gave in it."""

from __future__ import annotations

from twentywatts.errors import TwentyWattsError
from twentywatts.meter.accumulate import State
from twentywatts.meter.contract import How, Reading, Scope
from twentywatts.records import NamedTuple, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twentywatts.figures import Evidence
    from twentywatts.ledger import Ledger
    from twentywatts.meter.account import Total
    from twentywatts.meter.assemble import Assembly
    from twentywatts.uncertain import Interval

__all__ = ["Edge", "Span"]


_NO_PROCESSOR = (Scope.GPU, Scope.GPU_PARTITION, Scope.DRAM)


class Edge(NamedTuple):
    """A moment: its time [s], the state of every accumulator, the program's processor time [s], its children's too.

    busy_s: busy time of all processors [s], where it was asked for.
    """

    time_s: float
    states: dict[str, State]
    cpu_s: float = 0.0
    busy_s: float | None = None


class Span:
    """What was measured between two edges; everything is worked out when it is first asked for.

    name: for people. assembly: what was read. is_modelled: whether the model may stand in where nothing lives.
    """

    def __init__(self, name: str, assembly: Assembly, first: Edge, last: Edge, *, is_modelled: bool = True) -> None:
        self.name, self.assembly, self.first, self.last = name, assembly, first, last
        self._is_modelled = is_modelled
        self._readings: tuple[Reading, ...] | None = None
        self._total: Total | None = None

    def __str__(self) -> str:
        """Return the joules in a sentence; what was only modelled says so."""
        from twentywatts.units import format_interval, format_si

        took, interval = f"in {format_si(self.duration_s, 's')}", self.interval
        if interval is None:
            return f"energy unavailable {took}"
        how = self.how if self.is_measured else f"{self.how}, not measured"
        return f"{format_interval(interval.low, interval.mid, interval.high, 'J')} {took}, {how}"

    @property
    def duration_s(self) -> float:
        """Length of the window [s]."""
        return self.last.time_s - self.first.time_s

    @property
    def cpu_s(self) -> float:
        """Processor time of the program in the window [s]."""
        return self.last.cpu_s - self.first.cpu_s

    @property
    def readings(self) -> tuple[Reading, ...]:
        """One reading per channel, those of the total first; the model's last, where it was needed."""
        if self._readings is None:
            self._readings = self._read()
        return self._readings

    @property
    def total(self) -> Total:
        """The sum of what does not overlap; the model's reading where nothing could be measured."""
        if self._total is None:
            from twentywatts.meter.account import total_of
            from twentywatts.meter.reading import unavailable

            measured = total_of(reading for reading in self.readings if reading.key in self.assembly.summed)
            models = [reading for reading in self.readings if reading.how is How.MODELLED]
            stands_in = measured.energy_j is None and models
            found = replace(total_of(models), missing=measured.missing) if stands_in else measured
            lost = tuple(unavailable(channel, reason) for channel, reason in self.assembly.elsewhere)
            self._total = replace(found, missing=(*found.missing, *lost))
        return self._total

    @property
    def energy_j(self) -> float | None:
        """Joules of the total; None where there are none."""
        return self.total.energy_j

    @property
    def interval(self) -> Interval | None:
        """Joules of the total with their bounds; None where there are none."""
        from twentywatts.uncertain import Interval

        total = self.total
        if total.energy_j is None or total.low_j is None or total.high_j is None:
            return None
        return Interval(low=total.low_j, mid=total.energy_j, high=total.high_j)

    @property
    def how(self) -> How:
        """How the weakest joule of the total was obtained."""
        return self.total.how

    @property
    def evidence(self) -> Evidence:
        """Evidence of the weakest joule of the total; check ``how`` as well: unavailable and guessed are both L0."""
        from twentywatts.figures import Evidence

        return Evidence(self.total.evidence)

    @property
    def is_measured(self) -> bool:
        """Whether every joule of the total comes from a counter or a sensor."""
        return self.how.is_measured

    @property
    def ledger(self) -> Ledger:
        """The account of this window, joules per run; raises TwentyWattsError where there are none."""
        return self.ledger_per("run")

    def ledger_per(self, unit: str, count: float = 1.0) -> Ledger:
        """Return the account in joules per ``unit``, of which ``count`` were done in the window."""
        if not count > 0:
            raise TwentyWattsError(f"the count of units must be positive, got {count!r}")
        from twentywatts.meter.account import ledger_of

        gains = {channel.key: (channel.error_frac, channel.error_source) for channel in self.assembly.channels}
        return ledger_of(self.total, name=self.name, per=unit, count=count, duration_s=self.duration_s, gains=gains)

    def _read(self) -> tuple[Reading, ...]:
        from twentywatts.meter.reading import reading_of, unavailable

        summed, found = self.assembly.summed, []
        for channel in sorted(self.assembly.channels, key=lambda channel: channel.key not in summed):
            first, last = self.first.states.get(channel.key), self.last.states.get(channel.key)
            if first is None or last is None:
                found.append(unavailable(channel, "it was not read", duration_s=self.duration_s))
            else:
                found.append(reading_of(channel, first, last, self.duration_s))
        dead = [reading for reading in found if reading.key in summed and reading.energy_j is None]
        alive = [reading for reading in found if reading.key in summed and reading.energy_j is not None]
        found += [share for reading in tuple(found) if (share := self._share_elsewhere(reading)) is not None]
        if (
            self._is_modelled
            and not self.assembly.elsewhere
            and all(reading.scope in _NO_PROCESSOR for reading in alive)
        ):
            found.append(self._modelled(dead))
        return tuple(found)

    @property
    def share_frac(self) -> float | None:
        """The program's share of the busy processor time; None where it was not asked for."""
        return min(max(self.cpu_s / self.busy_s, 0.0), 1.0) if self.busy_s > 0 else None

    @property
    def busy_s(self) -> float:
        """Busy time of all processors of the host in the window [s]; 0 where it is not known."""
        if self.first.busy_s is None or self.last.busy_s is None:
            return 0.0
        return max(0.0, self.last.busy_s - self.first.busy_s)

    def _share_elsewhere(self, reading: Reading) -> Reading | None:
        """Return this rank's share of what another rank counts: shown, never in the total."""
        share = self.share_frac
        if share is None or all(reading.key != channel.key for channel, _ in self.assembly.elsewhere):
            return None
        from twentywatts.meter.attribution import attribute

        return attribute(reading, share, busy_s=self.busy_s)[0]

    def _modelled(self, dead: list[Reading]) -> Reading:
        from twentywatts.meter.fallback import modelled

        reasons = [f"{reading.component}: {'; '.join(reading.notes)}" for reading in dead]
        reasons += [f"{channel.component}: {reason}" for channel, reason in self.assembly.rejected[:3]]
        return modelled(self.duration_s, self.cpu_s, why="; ".join(reasons) or "no counter of a processor was found")
