"""A raw sentence taken apart: names, cues, quantities, clauses."""

from __future__ import annotations

import itertools
import re

from twentywatts.claims.lexicon import Cues, lowered, mentions_in
from twentywatts.claims.numerals import has_number
from twentywatts.claims.quantities import quantities_in
from twentywatts.claims.sentences import fold, language_of, normalised
from twentywatts.claims.terms import Sentence

__all__ = ["parsed"]

_BREAK = re.compile(
    r"[,;:、—](?=\s|[^\d\s])|(?<=[\u4e00-\u9fff]),|\s[-–]\s|\b(?:while|whereas|but|mais|tandis que)\b|而(?!且)|但"
)


def parsed(raw: str, index: int) -> Sentence:
    """Return a sentence with everything that the rules look at."""
    text = normalised(raw)
    folded = fold(text)
    language = language_of(text)
    lower = lowered(folded)
    cues = Cues(lower)
    counted = has_number(lower, language)
    mentions = mentions_in(lower) if counted or cues["equal"] or cues["life"] else ()
    edges = [0, *(match.end() for match in _BREAK.finditer(folded)), len(folded)]
    return Sentence(
        index=index,
        raw=raw,
        text=text,
        folded=folded,
        language=language,
        clauses=tuple((low, high) for low, high in itertools.pairwise(edges) if low < high),
        quantities=quantities_in(folded, language, mentions) if counted else (),
        mentions=mentions,
        cues=cues,
    )
