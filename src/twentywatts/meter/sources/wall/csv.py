"""A recording of any meter as CSV: power over its own clock, brought onto ours by what both saw.

The meter's clock is off by an unknown offset. It is fitted: our own trace (what the chips drew, or a square wave of
marker loads at known times), averaged over the stretch before each sample of the meter, is shifted until a straight
line through both leaves the least sum of squares S. Shifts with S <= S_min·(1 + F/(n - 3)), F the 90 % point of the
F distribution with (1, n - 3) degrees of freedom, make the interval; half a period of the meter is added to it, because
between two samples it says nothing. Source: Seber and Wild, Nonlinear Regression (1989), section 5.8 (the region).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from twentywatts.errors import InputError
from twentywatts.meter.contract import RECORDED, How, Reading, Scope
from twentywatts.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Offset", "Trace", "energy_j", "fit_offset", "read_csv", "reading_between"]

_MOST_ROWS = 2_000_000
_LARGEST_BYTES = 128 * 2**20
_FEWEST_SAMPLES = 8
_LEAST_CORRELATION = 0.5  # less is chance: the two have nothing in common
_GRID = 801  # shifts of the first search; the second is as fine again around the best
_LARGEST_W = 1e8
_WALL_EVIDENCE = 4


@record()
class Trace:
    """Power [W] at rising times [s]; both lists have one length. skipped: rows without a value."""

    time_s: tuple[float, ...]
    power_w: tuple[float, ...]
    skipped: int = 0

    def __post_init__(self) -> None:
        if len(self.time_s) != len(self.power_w) or len(self.time_s) < 2:
            raise InputError("a trace needs at least two samples, and as many times as powers")
        if any(later <= earlier for earlier, later in zip(self.time_s, self.time_s[1:], strict=False)):
            raise InputError("the times of a trace must rise")

    @property
    def period_s(self) -> float:
        """The median time between two samples [s]."""
        gaps = sorted(later - earlier for earlier, later in zip(self.time_s, self.time_s[1:], strict=False))
        return gaps[len(gaps) // 2]


@record()
class Offset:
    """What is added to the meter's clock to get ours [s], with a 90 % interval; correlation of the two traces there."""

    offset_s: float
    low_s: float
    high_s: float
    correlation: float


def read_csv(
    path: Path,
    *,
    time: str = "time",
    power: str = "power",
    time_unit: str = "s",
    power_unit: str = "W",
) -> Trace:
    """Return the trace of a CSV file; raises InputError with the line that is wrong.

    time, power: names of columns. time_unit: "s", "ms", … or "iso" for dates (ISO 8601, UTC where no zone is said).
    Semicolons, tabs and commas part columns; with semicolons, a comma is a decimal point.
    """
    import csv

    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"'{path}' is larger than {_LARGEST_BYTES // 2**20} MiB")
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            first = file.readline(65536)
            delimiter = max(";\t,", key=first.count)
            file.seek(0)
            rows = csv.DictReader(file, delimiter=delimiter)
            names = rows.fieldnames or []
            for name in (time, power):
                if name not in names:
                    raise InputError(f"'{path}' has no column '{name}': it has {', '.join(map(str, names))[:200]}")
            return _trace(rows, (time, power), (time_unit, power_unit), is_decimal_comma=delimiter == ";")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise InputError(f"'{path}' is not CSV: {error}") from error


def _trace(
    rows: Iterable[dict[str, Any]], columns: tuple[str, str], units: tuple[str, str], *, is_decimal_comma: bool
) -> Trace:
    from twentywatts.units import convert

    time_factor = 1.0 if units[0] == "iso" else convert(1.0, units[0], "s")
    power_factor = convert(1.0, units[1], "W")
    times: list[float] = []
    powers: list[float] = []
    skipped = 0
    for line, row in enumerate(rows, 2):
        if line > _MOST_ROWS:
            raise InputError(f"more than {_MOST_ROWS} lines")
        texts = [str(row[column] or "").strip() for column in columns]
        if is_decimal_comma:
            texts = [text.replace(",", ".") for text in texts]
        if not all(texts):
            skipped += 1
            continue
        time_s = _moment_s(texts[0], line) if units[0] == "iso" else _number(texts[0], line) * time_factor
        power_w = _number(texts[1], line) * power_factor
        if not 0 <= power_w < _LARGEST_W:
            raise InputError(f"line {line}: {power_w:g} W is no power of a machine")
        if times and time_s == times[-1]:
            skipped += 1
            continue
        times.append(time_s)
        powers.append(power_w)
    return Trace(time_s=tuple(times), power_w=tuple(powers), skipped=skipped)


def _number(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"line {line}: '{text[:40]}' is no number")
    return value


def _moment_s(text: str, line: int) -> float:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(f"line {line}: '{text[:40]}' is no date like 2026-01-31T12:00:00.5Z") from error


