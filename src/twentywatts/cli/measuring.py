"""The work behind ``twentywatts measure``: start, watch, stop, tell, write; or tell again from a journal."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence

from twentywatts.cli import streams
from twentywatts.cli.circumstances import circumstances
from twentywatts.errors import InputError, TwentyWattsError, clean, counted
from twentywatts.meter.child import Child, CommandError
from twentywatts.meter.contract import Finding
from twentywatts.meter.here import Here, look
from twentywatts.meter.inbox import Inbox
from twentywatts.meter.kept import keep, throw_away
from twentywatts.meter.mark_pipe import MarkPipe
from twentywatts.meter.recorder import Recorder, journal_header, node_name
from twentywatts.meter.window import Edge, Span
from twentywatts.records import record
from twentywatts.reports.measurement import (
    Measured,
    laps_of,
    marks_csv,
    measurement_document,
    summary,
    why_nothing_lives,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.contract import Reading
    from twentywatts.meter.journal import Journal
    from twentywatts.meter.replay import Story

__all__ = ["Outputs", "Wishes", "measure_command", "resume"]

_BAD_INPUT = 2
_GRACE_S = 0.5  # for what ends together with the command
_LIVE_S = 1.0
_NEVER_S = 3600.0  # signals wake the loop before
_KEPT_S = 5.0  # between samples of a journal that nobody asked for: as often as journals are brought to the disk
_CANNOT_WRITE = (13, 1, 28, 30, 122)  # EACCES EPERM ENOSPC EROFS EDQUOT: the measurement goes on without


@record()
class Wishes:
    """What was asked for on the command line. keeps: a journal of its own where none is named, for a killed meter."""

    journal: str | None
    keeps: bool
    interval_s: float | None
    require_measured: bool
    wall: str | None
    waits: bool
    is_live: bool
    wants_marks: bool


@record()
class Outputs:
    """Where the result goes. keep: files that it must not be written over. say: prints lines on standard error."""

    json: str | None
    marks: str | None
    keep: tuple[str, ...]
    say: Callable[..., None]

    def check(self) -> None:
        """Raise InputError for a target that cannot be one; a disk that takes nothing now is told and passed over."""
        for target, other in ((self.json, self.marks), (self.marks, self.json)):
            if target:
                from twentywatts.reports.output import check_writable

                try:
                    check_writable(target, keep=(*self.keep, other) if other else self.keep)
                except InputError as error:
                    self.pass_over(error)

    def pass_over(self, error: InputError) -> None:
        """Say what cannot be written and go on; raises what is no matter of the disk or of permissions."""
        cause = error.__cause__
        if not (isinstance(cause, OSError) and cause.errno in _CANNOT_WRITE):
            raise error
        self.say([f"{clean(error)}; the command is run and measured all the same"])

    def write(self, measured: Measured) -> dict[str, Any]:
        """Say the summary and write the files; where one cannot be written, try the folder for temporary files."""
        document = measurement_document(measured, circumstances())
        self.say(summary(document))
        if self.json or self.marks:
            from twentywatts.reports.output import write_json, write_text
        if self.json:
            self._save(self.json, lambda target: write_json(document, target))
        if self.marks:
            self._save(self.marks, lambda target: write_text(marks_csv(document), target))
        return document

    def _save(self, target: str, write: Callable[[str], None]) -> None:
        try:
            write(target)
        except TwentyWattsError as error:
            self.say([clean(error)])
            import tempfile

            try:  # a folder that nobody else can write into: others may have laid a link where a name is foreseen
                instead = os.path.join(tempfile.mkdtemp(prefix="twentywatts-"), os.path.basename(target))
                write(instead)
                self.say([f"written to {clean(instead)} instead"])
            except (TwentyWattsError, OSError) as again:
                self.say([clean(again)])


def measure_command(command: Sequence[str], wishes: Wishes, outputs: Outputs) -> int:
    """Run and measure a command; return its exit code. Raises TwentyWattsError, CommandError before it runs."""
    outputs.check()
    _check_model()
    with Inbox() as inbox:
        here = look(wall=wishes.wall)
        if wishes.require_measured and not here.assembly.summed:
            raise TwentyWattsError(_nothing_lives(here))
        journal = _journal(command, wishes, outputs, here)
        interval_s = wishes.interval_s or (_interval_s(wishes) if journal else None)
        recorder = Recorder(here.assembly, interval_s=interval_s, journal=journal)
        kept = None if wishes.journal else journal
        try:
            code = _Run(recorder, wishes, outputs, here=here, journal=journal).go(command, inbox)
            throw_away(kept)
            return code
        except CommandError:  # nothing ran
            throw_away(kept)
            raise
        finally:
            if journal is not None:
                journal.close()
            if here.claim is not None:
                here.claim.release()


def _claim_told(here: Here) -> dict[str, str]:
    """Return what tells a rank inside the command that the lock it meets is its own meter's."""
    if here.claim is None:
        return {}
    from twentywatts.meter.lock import VARIABLE

    return {VARIABLE: here.claim.told}


