"""The words of an audit: quantities and names in a sentence, findings about it, and the audit of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from twentywatts.errors import counted

__all__ = ["Audit", "AuditVerdict", "AuditedSentence", "Finding", "Mention", "Quantity", "Sentence"]


class AuditVerdict(StrEnum):
    """What an audit says of a claim, the gravest first."""

    UNIT_ERROR = "unit_error"
    OFF = "off"
    SCOPE_ERROR = "scope_error"
    MISATTRIBUTED = "misattributed"
    STALE = "stale"
    NOT_CHECKABLE = "not_checkable"
    CONSISTENT = "consistent"
    RHETORICAL = "rhetorical"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(AuditVerdict).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number with what it counts.

    dimension: energy [J], power [W], time [s], share [1], ratio [1], mass, power_per_time, count, year. value, low,
    high: in SI units; low and high are the ends of a range, else the value. per: what it is told per (hour, day, year,
    query, thousand, each), empty where nothing is said. noun: the name that a count counts.
    """

    value: float
    low: float
    high: float
    dimension: str
    start: int
    end: int
    text: str
    unit: str = ""
    per: str = ""
    noun: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A name in a sentence: of an entity, or of a region (kind ``region``)."""

    name: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, taken apart. text: normalised (folded widths, single punctuation); raw: as it stands in the source.

    folded: text with simplified characters, same length. clauses: (start, end) of each. cues: name → places.
    """

    index: int
    raw: str
    text: str
    folded: str
    language: str
    clauses: tuple[tuple[int, int], ...]
    quantities: tuple[Quantity, ...]
    mentions: tuple[Mention, ...]
    cues: Mapping[str, tuple[int, ...]]
    _of: dict[str, list[Quantity]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for quantity in self.quantities:
            self._of.setdefault(quantity.dimension, []).append(quantity)

    def clause_of(self, place: int) -> tuple[int, int]:
        """Return the clause that holds a place."""
        return next((c for c in self.clauses if c[0] <= place < c[1]), (0, len(self.text)))

    def has(self, cue: str, *, within: tuple[int, int] | None = None) -> bool:
        """Return whether a cue stands in the sentence, or within a clause."""
        places = self.cues[cue]
        return bool(places) if within is None else any(within[0] <= place < within[1] for place in places)

    def of(self, dimension: str) -> list[Quantity]:
        """Return the quantities of a dimension, in order."""
        return self._of.get(dimension, [])

    def names(self, *kinds: str) -> list[Mention]:
        """Return the mentions of these kinds, in order."""
        return [mention for mention in self.mentions if mention.kind in kinds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A verdict on one claim of a sentence.

    rule: the name of the rule that fired. factor: claimed over recomputed, None where no number is. quote: the words
    judged. message: the verdict in the language of the sentence; corrected: the sentence as it would be right, empty
    where it cannot be told; arithmetic: the computation as text; missing: the input that a check would need.
    """

    rule: str
    verdict: AuditVerdict
    quote: str
    start: int
    message: str
    factor: float | None = None
    corrected: str = ""
    arithmetic: str = ""
    missing: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedSentence:
    """A sentence about which something was found."""

    index: int
    language: str
    text: str
    raw: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> AuditVerdict:
        """The gravest verdict."""
        return min((finding.verdict for finding in self.findings), key=lambda verdict: verdict.rank)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The audit of a text. sentences: those with findings; left_alone_count: those with energies that no rule knew."""

    name: str
    sentences: tuple[AuditedSentence, ...]
    sentence_count: int
    left_alone_count: int
    languages: Mapping[str, int]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of the text."""
        return tuple(finding for sentence in self.sentences for finding in sentence.findings)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source key behind the findings, sorted."""
        return tuple(sorted({key for finding in self.findings for key in finding.sources}))

    def count(self, verdict: AuditVerdict) -> int:
        """Return how many findings have this verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)

    def as_document(self) -> dict[str, object]:
        """Return the audit as plain values; the command adds schema, sources and circumstances."""
        return {
            "text": self.name,
            "sentence_count": self.sentence_count,
            "left_alone_count": self.left_alone_count,
            "languages": dict(self.languages),
            "verdicts": {str(verdict): self.count(verdict) for verdict in AuditVerdict},
            "sentences": [_record(sentence) for sentence in self.sentences],
        }

    def __str__(self) -> str:
        lines = [
            f"{counted(self.sentence_count, 'sentence')}, {counted(len(self.findings), 'claim')} judged, "
            f"{self.left_alone_count:,} left alone"
        ]
        lines += [f"{finding.verdict}: {finding.quote}: {finding.message}" for finding in self.findings]
        return "\n".join(lines)


def _record(sentence: AuditedSentence) -> dict[str, object]:
    keys = ("rule", "quote", "factor", "message", "corrected", "arithmetic", "missing")
    findings = [
        {"verdict": str(item.verdict), **{key: getattr(item, key) for key in keys}, "sources": list(item.sources)}
        for item in sentence.findings
    ]
    return {
        "index": sentence.index,
        "language": sentence.language,
        "text": sentence.text,
        "verdict": str(sentence.verdict),
        "findings": findings,
    }
