"""A journal read again: the same samples through the same accumulators give the same joules as the live run.

The content is never trusted: lines and their number are bounded, numbers must be finite, texts are cut and cleaned, and
a damaged or torn line is left out and named.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from twentywatts.errors import InputError, clean
from twentywatts.meter.accumulate import Accumulator, accumulator_of
from twentywatts.meter.assemble import Assembly, Rejected
from twentywatts.meter.contract import Channel, Quantity, ReadError, Scope
from twentywatts.meter.journal import SCHEMA
from twentywatts.meter.window import Edge
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Record = dict[str, Any]

__all__ = ["Gap", "Story", "read_journal"]

_LONGEST_LINE, _MOST_LINES = 1 << 20, 50_000_000
_MOST_CHANNELS, _MOST_EDGES, _LONGEST_TEXT = 4096, 10_000, 500
_TEXTS = ("key", "component", "source", "error_source", "twin")
_NUMBERS = {"step_j": (0.0, 1e3), "period_s": (0.0, 1e5), "error_frac": (0.0, 10.0), "limit_w": (0.0, 1e9)}


@record()
class Gap:
    """A stretch of the run of which nothing is known, in seconds since its start (to_s None: until the end)."""

    from_s: float
    to_s: float | None
    reason: str


@dataclass(slots=True, kw_only=True)
class Story:
    """What a journal tells. edges: by name, "start" first; without an end of its own the last sign of life stands in.

    end: what the meter wrote last, None where it was killed. trace: (time [s], joules of the total since the start) of
    every pass.
    """

    header: Record
    assembly: Assembly
    edges: list[tuple[str, Edge]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    trace: list[tuple[float, float]] = field(default_factory=list)
    end: Record | None = None
    damaged: int = 0
    is_torn: bool = False


def read_journal(path: str | Path) -> Story:
    """Return what a journal tells; raises InputError where the file is none, or holds no start."""
    try:
        with Path(path).open("rb") as stream:
            reader = _Reader(str(path), stream)
            for record in reader.records():
                reader.take(record)
            return reader.story()
    except OSError as error:
        raise InputError(f"cannot read the journal '{path}': {error.strerror or error}") from error


class _Reader:
    """Feeds the lines of one journal to accumulators."""

    def __init__(self, path: str, stream: Any) -> None:
        self._path, self._stream = path, stream
        self._damaged, self._is_torn = 0, False
        self._header: Record | None = None
        header = next(self.records(), None)
        if header is None or header.get("schema") != SCHEMA:
            raise InputError(f"'{path}' is no journal of twentywatts measure: its first line must be {SCHEMA}")
        self._header = header
        self._story = Story(header=header, assembly=_assembly(path, header))
        channels = self._story.assembly.channels
        self._accumulators: dict[str, Accumulator] = {channel.key: accumulator_of(channel) for channel in channels}
        self._joules = dict.fromkeys(self._story.assembly.summed, 0.0)
        self._captured: dict[int, dict[str, Any]] = {}
        self._last_s = self._last_cpu_s = self._slept_s = 0.0
        self._last_busy_s: float | None = None
        self._start_s: float | None = None
        self._longest_s = max(5 * _number(header.get("interval_s"), 0.0, 1e6), 5.0) if header.get("interval_s") else 0.0

    def records(self) -> Iterator[Record]:
        """Yield the lines that are JSON objects; count the others."""
        for _ in range(_MOST_LINES):
            line = self._stream.readline(_LONGEST_LINE + 1)
            if not line:
                return
            self._is_torn = not line.endswith(b"\n")
            if len(line) > _LONGEST_LINE:
                if self._header is None:
                    return  # whatever this is, it has no first line
                self._skip()
            elif line.strip():
                record = _parse(line)
                if record is not None:
                    yield record
                    continue
                self._damaged += not self._is_torn

    def _skip(self) -> None:
        self._damaged += 1
        while (line := self._stream.readline(_LONGEST_LINE)) and not line.endswith(b"\n"):
            pass

    def take(self, record: Record) -> None:
        """Take one line; one that does not hold what it should counts as damaged."""
        try:
            if "s" in record:
                self._samples(record)
            elif "edge" in record:
                self._edge(record)
            elif "tick" in record:
                self._seen(_number(record["tick"]), _number(record.get("cpu", 0.0)), record.get("busy"))
            elif "end" in record:
                self._story.end = record
        except (InputError, TypeError, KeyError, ValueError):
            self._damaged += 1

    def story(self) -> Story:
        """Return the whole story; raises InputError where not even a start is told."""
        story = self._story
        if not story.edges:
            raise InputError(
                f"the journal '{self._path}' ends before the measurement began: there is nothing to report"
            )
        if story.edges[-1][0] != "stop":
            states = {key: accumulator.state for key, accumulator in self._accumulators.items()}
            cpu_s = max(self._last_cpu_s, story.edges[-1][1].cpu_s)
            last_s = max(self._last_s, story.edges[-1][1].time_s)
            story.edges.append(("stop", Edge(last_s, states, cpu_s, self._last_busy_s)))
            reason = "the journal ends here: the meter was killed or the machine went down; what followed was not seen"
            story.gaps.append(Gap(from_s=last_s - story.edges[0][1].time_s, to_s=None, reason=reason))
        story.damaged, story.is_torn = self._damaged, self._is_torn
        return story

    def _samples(self, record: Record) -> None:
        rows = [_row(row) for row in record["s"]]
        slept_s = _number(record.get("z", self._slept_s), 0.0)
        if slept_s > self._slept_s:
            for accumulator in self._accumulators.values():
                accumulator.interrupt(slept_s - self._slept_s)
            self._gap(rows[0][1] if rows else self._last_s, f"the machine slept {slept_s - self._slept_s:.3g} s")
            self._slept_s = slept_s
        for key, time_s, raw, error in rows:
            if key in self._accumulators:
                energy_j = self._accumulators[key].add(time_s, raw, error)
                if key in self._joules:
                    self._joules[key] = energy_j
            self._seen(time_s)
        if rows:
            self._story.trace.append((rows[-1][1], sum(self._joules.values())))
        if "edge" in record and len(self._captured) < _MOST_EDGES:
            number = int(record["edge"])
            self._captured[number] = {key: accumulator.state for key, accumulator in self._accumulators.items()}

    def _edge(self, record: Record) -> None:
        time_s, cpu_s = _number(record["t"]), _number(record.get("cpu", 0.0), 0.0)
        states = self._captured.pop(int(record["n"]), None)
        if states is None or len(self._story.edges) >= _MOST_EDGES:
            raise InputError("an edge without its samples")
        if self._start_s is None:
            self._start_s = self._last_s = time_s
        busy_s = None if record.get("busy") is None else _number(record["busy"], 0.0)
        self._story.edges.append((_text(record["edge"]), Edge(time_s, states, cpu_s, busy_s)))
        self._seen(time_s, cpu_s, busy_s)

    def _seen(self, time_s: float, cpu_s: float = 0.0, busy_s: object = None) -> None:
        """Something was written at this time; a long silence before it is a gap."""
        if self._start_s is not None and self._longest_s and time_s - self._last_s > self._longest_s:
            self._gap(time_s, "no samples: the meter was stopped or the machine was too busy")
        self._last_s, self._last_cpu_s = max(self._last_s, time_s), max(self._last_cpu_s, cpu_s)
        self._last_busy_s = self._last_busy_s if busy_s is None else _number(busy_s, 0.0)

    def _gap(self, to_s: float, reason: str) -> None:
        start_s = self._start_s or 0.0
        self._story.gaps.append(Gap(from_s=self._last_s - start_s, to_s=to_s - start_s, reason=reason))
        self._last_s = max(self._last_s, to_s)


def _parse(line: bytes) -> Record | None:
    def refuse(text: str) -> NoReturn:
        raise ValueError(f"{text} is no number")

    try:
        found = json.loads(line, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _number(value: object, low: float = -1e15, high: float = 1e15) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("not a number")
    try:
        number = float(value)
    except OverflowError:
        raise InputError("not a finite number") from None
    if not (math.isfinite(number) and low <= number <= high):
        raise InputError("a number out of its bounds")
    return number


def _text(value: object) -> str:
    return clean(value)[:_LONGEST_TEXT]


def _row(row: Any) -> tuple[str, float, float | None, str]:
    key, time_s, raw, *error = row
    return str(key), _number(time_s), None if raw is None else _number(raw), _text(error[0]) if error else ""


def _assembly(path: str, header: Record) -> Assembly:
    try:
        rows, apart = header["channels"], dict(header.get("apart", []))
        if len(rows) > _MOST_CHANNELS:
            raise InputError("too many channels")
        channels = tuple(_channel(row) for row in rows)
        keys = {channel.key for channel in channels}
        summed = tuple(str(key) for key in header["summed"] if key in keys)
        rejected, elsewhere = _others(header.get("rejected", [])), _others(header.get("elsewhere", []))
    except (InputError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"the journal '{path}' does not describe its channels: {clean(error)}") from error
    parts = tuple((channel, _text(apart[channel.key])) for channel in channels if channel.key in apart)
    return Assembly(channels=channels, summed=summed, apart=parts, rejected=rejected, elsewhere=elsewhere)


def _others(rows: list[Any]) -> Rejected:
    return tuple((_channel(row), _text(why)) for row, why in rows[:_MOST_CHANNELS])


def _channel(row: Record) -> Channel:
    numbers: dict[str, Any] = {name: _number(row[name], *bounds) for name, bounds in _NUMBERS.items()}
    texts: dict[str, Any] = {name: _text(row[name]) for name in _TEXTS}
    return Channel(
        **texts,
        **numbers,
        scope=Scope(row["scope"]),
        quantity=Quantity(row["quantity"]),
        read=_gone,
        range_j=None if row["range_j"] is None else _number(row["range_j"], 1e-9, 1e15),
        range_is_known=row["range_is_known"] is True,
        inside=tuple(_text(key) for key in row["inside"][:_MOST_CHANNELS]),
        notes=tuple(_text(note) for note in row["notes"][:32]),
    )


def _gone() -> float:
    raise ReadError("a channel of a journal cannot be read again")
