"""A wall meter's recording beside a journal: what it says of the run, after its clock was fitted to what we counted.

The meter keeps a clock of its own. Where the journal holds samples of live counters, their power over our clock is the
trace that the recording is shifted against (sources/wall/csv.py).
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from twentywatts.errors import InputError
from twentywatts.meter.contract import Reading
from twentywatts.meter.replay import Story
from twentywatts.meter.sources.wall.config import MeterConfig, load
from twentywatts.meter.sources.wall.csv import Offset, Trace, fit_offset, read_csv, reading_between
from twentywatts.records import replace

__all__ = ["recorded_readings"]

_FEWEST_PASSES = 10
_EPOCH_S = 1e8  # a clock that shows more counts since 1970
_WITHIN_S = (60.0, 600.0)  # how far around the guess the offset is searched, at least and at most


def recorded_readings(story: Story, wall: str) -> tuple[Reading, ...]:
    """Return what each recording in the file ``wall`` says between the first and the last edge of a journal.

    Raises InputError where the file names none, a recording does not cover the run, or the two have no pattern in
    common: where nothing was counted there is nothing to fit the clock by.
    """
    meters = [meter for meter in load(Path(wall)) if meter.kind == "csv"]
    if not meters:
        raise InputError(f"'{wall}' names no recording (kind = \"csv\"); other meters are read while the command runs")
    own = _own_trace(story)
    return tuple(_reading(meter, own, story) for meter in meters)


def _reading(meter: MeterConfig, own: Trace, story: Story) -> Reading:
    path = Path(meter.path)
    trace = read_csv(path, time=meter.time, power=meter.power, time_unit=meter.time_unit, power_unit=meter.power_unit)
    start_s, end_s = story.edges[0][1].time_s, story.edges[-1][1].time_s
    length_s = trace.time_s[-1] - trace.time_s[0]
    within_s = min(max(length_s, _WITHIN_S[0]), _WITHIN_S[1])
    guess_s = _guess_s(trace, story)
    offset = fit_offset(trace, own, around_s=guess_s, within_s=within_s)
    name = meter.name or path.stem
    reading = reading_between(trace, offset, start_s, end_s, error_frac=meter.error_frac, component=name)
    return replace(reading, notes=(_clock_note(offset, guess_s, is_dated=trace.time_s[0] >= _EPOCH_S),))


def _clock_note(offset: Offset, guess_s: float, *, is_dated: bool) -> str:
    """Return how far the two clocks are apart, in words: by their dates, or of a clock without one by its beginning."""
    early_s, half_s = guess_s - offset.offset_s, (offset.high_s - offset.low_s) / 2
    if is_dated:
        words = ("its clock is", "ahead of this machine's" if early_s > 0 else "behind this machine's")
    else:
        words = ("it began", "before the run" if early_s > 0 else "after the run began")
    return f"{words[0]} {abs(early_s):.3g} s (±{half_s:.2g}) {words[1]}, fitted"


def _own_trace(story: Story) -> Trace:
    """Return the mean power between the passes of a journal, each at the middle of its stretch."""
    passes = [(time_s, energy_j) for time_s, energy_j in story.trace if time_s >= story.edges[0][1].time_s]
    stretches = [(one, other) for one, other in pairwise(passes) if other[0] > one[0]]
    if len(stretches) < _FEWEST_PASSES or passes[-1][1] <= passes[0][1]:
        raise InputError(
            "the journal holds too few samples of a live counter to fit a recording's clock by: "
            "measure with --interval 0.5, and longer"
        )
    return Trace(
        time_s=tuple((one[0] + other[0]) / 2 for one, other in stretches),
        power_w=tuple(max(0.0, (other[1] - one[1]) / (other[0] - one[0])) for one, other in stretches),
    )


def _guess_s(trace: Trace, story: Story) -> float:
    """Return about what turns the recording's clock into the journal's [s]: by the date, else by the beginnings."""
    if trace.time_s[0] < _EPOCH_S:
        return story.edges[0][1].time_s - trace.time_s[0]
    from datetime import datetime

    try:
        began_s = datetime.fromisoformat(str(story.header["time"])).timestamp()
        guess_s = float(story.header["monotonic_s"]) - began_s
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError("the journal does not tell when it was begun") from error
    if not math.isfinite(guess_s):
        raise InputError("the journal does not tell when it was begun")
    return guess_s