def _check_model() -> None:
    """Raise MachineError for a stand-in of this computer that is none: before the command runs, not after it."""
    if os.environ.get("TWENTYWATTS_THIS_CPU"):
        from twentywatts.machines.host import this_cpu

        this_cpu()


class _Run:
    """One command from its start to its report."""

    def __init__(
        self, recorder: Recorder, wishes: Wishes, outputs: Outputs, *, here: Here, journal: Journal | None
    ) -> None:
        self._recorder, self._wishes, self._outputs = recorder, wishes, outputs
        self._here, self._journal = here, journal
        self._first: Edge | None = None

    def go(self, command: Sequence[str], inbox: Inbox) -> int:
        pipe = MarkPipe(self._recorder.mark) if self._wishes.wants_marks else None
        environment = {**os.environ, **(pipe.environment if pipe else {}), **_claim_told(self._here)}
        self._first = self._recorder.start()
        try:
            child = Child(command, inbox, environment=environment)
            self._recorder.has_children = True
            if pipe:
                pipe.started()
            while not child.wait(self._tick_s):
                self._tick()
            left = child.wait_for_rest(math.inf if self._wishes.waits else _GRACE_S)
            self._recorder.has_children = bool(left)
            if pipe:
                pipe.finish(_GRACE_S if not left else 0.05)
        finally:
            last = self._recorder.stop()
            self._clear()
        code = child.code or 0
        if self._journal is not None:
            self._journal.write({"end": code, "signal": child.signal, "left": [process.pid for process in left]})
            self._journal.sync(force=True)
        notes = [f"{process.name} (process {process.pid}) still runs; it is not measured further" for process in left]
        notes += self._troubles(pipe)
        told = {
            "argv": [clean(word) for word in command],
            "exit_code": code,
            "signal": child.signal,
            "left_running": [{"pid": process.pid, "name": clean(process.name)} for process in left],
        }
        return self._report(last, told, notes)

    def _report(self, last: Edge, told: dict[str, Any], notes: list[str]) -> int:
        assert self._first is not None
        may_model = not self._wishes.require_measured
        span = Span("", self._here.assembly, self._first, last, is_modelled=may_model)
        findings = () if span.is_measured else tuple(self._here.findings())
        laps = laps_of(self._recorder.edges, span)
        measured = Measured(span=span, laps=laps, command=told, findings=findings, notes=tuple(notes))
        document = self._outputs.write(measured)
        code = int(told["exit_code"])
        if self._wishes.require_measured and not document["measured"]:
            self._outputs.say(["--require-measured: the energy could not be measured"])
            return code or _BAD_INPUT
        return code

    def _troubles(self, pipe: MarkPipe | None) -> list[str]:
        found = []
        journal = self._journal if self._wishes.journal else None
        if journal is not None and (journal.lost or journal.problem):
            lost = counted(journal.lost, "line")
            found.append(f"the journal lost {lost} ({journal.problem}); measuring went on in memory")
        if self._recorder.dropped:
            found.append(f"{counted(self._recorder.dropped, 'mark')} too many, not told")
        if pipe and pipe.ignored:
            found.append(f"ignored among the marks: {counted(pipe.ignored, 'line')} that told none")
        return found

    @property
    def _tick_s(self) -> float:
        written_s = max(self._wishes.interval_s or 1.0, 0.2) if self._wishes.journal else _KEPT_S
        periods = [written_s] * (self._journal is not None) + [_LIVE_S] * self._wishes.is_live
        return min(periods, default=_NEVER_S)

    def _tick(self) -> None:
        if self._journal is not None:
            self._recorder.tick()
        if self._wishes.is_live and self._first is not None:
            span = Span("", self._here.assembly, self._first, self._recorder.now())
            self._outputs.say([_live_line(span)], end="")

    def _clear(self) -> None:
        if self._wishes.is_live:
            self._outputs.say(["\r\x1b[K"], end="")