def fit_offset(meter: Trace, own: Trace, *, around_s: float = 0.0, within_s: float = 60.0) -> Offset:
    """Return the offset of the meter's clock, searched in ``around_s`` ± ``within_s``; raises InputError.

    A pattern that repeats fits at several offsets: mark the run with loads of unequal length, or narrow ``within_s``.
    """
    import numpy as np

    if within_s <= 0:
        raise InputError("an offset is searched within more than 0 s")
    own_times, own_energies = _cumulative(own)
    ends, powers = np.asarray(meter.time_s), np.asarray(meter.power_w)
    starts = np.concatenate([[ends[0] - meter.period_s], ends[:-1]])
    starts = np.maximum(starts, ends - 2 * meter.period_s)  # after a gap a sample stands for its own period

    def misfit(shifts: Floats) -> Floats:
        return np.array([_misfit(shift, starts, ends, powers, (own_times, own_energies)) for shift in shifts])

    shifts = np.linspace(around_s - within_s, around_s + within_s, _GRID)
    coarse = misfit(shifts)
    if not np.isfinite(coarse).any():
        raise InputError("the two traces do not overlap, or one of them is flat")
    best, step_s = float(shifts[int(np.nanargmin(coarse))]), float(shifts[1] - shifts[0])
    fine = np.linspace(best - 2 * step_s, best + 2 * step_s, _GRID)
    around = np.concatenate([shifts, fine])
    values = np.concatenate([coarse, misfit(fine)])
    return _interval(around, values, len(ends), meter.period_s)


def _cumulative(trace: Trace) -> tuple[Floats, Floats]:
    """Return (times, energy up to each [J]) by the trapezoid rule."""
    import numpy as np

    times, powers = np.asarray(trace.time_s), np.asarray(trace.power_w)
    steps = np.diff(times) * (powers[1:] + powers[:-1]) / 2
    return times, np.concatenate([[0.0], np.cumsum(steps)])


def _misfit(shift: float, starts: Floats, ends: Floats, powers: Floats, own: tuple[Floats, Floats]) -> float:
    """Return 1 - r² between the meter's powers and our mean powers over the same stretches; NaN without overlap."""
    import numpy as np

    times, energies = own
    first, last = starts + shift, ends + shift
    inside = (first >= times[0]) & (last <= times[-1])
    if int(inside.sum()) < max(_FEWEST_SAMPLES, len(ends) // 4):
        return math.nan
    first, last = first[inside], last[inside]
    means = (np.interp(last, times, energies) - np.interp(first, times, energies)) / (last - first)
    ours, theirs = means - means.mean(), powers[inside] - powers[inside].mean()
    size = math.sqrt(float(ours @ ours) * float(theirs @ theirs))
    if size <= 1e-12:
        return math.nan
    correlation = float(ours @ theirs) / size
    return 1.0 - correlation * abs(correlation)  # a meter that falls when we rise does not fit


def _interval(shifts: Floats, misfits: Floats, count: int, period_s: float) -> Offset:
    """Return the best shift and the span of those that fit as well (see the head of this file)."""
    import numpy as np

    best = int(np.nanargmin(misfits))
    correlation = math.sqrt(max(0.0, 1.0 - float(misfits[best])))
    if correlation < _LEAST_CORRELATION:
        raise InputError(
            f"the meter and our trace have no pattern in common (correlation {correlation:.2f}): "
            "run a marker load of a few seconds, idle before and after it"
        )
    # 90 % point of F(1, n - 3): within 3 % of Student's t² by Cornish-Fisher for n - 3 of 5 and more
    freedom = max(count - 3, 1)
    t_90 = 1.645 + (1.645**3 + 1.645) / (4 * freedom) + (5 * 1.645**5 + 16 * 1.645**3 + 3 * 1.645) / (96 * freedom**2)
    limit = max(float(misfits[best]), 1e-9) * (1 + t_90**2 / freedom)
    good = shifts[misfits <= limit]
    return Offset(
        offset_s=float(shifts[best]),
        low_s=float(good.min()) - period_s / 2,
        high_s=float(good.max()) + period_s / 2,
        correlation=correlation,
    )


def energy_j(trace: Trace, start_s: float, end_s: float) -> float:
    """Return the energy between two moments of the trace's clock [J]; raises InputError where it does not reach."""
    import numpy as np

    times, energies = _cumulative(trace)
    if not times[0] <= start_s < end_s <= times[-1]:
        raise InputError("the recording does not cover the window")
    first, last = np.interp([start_s, end_s], times, energies)
    # inside a segment the power is a straight line, its integral a parabola: add what the chord leaves out
    return float(last - first + _bow(trace, end_s) - _bow(trace, start_s))


def _bow(trace: Trace, moment_s: float) -> float:
    """Return how far the energy at a moment lies from the chord of its segment [J] (0 or less where power rises)."""
    from bisect import bisect_right

    index = min(bisect_right(trace.time_s, moment_s), len(trace.time_s) - 1)
    start_s, end_s = trace.time_s[index - 1], trace.time_s[index]
    slope = (trace.power_w[index] - trace.power_w[index - 1]) / (end_s - start_s)
    return slope / 2 * (moment_s - start_s) * (moment_s - end_s)


def reading_between(
    meter: Trace, offset: Offset, start_s: float, end_s: float, *, error_frac: float = 0.0, component: str = "wall"
) -> Reading:
    """Return what the meter saw between two moments of our clock [s], with what the offset leaves open.

    low, high: the least and the most over the offset's interval, one meter period at each edge, and the sensor's error.
    """
    at = [energy_j(meter, start_s - shift, end_s - shift) for shift in (offset.offset_s, offset.low_s, offset.high_s)]
    edge_j = max(meter.power_w) * meter.period_s
    return Reading(
        key=f"{RECORDED}{component}",
        component=component,
        scope=Scope.WALL,
        how=How.INTEGRATED,
        source="wall",
        evidence=_WALL_EVIDENCE,
        energy_j=at[0],
        low_j=max(0.0, min(at) - edge_j) * (1 - error_frac),
        high_j=(max(at) + edge_j) * (1 + error_frac),
        duration_s=end_s - start_s,
        covered_s=end_s - start_s,
        samples=sum(start_s <= time_s + offset.offset_s <= end_s for time_s in meter.time_s),
        period_s=meter.period_s,
    )
