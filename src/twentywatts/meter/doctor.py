"""The doctor: every energy counter of this machine, whether it can be read and lives, and what would help.

Nothing is changed here but by ``apply``, and that only writes rule files of udev and tmpfiles: they open a counter to
one group. Whatever lowers a protection of the whole machine, or loads a driver, is for a person to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from twentywatts.errors import InputError
from twentywatts.meter.assemble import Assembly
from twentywatts.meter.checks import PATIENT_S, can_be_probed
from twentywatts.meter.contract import Channel, Finding, Quantity, ReadError
from twentywatts.meter.here import Here, look
from twentywatts.records import record, replace

__all__ = ["SEEN_TWICE", "Examination", "RuleFile", "apply", "examine", "rule_files"]

SEEN_TWICE = ("the same counter as", "a mirror of")  # begin the reasons of counters that another one shows already

# the one line of a fix that is safe: text goes to a file of rules, nothing is run
_TEE = re.compile(r"echo '([^'\n]+)' \| sudo tee (/etc/(?:udev/rules\.d|tmpfiles\.d)/[\w.-]+\.(?:rules|conf))")


@record()
class RuleFile:
    """A file that ``--apply`` writes."""

    path: str
    text: str


@record()
class Examination:
    """What was found. findings: every counter, alive filled in; summed: keys of what ``measure`` adds up."""

    findings: tuple[Finding, ...]
    assembly: Assembly

    @property
    def summed(self) -> tuple[str, ...]:
        """Keys of the counters that make the total."""
        return self.assembly.summed

    @property
    def can_measure(self) -> bool:
        """Whether at least one counter lives."""
        return bool(self.summed)


def examine(here: Here | None = None) -> Examination:
    """Return every counter of this machine, probed anew under load."""
    here = look(fresh=True, is_rank=False) if here is None else here
    said = here.findings()
    named = {finding.key or finding.what for finding in said}
    found = (*here.assembly.channels, *(channel for channel, _ in here.assembly.rejected))
    said += [_unsaid(channel) for channel in found if channel.key not in named]
    findings = tuple(_probed(finding, here.assembly) for finding in said)
    return Examination(findings=findings, assembly=here.assembly)


def _unsaid(channel: Channel) -> Finding:
    """Return what is to be said of a channel that its source says nothing of (the module around a board)."""
    return Finding(source=channel.source, what=channel.component, found=True, readable=True, key=channel.key)


def _probed(finding: Finding, assembly: Assembly) -> Finding:
    """Return the finding with what the probe saw."""
    refused = {channel.key: reason for channel, reason in assembly.rejected}
    apart = {channel.key: reason for channel, reason in assembly.apart}
    key = finding.key or finding.what
    if key in refused:
        reason = refused[key]
        is_twin = reason.startswith(SEEN_TWICE)
        return replace(finding, alive=None if is_twin else False, reason=_joined(reason, finding.reason))
    channel = next((channel for channel in assembly.channels if channel.key == key), None)
    if channel is None:
        return finding
    reason = _joined(apart.get(key, ""), finding.reason)
    return replace(finding, alive=_is_alive(channel), reason=reason)


def _joined(*texts: str) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _is_alive(channel: Channel) -> bool | None:
    """Return True for a counter that passed the probe, None for one too slow for it; 0 W of a power sensor is dead."""
    if channel.quantity is Quantity.ENERGY:
        return can_be_probed(channel, PATIENT_S) or None
    try:
        return channel.read() > 0
    except ReadError:
        return None


def rule_files(findings: Iterable[Finding]) -> tuple[RuleFile, ...]:
    """Return the rule files among the fixes, each once."""
    found = [_TEE.fullmatch(line) for finding in findings for line in finding.fix]
    return tuple(dict.fromkeys(RuleFile(path=match[2], text=match[1] + "\n") for match in found if match))


def apply(files: Sequence[RuleFile], *, root: Path | str = "/") -> list[Path]:
    """Write the rule files and return their paths; a file that holds the same is left as it is. Raises InputError."""
    written = []
    for file in files:
        path = Path(root) / file.path.lstrip("/")
        try:
            if path.is_symlink():
                raise InputError(f"'{path}' is a link: it is left alone; remove it first")
            if path.exists() and path.read_text(encoding="utf-8") != file.text:
                raise InputError(f"'{path}' exists and holds something else: it is left alone; remove it first")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
            path.chmod(0o644)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise InputError(f"cannot write '{path}': {reason}; run `sudo twentywatts doctor --apply`") from error
        written.append(path)
    return written