def resume(path: str, outputs: Outputs, *, wall: str | None = None) -> int:
    """Report from a journal what was seen, with the recordings that ``wall`` names; return 0. Raises InputError."""
    from twentywatts.meter.replay import read_journal

    outputs.check()
    story = read_journal(path)
    recorded: tuple[Reading, ...] = ()
    if wall:
        from twentywatts.meter.recording import recorded_readings

        recorded = recorded_readings(story, wall)
    outputs.write(_told(story, recorded))
    return 0


def _told(story: Story, recorded: tuple[Reading, ...]) -> Measured:
    """Return what a journal tells as a measurement."""
    header, end = story.header, story.end or {}
    is_same_host = header.get("host") == node_name()
    span = Span("", story.assembly, story.edges[0][1], story.edges[-1][1], is_modelled=is_same_host)
    notes = [f"from a journal that was begun at {clean(header.get('time', 'an unknown time'))[:40]}"]
    if story.damaged or story.is_torn:
        torn = ", and the last line is torn" if story.is_torn else ""
        notes.append(f"left out, as it could not be read: {counted(story.damaged, 'line')}{torn}")
    words = header.get("argv")
    command = {
        "argv": [clean(word)[:4096] for word in words[:4096]] if isinstance(words, list) else [],
        "exit_code": _whole(end.get("end")),
        "signal": _whole(end.get("signal")),
        "left_running": [],
    }
    why = clean(header.get("why", ""))[:500]
    said = (Finding(source="journal", what="journal", found=False, readable=False, reason=why),) if why else ()
    return Measured(
        span=span,
        laps=laps_of(story.edges, span),
        command=command,
        findings=said,
        recorded=recorded,
        gaps=tuple(story.gaps),
        notes=tuple(notes),
        is_complete=story.end is not None,
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 31 else None


def _journal(command: Sequence[str], wishes: Wishes, outputs: Outputs, here: Here) -> Journal | None:
    if not wishes.journal and not wishes.keeps:
        return None
    why = "" if here.assembly.summed else why_nothing_lives(here.assembly, here.findings())
    told = {"argv": [clean(word) for word in command], "why": why}
    header = journal_header(here.assembly, told, interval_s=wishes.interval_s or _interval_s(wishes))
    if not wishes.journal:
        return keep(header)
    from twentywatts.meter.journal import Journal

    try:
        return Journal(wishes.journal, header)
    except InputError as error:
        outputs.pass_over(error)
        return None


def _interval_s(wishes: Wishes) -> float:
    """Return how often a journal gets samples where nothing else is said [s]."""
    return 1.0 if wishes.journal else _KEPT_S


def _live_line(span: Span) -> str:
    """Return the line that is rewritten in place: joules, watts, by component."""
    from twentywatts.units import format_si

    total, took_s = span.total, max(span.duration_s, 1e-9)
    if total.energy_j is None:
        words = f"energy unavailable, {took_s:.0f} s"
    else:
        kind = "" if span.is_measured else "ESTIMATED "
        words = f"{kind}{format_si(total.energy_j, 'J')}, {took_s:.0f} s, {_watts(span)}"
    return f"\r\x1b[K{words[: streams.width(sys.stderr) - 1]}\r"


def _watts(span: Span) -> str:
    from twentywatts.units import format_si

    states = [(part, span.last.states.get(part.key)) for part in span.total.parts]
    shown = [f"{part.component} {format_si(state.power_w, 'W')}" for part, state in states if state and state.power_w]
    return " · ".join(shown) or f"{format_si((span.energy_j or 0.0) / max(span.duration_s, 1e-9), 'W')} on average"


def _nothing_lives(here: Here) -> str:
    why = why_nothing_lives(here.assembly, here.findings())
    return f"--require-measured: no live energy counter ({why}); `twentywatts doctor` lists what would help"
