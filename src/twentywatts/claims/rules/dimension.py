"""Rule "dimension": megawatts per hour are no consumption; a run's total is no hourly rate."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twentywatts.claims.context import Context
from twentywatts.claims.facts import facts_of
from twentywatts.claims.terms import AuditVerdict, Finding, Sentence
from twentywatts.claims.wording import amount, range_text, tell
from twentywatts.units import HOUR_S

__all__ = ["RULE", "dimension"]

RULE = "dimension"
# where no number stands: "models consume megawatts per hour", "每小时兆瓦数"
_BARE = re.compile(
    r"\b(?:kilo|m[eé]ga|giga|t[eé]ra)watts? (?:per|an|par|each) (?:hour|heure)|\b[kMGT]W/h\b"
    r"|每小时[千兆吉]瓦(?!时|小时|·时)|[千兆吉]瓦(?:/|每)小?时"
)


def dimension(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield findings on powers per hour and totals told per hour."""
    if sentence.has("ramp"):
        return
    judged = False
    for quantity in context.open(list(sentence.quantities)):
        if quantity.dimension == "power" and quantity.per in ("hour", "day", "year", "month"):
            context.use(quantity)
            judged = True
            yield _power_per_time(sentence, quantity.text, quantity.start, quantity.value)
        elif quantity.dimension == "energy" and quantity.per == "hour" and sentence.has("training"):
            for name in (mention.name for mention in sentence.names("model")):
                for fact in facts_of(name)[:1]:
                    context.use(quantity)
                    judged = True
                    yield Finding(
                        rule=RULE,
                        verdict=AuditVerdict.UNIT_ERROR,
                        quote=quantity.text,
                        start=quantity.start,
                        message=tell(
                            "unit_total_per_hour",
                            sentence.language,
                            claimed=quantity.text,
                            label=fact.label[sentence.language],
                            correct=range_text(fact.interval, "energy", sentence.language),
                        ),
                        sources=(fact.source,),
                    )
    match = _BARE.search(sentence.folded)
    if match and not judged:
        yield _power_per_time(sentence, match[0], match.start(), 0.0)


def _power_per_time(sentence: Sentence, quote: str, start: int, power_w: float) -> Finding:
    language = sentence.language
    value = power_w or 1e6
    power = amount(value, "power", language)
    energy = amount(value * HOUR_S, "energy", language)
    found = next((quantity for quantity in sentence.quantities if quantity.start == start and power_w), None)
    return (
        Finding(
            rule=RULE,
            verdict=AuditVerdict.UNIT_ERROR,
            quote=quote,
            start=start,
            message=tell("unit_power_per_time", language, claimed=quote, power=power, energy=energy),
            corrected=_without_hour(sentence, found.end, power, found.start) if found else "",
            arithmetic=f"{power} × 1 h = {energy}",
        )
        if power_w
        else Finding(
            rule=RULE,
            verdict=AuditVerdict.UNIT_ERROR,
            quote=quote,
            start=start,
            message=tell("unit_power_per_time", language, claimed=quote, power="MW", energy="MWh"),
            arithmetic="MW × h = MWh",
        )
    )


def _without_hour(sentence: Sentence, end: int, power: str, start: int) -> str:
    rest = re.sub(r"^\s?(?:/\s?h\b|/?\s?(?:per|an|par|每) ?(?:hour|heure|小时))", "", sentence.text[end:])
    return re.sub(r"每小时", "", sentence.text[:start]) + power + rest
