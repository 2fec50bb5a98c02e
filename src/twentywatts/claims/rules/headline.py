"""Rule "headline": so many days use up a plant's year, and the chips are told later or never."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from twentywatts.claims.context import Context
from twentywatts.claims.parse import parsed
from twentywatts.claims.quantities import PERIODS
from twentywatts.claims.rules.product import dam_days
from twentywatts.claims.terms import AuditedSentence, AuditVerdict, Finding, Quantity, Sentence
from twentywatts.claims.wording import phrase, tell

__all__ = ["FLEET", "headline", "revised"]

FLEET = "the number of chips and their power"


def headline(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield a plant's year used up in some days: judged where the text tells its chips."""
    plant = next((mention for mention in sentence.mentions if mention.name == "three-gorges"), None)
    time = _time(sentence)
    if plant is None or time is None or sentence.of("energy") or not sentence.has("yearly"):
        return
    if not (sentence.has("equal") or sentence.has("consume")):
        return
    if context.fleet_power_w:
        yield from dam_days(sentence, context, time)
        return
    yield Finding(
        rule="headline",
        verdict=AuditVerdict.NOT_CHECKABLE,
        quote=time.text,
        start=time.start,
        message=tell("headline", sentence.language, missing=phrase("missing.fleet", sentence.language)),
        missing=FLEET,
    )


def _time(sentence: Sentence) -> Quantity | None:
    times = [item for item in sentence.of("time") if PERIODS["hour"] < item.value < PERIODS["year"]]
    return times[0] if times else None


def revised(audited: AuditedSentence, context: Context) -> AuditedSentence:
    """Return a sentence whose headline waits for chips, with the verdict that they allow; else the sentence itself."""
    if not context.fleet_power_w or all(finding.missing != FLEET for finding in audited.findings):
        return audited
    found = tuple(headline(parsed(audited.raw, audited.index), context))
    kept = tuple(finding for finding in audited.findings if finding.missing != FLEET)
    return replace(audited, findings=(*kept, *found)) if found else audited
