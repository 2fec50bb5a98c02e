"""Rule "equivalence": so much energy is so many homes, phone charges, hours of video, Teslas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from twentywatts.claims.context import Context
from twentywatts.claims.facts import Fact, facts, facts_of
from twentywatts.claims.quantities import PERIODS
from twentywatts.claims.rules.published import hint
from twentywatts.claims.terms import AuditVerdict, Finding, Mention, Quantity, Sentence
from twentywatts.claims.wording import amount, count_text, digits, factor_text, quotient, range_text, replaced, tell

__all__ = ["RULE", "equivalence"]

RULE = "equivalence"
_SLACK = 1.3
_OWN = 1.05  # the text's own arithmetic is exact to this
_UNITS = ("home", "phone-charge", "streaming-hour", "tesla", "nuclear-reactor")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """What is said to equal so many units. low, high: its interval [J]; quote: as told or labelled."""

    energy_j: float
    low_j: float
    high_j: float
    quote: str
    per: str = ""
    sources: tuple[str, ...] = ()


def equivalence(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield findings on energies told in units of something else."""
    yield from _image_and_phone(sentence, context)
    yield from _one_life(sentence, context)
    if not (sentence.has("equal") or sentence.has("consume")):
        return
    counted = list(_counted(sentence, context))
    for place, (count, fact) in enumerate(counted):
        whole = _respective(context, place, len(counted)) or _whole(sentence, context, count)
        if whole is not None:
            context.use(count)
            yield _compared(sentence, context, count, fact, whole)


def _counted(sentence: Sentence, context: Context) -> Iterator[tuple[Quantity, Fact]]:
    """Yield each count of units with the published figure of one."""
    for count in context.open(sentence.of("count")):
        if count.noun in _UNITS and count.value >= 2:
            fact = _unit_fact(sentence, count.noun)
            if fact is not None:
                yield count, fact
    if any(mention.name == "streaming-hour" for mention in sentence.mentions) or _watching(sentence):
        for time in context.open(sentence.of("time")):
            yield time, facts()["streaming_energy_j"]


def _respective(context: Context, place: int, count: int) -> _Whole | None:
    """Return the energy of the sentence before that stands at the same place: "9 seconds or 3.5 minutes"."""
    if count < 2 or len(context.last_j) != count:
        return None
    value = context.last_j[place]
    return _Whole(energy_j=value, low_j=value, high_j=value, quote=amount(value, "energy", "en"))


def _watching(sentence: Sentence) -> bool:
    return any(word in sentence.folded.lower() for word in ("观看", "watch", "regarder"))


def _unit_fact(sentence: Sentence, noun: str) -> Fact | None:
    candidates = [fact for fact in facts_of(noun) if fact.kind in ("year", "one", "life")]
    regions = {mention.name for mention in sentence.names("region")}
    placed = [fact for fact in candidates if fact.region in regions]
    return next(iter(placed or candidates), None)


def _whole(sentence: Sentence, context: Context, count: Quantity) -> _Whole | None:
    """Return what equals the count: an energy told here, a fact named here, or the last total of the text."""
    told = [item for item in sentence.of("energy") if item.per not in ("query", "hour", "each")]
    before = [item for item in told if item.start < count.start] or told
    if before:
        item = before[-1]
        per = item.per or ("day" if sentence.has("daily") and not sentence.has("yearly") else "")
        scaled = _with_queries(sentence, item)
        return scaled or _Whole(energy_j=item.value, low_j=item.low, high_j=item.high, quote=item.text, per=per)
    each = _with_queries(sentence, None)
    if each is not None:
        return each
    for mention in sentence.names("model"):
        if mention.name in context.told_j:
            value = context.told_j[mention.name]
            return _Whole(energy_j=value, low_j=value, high_j=value, quote=context.total_quote or mention.name)
        for fact in facts_of(mention.name):
            if fact.kind == "training" and sentence.has("training"):
                interval = fact.interval
                return _Whole(
                    energy_j=interval.mid, low_j=interval.low, high_j=interval.high,
                    quote=fact.label[sentence.language], sources=(fact.source,),
                )  # fmt: skip
    return None


def _with_queries(sentence: Sentence, energy: Quantity | None) -> _Whole | None:
    """Return queries × energy of one, where the sentence tells both."""
    queries = next((item for item in sentence.of("count") if item.noun == "query" and item.value > 1), None)
    each = next((item for item in sentence.of("energy") if item.per == "query"), None)
    if queries is None or each is None or (energy is not None and energy is not each):
        return None
    joules = queries.value * each.value
    per = "day" if sentence.has("daily") or queries.per == "day" else ""
    return _Whole(energy_j=joules, low_j=joules, high_j=joules, quote=f"{queries.text} × {each.text}", per=per)


def _scale(sentence: Sentence, count: Quantity, fact: Fact, whole: _Whole) -> float:
    """Return by what one unit's figure is multiplied: a home's day where days are compared, miles for a Tesla."""
    if count.dimension == "time":
        return 1.0 / PERIODS["hour"]  # the figure is of an hour of video, the count is of its seconds
    clause = sentence.clause_of(count.start)
    if fact.entity == "home" and (whole.per == "day" or sentence.has("daily", within=clause)):
        return PERIODS["day"] / PERIODS["year"]
    distance = next((item for item in sentence.of("distance")), None)
    if fact.entity == "tesla" and distance is not None:
        return distance.value / 1e3 * facts()["car_km_energy_j"].interval.mid / fact.interval.mid
    return 1.0


