"""What the doctor says: the JSON document ``twentywatts.doctor/1``, and the text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twentywatts.errors import clean
from twentywatts.meter.doctor import SEEN_TWICE

if TYPE_CHECKING:
    from twentywatts.meter.contract import Finding
    from twentywatts.meter.doctor import Examination, RuleFile

__all__ = ["SCHEMA", "doctor_document", "doctor_lines"]

SCHEMA = "twentywatts.doctor/1"

Document = dict[str, Any]


def doctor_document(seen: Examination, files: Sequence[RuleFile], run: Mapping[str, str]) -> Document:
    """Return an examination as plain values."""
    return {
        "schema": SCHEMA,
        "can_measure": seen.can_measure,
        "verdict": _verdict(seen),
        "findings": [_finding(finding, seen.summed) for finding in seen.findings],
        "safe_fixes": [{"path": file.path, "text": file.text} for file in files],
        "run": dict(run),
    }


def _verdict(seen: Examination) -> str:
    if seen.can_measure:
        parts = dict.fromkeys(seen.assembly.channel(key).component for key in seen.summed)
        return f"this machine can be measured: {', '.join(clean(part) for part in parts)}"
    dead = [finding for finding in seen.findings if finding.alive is False]
    closed = [finding for finding in seen.findings if finding.found and not finding.readable]
    if dead:
        reason = f"what is advertised is dead ({dead[0].what}: {dead[0].reason})"
    elif closed:
        reason = f"what there is cannot be read ({closed[0].what}: {closed[0].reason})"
    else:
        reason = next((finding.reason for finding in seen.findings if finding.reason), "no counter was found")
    return clean(f"NOTHING can be measured here: {reason}. `twentywatts measure` will only ESTIMATE, and say so")


def _finding(finding: Finding, summed: Sequence[str]) -> Document:
    return {
        "source": clean(finding.source),
        "what": clean(finding.what),
        "found": finding.found,
        "readable": finding.readable,
        "alive": finding.alive,
        "in_total": (finding.key or finding.what) in summed,
        "accuracy": clean(finding.accuracy),
        "reason": clean(finding.reason),
        "fix": [clean(line) for line in finding.fix],
    }


def doctor_lines(document: Document) -> list[str]:
    """Return the lines for a terminal: the verdict, a table of counters, then what would help."""
    found = [row for row in document["findings"] if row["found"]]
    absent = [row for row in document["findings"] if not row["found"]]
    lines = [document["verdict"], ""]
    lines += [line for row in found for line in _row(row)]
    if absent:
        lines += ["", "not there:"] if found else ["not there:"]
        lines += [f"  {row['source']:<10} {row['reason'] or 'not found'}" for row in absent]
    fixes = _fixes(document["findings"])
    if fixes:
        lines += ["", "what would help:", *(f"  {line}" for line in fixes)]
    if document["safe_fixes"]:
        paths = ", ".join(file["path"] for file in document["safe_fixes"])
        lines.append(f"`twentywatts doctor --apply`, as root, writes {paths} and nothing else")
    return lines


def _row(row: Document) -> list[str]:
    alive = {True: "alive", False: "DEAD", None: "not probed"}[row["alive"]]
    if row["reason"].startswith(SEEN_TWICE):
        alive = "seen twice"
    state = alive if row["readable"] else "NOT READABLE"
    use = "counted" if row["in_total"] else "not counted"
    lines = [f"  {row['what']:<34} {state:<13} {use:<12} {row['accuracy']}".rstrip()]
    return [*lines, f"      {row['reason']}"] if row["reason"] else lines


def _fixes(findings: Iterable[Document]) -> list[str]:
    return list(dict.fromkeys(line for row in findings for line in row["fix"]))
