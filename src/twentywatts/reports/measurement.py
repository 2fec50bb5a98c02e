"""The JSON document of a measurement, schema ``twentywatts.measurement/1``, and its summary for a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from twentywatts.errors import clean
from twentywatts.meter.contract import RECORDED
from twentywatts.records import record
from twentywatts.reports.plain import plain_document
from twentywatts.units import format_interval, format_si

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.assemble import Assembly
    from twentywatts.meter.contract import Finding, Reading
    from twentywatts.meter.replay import Gap
    from twentywatts.meter.window import Edge, Span

    Document = dict[str, Any]

__all__ = ["SCHEMA", "Measured", "laps_of", "marks_csv", "measurement_document", "summary", "why_nothing_lives"]

SCHEMA = "twentywatts.measurement/1"
_WORDS = {"counter": "counter", "integrated": "power sensor, integrated", "attributed": "a share of a wider reading"}

_SHOWN_TWICE = ("the same counter as", "a mirror of")


_NOTHING: Mapping[str, Any] = {}


@record()
class Measured:
    """One measured command.

    span: the whole; laps: (seconds from the start to the mark, the stretch that the mark ended). command: argv, exit
    code, signal and processes left running. findings: why nothing lives, where nothing does. recorded: what recordings
    of wall meters say of it. is_complete: False where a journal has no end.
    """

    span: Span
    laps: tuple[tuple[float, Span], ...] = ()
    command: Mapping[str, Any] = _NOTHING
    findings: tuple[Finding, ...] = ()
    recorded: tuple[Reading, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    is_complete: bool = True


def laps_of(edges: Sequence[tuple[str, Edge]], span: Span) -> tuple[tuple[float, Span], ...]:
    """Return the stretch that each mark ended, with the seconds from the start to the mark."""
    from twentywatts.meter.window import Span

    start_s = edges[0][1].time_s
    pairs = itertools.pairwise(edges[:-1])
    return tuple((last.time_s - start_s, Span(name, span.assembly, first, last)) for (_, first), (name, last) in pairs)


def measurement_document(measured: Measured, run: Mapping[str, str]) -> Document:
    """Return a measurement as plain values; joules that there are none of are null, never 0. ``run`` comes last."""
    span = measured.span
    total = span.total
    energy_j = _interval(total)
    readings = (*span.readings, *measured.recorded)
    document: Document = {
        "schema": SCHEMA,
        "measured": span.is_measured,
        "how": str(total.how),
        "evidence": f"L{total.evidence}",
        "energy_j": energy_j,
        "power_w": _power(energy_j, span.duration_s),
        "duration_s": span.duration_s,
        "cpu_time_s": max(0.0, span.cpu_s),
        "share_frac": span.share_frac,
        "components": [_component(reading, span) for reading in readings],
        "not_read": [
            {"key": channel.key, "component": channel.component, "reason": clean(reason)}
            for channel, reason in (*span.assembly.rejected, *span.assembly.elsewhere)
        ],
        "marks": [_mark(time_s, lap) for time_s, lap in measured.laps],
        "complete": measured.is_complete,
        "gaps": [{"from_s": gap.from_s, "to_s": gap.to_s, "reason": gap.reason} for gap in measured.gaps],
        "not_covered": [*_dead(span.assembly), *(clean(text) for text in total.not_covered)],
        "why_not_measured": None if span.is_measured else _why(measured),
        "fix": [] if span.is_measured else list(_fixes(measured.findings)),
        "notes": list(measured.notes),
        "command": dict(measured.command),
        "run": dict(run),
    }
    rounded = plain_document(document)
    for row, reading in zip(rounded["components"], readings, strict=True):
        row["raw"] = {"first": reading.first, "last": reading.last}  # as read: six digits would lose what moved
    return rounded


def _dead(assembly: Assembly) -> list[str]:
    """Return the counters that were refused and stand for something that no other counter shows."""
    lost = [(channel, reason) for channel, reason in assembly.rejected if not reason.startswith(_SHOWN_TWICE)]
    return [clean(f"{channel.component}: {reason}") for channel, reason in lost]


def _component(reading: Reading, span: Span) -> Document:
    apart = {channel.key: reason for channel, reason in (*span.assembly.apart, *span.assembly.elsewhere)}
    counted = {part.key for part in span.total.parts}
    if reading.key.startswith(RECORDED):
        apart[reading.key] = "the wall meter holds what the others count: shown apart, never added to them"
    return {
        "component": clean(reading.component),
        "key": clean(reading.key),
        "scope": str(reading.scope),
        "source": clean(reading.source),
        "how": str(reading.how),
        "evidence": f"L{reading.evidence}",
        "energy_j": _interval(reading),
        "in_total": reading.key in counted,
        "apart": clean(apart[reading.key]) if reading.key in apart else None,
        "duration_s": reading.duration_s,
        "covered_s": reading.covered_s,
        "period_s": reading.period_s,
        "samples": reading.samples,
        "wraps": reading.wraps,
        "errors": reading.errors,
        "notes": [clean(note) for note in reading.notes],
    }


def _mark(time_s: float, lap: Span) -> Document:
    total = lap.total
    return {
        "name": clean(lap.name),
        "time_s": time_s,
        "duration_s": lap.duration_s,
        "energy_j": _interval(total),
        "how": str(total.how),
    }


def _interval(found: Any) -> dict[str, float] | None:
    """Return the joules of a Reading or Total."""
    if found.energy_j is None:
        return None
    return {"low": found.low_j, "mid": found.energy_j, "high": found.high_j}


def _power(energy_j: Mapping[str, float] | None, duration_s: float) -> dict[str, float] | None:
    if energy_j is None or duration_s <= 0:
        return None
    return {name: value / duration_s for name, value in energy_j.items()}


def _why(measured: Measured) -> str:
    """Return in words why no counter tells."""
    missing = [f"{reading.component}: {'; '.join(reading.notes)}" for reading in measured.span.total.missing]
    return clean("; ".join(missing[:3])) if missing else why_nothing_lives(measured.span.assembly, measured.findings)


def why_nothing_lives(assembly: Assembly, findings: Iterable[Finding]) -> str:
    """Return in words why this machine has no live counter: what is dead or closed, else what is absent."""
    said = [finding for finding in findings if finding.reason]
    dead = [f"{channel.component}: {reason}" for channel, reason in assembly.rejected]
    closed = [f"{finding.what}: {finding.reason}" for finding in said if finding.found and not finding.readable]
    absent = [finding.reason for finding in said if not finding.found]
    reasons = [*dead, *closed] or absent[:1] or ["no energy counter was found"]
    return "; ".join(clean(reason) for reason in list(dict.fromkeys(reasons))[:3])


def _fixes(findings: Iterable[Finding]) -> Iterable[str]:
    return dict.fromkeys(line for finding in findings for line in finding.fix)


def marks_csv(document: Document) -> str:
    """Return the marks as CSV: one row per stretch that a mark ended; empty cells where there are no joules."""
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["name", "time_s", "duration_s", "energy_j", "energy_low_j", "energy_high_j", "how"])
    for mark in document["marks"]:
        energy = mark["energy_j"] or {"mid": "", "low": "", "high": ""}
        values = [energy["mid"], energy["low"], energy["high"]]
        writer.writerow([_harmless(mark["name"]), mark["time_s"], mark["duration_s"], *values, mark["how"]])
    return stream.getvalue()


def _harmless(name: str) -> str:
    """Return a name that a spreadsheet does not take for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@") else name