def _compared(sentence: Sentence, context: Context, count: Quantity, fact: Fact, whole: _Whole) -> Finding:
    language, scale = sentence.language, _scale(sentence, count, fact, whole)
    each = fact.interval.mid * scale
    expected = whole.energy_j / each
    low = min(whole.low_j / (fact.interval.high * scale), expected / _SLACK)
    high = max(whole.high_j / (fact.interval.low * scale), expected * _SLACK)
    factor = count.value / expected
    claimed = count.text
    correct = _count(expected, count, language)
    own = context.told_j.get(fact.entity)
    divisor = fact.interval.mid if count.dimension == "time" else each
    arithmetic = (
        f"{amount(whole.energy_j, 'energy', 'en')} / {amount(divisor, 'energy', 'en')} = "
        f"{_count(expected, count, 'en')} ({fact.label['en']}: {range_text(fact.interval, 'energy', 'en')})"
    )
    common: dict[str, Any] = {
        "rule": RULE,
        "quote": claimed,
        "start": count.start,
        "arithmetic": arithmetic,
        "sources": (*whole.sources, fact.source),
    }
    unit = "" if count.dimension == "time" else fact.label[language]
    if own and 1 / _OWN < count.value * own * scale / whole.energy_j < _OWN and not low <= count.value <= high:
        message = tell(
            "equal_own", language, base=f"{amount(own, 'energy', language)}", correct=correct,
            each=amount(fact.interval.mid, "energy", language),
        )  # fmt: skip
        return Finding(
            **common,
            verdict=AuditVerdict.OFF,
            message=message,
            factor=factor,
            corrected=replaced(sentence, count, correct),
        )
    if low <= count.value <= high:
        message = tell("equal", language, energy=whole.quote, correct=correct, unit=unit or fact.label[language])
        return Finding(**common, verdict=AuditVerdict.CONSISTENT, message=message, factor=factor)
    message = tell(
        "equal_off", language, factor=factor_text(factor, language), energy=whole.quote, correct=correct,
        unit=unit or fact.label[language], each=amount(each if unit else fact.interval.mid, "energy", language),
        claimed=claimed, hint=hint(factor, language, claimed),
    )  # fmt: skip
    return Finding(
        **common, verdict=AuditVerdict.OFF, message=message, factor=factor, corrected=replaced(sentence, count, correct)
    )


def _count(value: float, count: Quantity, language: str) -> str:
    """Return a number of units, or of hours, minutes and seconds of video."""
    if count.dimension != "time":
        return count_text(value, language)
    names = {
        "en": ("hours", "minutes", "seconds"),
        "fr": ("heures", "minutes", "secondes"),
        "zh": ("小时", "分钟", "秒"),
    }
    for name, length in zip(names[language], (PERIODS["hour"], PERIODS["minute"], 1.0), strict=True):
        if value >= length or length == 1.0:
            return f"{count_text(value / length, language)}{'' if language == 'zh' else ' '}{name}"
    return ""


def _image_and_phone(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield the image that costs a phone charge: true of the worst model, told of all."""
    names = {mention.name for mention in sentence.mentions}
    if not {"image-generation", "phone-charge"} <= names or not sentence.has("equal"):
        return
    if any(item.noun == "phone-charge" for item in sentence.of("count")):
        return
    image, worst, phone = (facts()[key] for key in ("image_task_energy_j", "image_worst_energy_j", "phone_energy_j"))
    told = context.told_j.get("phone-charge", phone.interval.mid)
    factor = told / image.interval.mid
    language = sentence.language
    mention = next(item for item in sentence.mentions if item.name == "image-generation")
    yield Finding(
        rule="maximum",
        verdict=AuditVerdict.OFF,
        quote=sentence.text[mention.start : mention.end],
        start=mention.start,
        factor=factor,
        message=tell(
            "maximum",
            language,
            factor=factor_text(factor, language),
            label=image.label[language],
            correct=amount(image.interval.mid, "energy", language),
            worst=amount(worst.interval.mid, "energy", language),
        ),
        arithmetic=quotient(told, image.interval.mid, "energy"),
        sources=(image.source, phone.source),
    )


def _one_life(sentence: Sentence, context: Context) -> Iterator[Finding]:
    """Yield the training that takes more than a car's whole life: it depends on the model."""
    car = next((mention for mention in sentence.mentions if mention.name == "tesla"), None)
    if car is None or not (sentence.has("training") and sentence.has("life")) or sentence.of("energy"):
        return
    if _named_model(sentence):
        return
    language, life = sentence.language, facts()["tesla_life_energy_j"]
    runs = [facts()[key] for key in ("bloom_training_energy_j", "gpt3_training_energy_j", "gpt4_training_energy_j")]
    examples = ", ".join(
        f"{run.label[language]} {digits(run.interval.mid / life.interval.mid, language, 2)}×" for run in runs
    )
    yield Finding(
        rule="depends",
        verdict=AuditVerdict.NOT_CHECKABLE,
        quote=sentence.text[car.start : car.end],
        start=car.start,
        message=tell(
            "equal_depends",
            language,
            unit=life.label[language],
            each=range_text(life.interval, "energy", language),
            examples=examples,
        ),
        missing="which model",
        arithmetic="; ".join(f"{run.label['en']}: {amount(run.interval.mid, 'energy', 'en')}" for run in runs),
        sources=tuple(dict.fromkeys((life.source, *(run.source for run in runs)))),
    )


def _named_model(sentence: Sentence) -> Mention | None:
    return next(iter(sentence.names("model")), None)
