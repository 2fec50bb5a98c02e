"""Rule "product": chips × watts × hours against the joules that the sentence claims, and what those would imply."""

from __future__ import annotations

from collections.abc import Iterator

from twentywatts.claims.context import Context, owner
from twentywatts.claims.facts import facts, facts_of
from twentywatts.claims.quantities import PERIODS
from twentywatts.claims.terms import AuditVerdict, Finding, Quantity, Sentence
from twentywatts.claims.wording import amount, count_text, factor_text, factors_count, phrase, replaced, tell

__all__ = ["RULE", "product"]

RULE = "product"
_LEAST, _MOST = 0.5, 2.3  # half load; servers (1.8) and cooling (1.25) around the chip's own watts
_WHOLE_DAY_S = PERIODS["day"]


def product(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield the product's finding, and the dam's where the sentence compares with its year."""
    fleet = _fleet(sentence)
    if fleet is None:
        return
    count, power_w, power_text, sources = fleet
    context.fleet_power_w = count.value * power_w
    energies = [item for item in context.open(sentence.of("energy")) if not _of_plant(sentence, item)]
    if not energies:
        return
    energy = energies[0]
    time = _time(sentence, energy)
    if time is None:
        return
    context.use(count, energy, time)
    joules = count.value * power_w * time.value
    factor = energy.value / joules
    words = {
        "count": f"{count.text} {count.noun.upper()}",
        "power": power_text,
        "time": time.text,
        "correct": amount(joules, "energy", sentence.language),
    }
    chips, hours = factors_count(count.value), f"{time.value / 3600:,.4g} h"
    arithmetic = f"{chips} × {power_w:,.4g} W × {hours} = {amount(joules, 'energy', 'en')}"
    if _LEAST <= factor <= _MOST:
        message = tell("product_fits", sentence.language, **words)
        verdict, corrected, factor_told = AuditVerdict.CONSISTENT, "", 1.0
    else:
        message = _off(sentence, energy, words, (count, power_w, time, factor))
        verdict, factor_told = AuditVerdict.OFF, factor
        corrected = replaced(sentence, energy, words["correct"])
        implied = energy.value / time.value / count.value
        arithmetic += f"; {amount(energy.value, 'energy', 'en')} / {hours} / {chips} = {amount(implied, 'power', 'en')}"
    yield Finding(
        rule=RULE,
        verdict=verdict,
        quote=energy.text,
        start=energy.start,
        message=message,
        factor=factor_told,
        corrected=corrected,
        arithmetic=arithmetic,
        sources=sources,
    )
    if any(mention.name == "three-gorges" for mention in sentence.mentions):
        yield from dam_days(sentence, context, time)


def _fleet(sentence: Sentence) -> tuple[Quantity, float, str, tuple[str, ...]] | None:
    """Return the chips, the watts of each, these as told, and the sources where the watts are published ones."""
    kinds = {mention.name: mention.kind for mention in sentence.mentions}
    count = next((item for item in sentence.of("count") if kinds.get(item.noun) in ("chip", "server")), None)
    if count is None or count.value < 2:
        return None
    published = next((fact for fact in facts_of(count.noun) if fact.kind == "power"), None)
    powers = [item for item in sentence.of("power") if not item.per or item.per == "each"]
    near = [item for item in powers if published is None or item.value < 100 * published.interval.high]
    if near:
        return count, near[0].value, near[0].text, (published.source,) if published else ()
    if published is None:
        return None
    power_text = amount(published.interval.mid, "power", sentence.language)
    return count, published.interval.mid, power_text, (published.source,)


def _of_plant(sentence: Sentence, quantity: Quantity) -> bool:
    mention = owner(sentence, quantity)
    return mention is not None and mention.kind == "plant" and mention.start < quantity.start


def _time(sentence: Sentence, energy: Quantity) -> Quantity | None:
    """Return how long: a time in the energy's clause, else the longest that is not the 24 hours of a day."""
    low, high = sentence.clause_of(energy.start)
    times = [item for item in sentence.of("time") if item.per != "day"]
    inside = [item for item in times if low <= item.start < high]
    periods = [item for item in sentence.of("period") if low <= item.start < high and not times]
    return max(inside or times or periods, key=lambda item: item.value, default=None)


def _off(
    sentence: Sentence, energy: Quantity, words: dict[str, str], facts_: tuple[Quantity, float, Quantity, float]
) -> str:
    count, _, time, factor = facts_
    implied = amount(energy.value / time.value / count.value, "power", sentence.language)
    return tell(
        "product_off",
        sentence.language,
        **words,
        factor=factor_text(factor, sentence.language),
        claimed=energy.text,
        implied=implied,
        span=span_text(time.value * factor, sentence.language),
    )


def span_text(time_s: float, language: str) -> str:
    """Return a time as people say it: ten months, 305 days."""
    months = time_s / PERIODS["month"]
    if 1.5 <= months < 23.5:
        return phrase("spans.month", language).format(n=f"{months:.3g}".replace(".", "," if language == "fr" else "."))
    if months < 1.5:
        return phrase("spans.day", language).format(n=f"{time_s / _WHOLE_DAY_S:.3g}")
    return phrase("spans.year", language).format(n=count_text(time_s / PERIODS["year"], language))


def dam_days(sentence: Sentence, context: Context, time: Quantity) -> Iterator[Finding]:
    """Yield how long a year of the dam lasts at the power of the text's chips."""
    fact = facts()["dam_year_energy_j"]
    days = fact.interval.mid / context.fleet_power_w / PERIODS["day"]
    factor = days * PERIODS["day"] / time.value
    if 1 / 1.5 < factor < 1.5:
        return
    words = {
        "factor": factor_text(factor, sentence.language),
        "power": amount(context.fleet_power_w, "power", sentence.language),
        "correct": amount(fact.interval.mid, "energy", sentence.language),
        "days": count_text(days, sentence.language),
        "time": time.text,
    }
    yield Finding(
        rule="dam",
        verdict=AuditVerdict.OFF,
        quote=time.text,
        start=time.start,
        message=tell("plant_days", sentence.language, **words),
        factor=factor,
        corrected=replaced(sentence, time, phrase("spans.day", sentence.language).format(n=f"{days:.0f}")),
        arithmetic=f"{words['correct']} / {words['power']} = {days:.0f} d",
        sources=(fact.source,),
    )
