"""What an audit remembers from sentence to sentence: a few numbers, never the text."""

from __future__ import annotations

from dataclasses import dataclass, field

from twentywatts.claims.facts import Fact, facts_of
from twentywatts.claims.terms import Mention, Quantity, Sentence

__all__ = ["Context", "matches", "nearest_of", "off_by", "owner", "sentence_years"]

_SLACK = 1.25  # a claim may be so far outside a published interval: articles round


@dataclass(slots=True)
class Context:
    """Numbers that the text itself told, and what the present sentence has used already.

    told_j: energy of an entity as the text has it, by entity. last_j: the energies of the sentence before. total_j,
    total_quote: the last total. thousand: whether the sentence before spoke of a thousand runs. fleet_power_w: chips ×
    power. used: starts of judged quantities.
    """

    told_j: dict[str, float] = field(default_factory=dict)
    total_j: float = 0.0
    total_quote: str = ""
    thousand: bool = False
    fleet_power_w: float = 0.0
    last_j: tuple[float, ...] = ()
    used: set[int] = field(default_factory=set)

    def open(self, quantities: list[Quantity]) -> list[Quantity]:
        """Return the quantities that no rule has judged."""
        return [quantity for quantity in quantities if quantity.start not in self.used]

    def use(self, *quantities: Quantity) -> None:
        """Mark quantities as judged."""
        self.used.update(quantity.start for quantity in quantities)


def matches(quantity: Quantity, fact: Fact, *, scale: float = 1.0) -> bool:
    """Return whether a quantity agrees with a fact: its range touches the published interval, with some slack."""
    low, high = fact.interval.low * scale / _SLACK, fact.interval.high * scale * _SLACK
    return quantity.low <= high and quantity.high >= low


def off_by(quantity: Quantity, fact: Fact, *, scale: float = 1.0) -> float:
    """Return claimed over published."""
    return quantity.value / (fact.interval.mid * scale)


def owner(sentence: Sentence, quantity: Quantity) -> Mention | None:
    """Return the name that a quantity speaks of: the nearest of its clause with facts, else the last one before it.

    After "A takes ten times what B takes, about 3 kWh" that is A: what is compared with is not what is told of.
    """
    low, high = sentence.clause_of(quantity.start)
    known = [mention for mention in sentence.mentions if mention.kind != "region" and facts_of(mention.name)]
    inside = [mention for mention in known if low <= mention.start < high]
    if inside:
        return min(inside, key=lambda mention: nearest_of(mention, quantity))
    before = [mention for mention in known if mention.end <= quantity.start]
    times = [item for item in sentence.of("ratio") if item.end <= quantity.start]
    if times and before:
        first, last = sentence.clause_of(times[-1].start)
        compared = [mention for mention in before if first <= mention.start < last]
        return compared[0] if compared else before[-1]
    return before[-1] if before else None


def nearest_of(mention: Mention, quantity: Quantity) -> tuple[int, int]:
    """Return how far a name is from a quantity in characters; of two as near the one before."""
    gap = quantity.start - mention.end if mention.end <= quantity.start else mention.start - quantity.end
    return max(gap, 0), int(mention.start > quantity.start)


def sentence_years(sentence: Sentence) -> list[int]:
    """Return the calendar years that a sentence names."""
    return [int(quantity.value) for quantity in sentence.of("year")]