def summary(document: Document) -> list[str]:
    """Return the lines that a person reads after the run."""
    lines = [_headline(document)]
    lines += [f"  {line}" for line in _rows(document["components"])]
    if document["why_not_measured"]:
        lines.append(f"  why: {document['why_not_measured']}")
        fix = document["fix"]
        what_next = [] if _is_counted_elsewhere(document) else ["  what could be measured here: twentywatts doctor"]
        lines += [f"  to measure: {line}" for line in fix] or what_next
    elif document["not_covered"]:
        lines.append(f"  not in it: {'; '.join(document['not_covered'])}")
    for gap in document["gaps"]:
        end = "the end" if gap["to_s"] is None else f"{gap['to_s']:.1f} s"
        lines.append(f"  gap from {gap['from_s']:.1f} s to {end}: {gap['reason']}")
    return lines + [f"  note: {note}" for note in document["notes"]]


def _headline(document: Document) -> str:
    energy, power = document["energy_j"], document["power_w"]
    took = f"in {format_si(document['duration_s'], 's')}"
    if energy is None and _is_counted_elsewhere(document):
        return f"counted by another rank of this job on this node {took}: this one's total leaves it out"
    if energy is None:
        return f"energy unavailable {took}: nothing could be measured or modelled"
    joules = f"{_quantity(energy, 'J')} {took}"
    watts = f", {format_si(power['mid'], 'W')} on average" if power else ""
    if not document["measured"]:
        return f"ESTIMATED, not measured: {joules}{watts}"
    sources = dict.fromkeys(row["source"] for row in document["components"] if row["in_total"])
    return f"{joules}{watts}, measured by {' and '.join(sources)}"


def _is_counted_elsewhere(document: Document) -> bool:
    """Return whether nothing is missing but what another rank holds."""
    from twentywatts.meter.lock import ELSEWHERE

    return document["energy_j"] is None and any(row["reason"] == ELSEWHERE for row in document["not_read"])


def _rows(components: Sequence[Document]) -> list[str]:
    shown = [row for row in components if row["how"] != "modelled"]
    width = max((len(row["component"]) for row in shown), default=0)
    lines = []
    for row in shown:
        if row["energy_j"] is None:
            text = f"unavailable: {'; '.join(row['notes'])}"
        else:
            how = f"{_WORDS.get(row['how'], row['how'])}, {row['source']}"
            apart = f"; not added: {row['apart']}" if row["apart"] else ""
            text = f"{_quantity(row['energy_j'], 'J')}  {how}{apart}"
        lines.append(f"{row['component']:<{width}}  {text}")
    return lines


def _quantity(interval: Mapping[str, float], unit: str) -> str:
    return format_interval(interval["low"], interval["mid"], interval["high"], unit)
