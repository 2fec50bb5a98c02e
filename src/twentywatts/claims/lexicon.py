"""Names and cues: which entities and regions a sentence mentions, and which words turn a number into a claim."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from twentywatts.claims.terms import Mention

__all__ = ["Cues", "lowered", "mentions_in", "table"]

_EDGE = "A-Za-z0-9À-ÿ"  # a letter of the Latin alphabet may touch a Chinese one: "1530万颗H100芯片"


@cache
def table(name: str) -> Mapping[str, Any]:
    """Return data/claims/<name>.toml."""
    path = files("twentywatts") / "data" / "claims" / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def lowered(folded: str) -> str:
    """Return a text in small letters where that keeps its length: patterns without case are several times as fast."""
    lower = folded.lower()
    return lower if len(lower) == len(folded) else folded


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Words of names, tried only where one may start. starts: those places.

    by_letter: the words that begin with a letter; others: those that may begin with any other.
    """

    starts: re.Pattern[str]
    by_letter: Mapping[str, re.Pattern[str]]
    others: re.Pattern[str] | None

    def found(self, lower: str) -> Iterator[re.Match[str]]:
        """Yield the words of a text in order, none within another."""
        end = 0
        for start in self.starts.finditer(lower):
            words = self.by_letter.get(start[0], self.others) if start.start() >= end else None
            match = words.match(lower, start.start()) if words else None
            if match is not None:
                end = match.end()
                yield match


@cache
def _patterns() -> tuple[tuple[tuple[str, str], ...], tuple[_Names, _Names]]:
    """Return every (name, kind), and its Latin and Chinese words; a group is named by the place of its name."""
    entries = table("audit_entities")
    named = [(name, str(entry["kind"]), entry) for name, entry in entries["entities"].items()]
    named += [(name, "region", entry) for name, entry in entries["regions"].items()]
    latin = [(word, place) for place, (_, _, entry) in enumerate(named) for word in entry.get("latin", [])]
    han = [(re.escape(word), place) for place, (_, _, entry) in enumerate(named) for word in entry.get("han", [])]
    names = tuple((name, kind) for name, kind, _ in named)
    return names, (_names(latin, rf"(?<![{_EDGE}])[{_EDGE}]", rf"(?![{_EDGE}])"), _names(han, "", ""))


def _names(words: list[tuple[str, int]], starts: str, after: str) -> _Names:
    """Return the words by the letter that they begin with; those that may begin with several stand under each."""
    open_words = [item for item in words if not item[0][0].isalnum() or item[0][1:2] in ("?", "*", "{")]
    letters = {item[0][0] for item in words if item not in open_words}
    by_letter = {
        letter: [item for item in words if item in open_words or item[0][0] == letter] for letter in sorted(letters)
    }
    return _Names(
        starts=re.compile(starts or f"[{''.join(sorted(letters))}]"),
        by_letter={letter: re.compile(f"(?:{_alternatives(own)}){after}") for letter, own in by_letter.items()},
        others=re.compile(f"(?:{_alternatives(open_words)}){after}") if open_words else None,
    )


def _alternatives(words: list[tuple[str, int]]) -> str:
    """Return one pattern of all words, the longest first."""
    ordered = sorted(words, key=lambda item: -len(item[0]))
    return "|".join(f"(?P<w{count}_{place}>{word})" for count, (word, place) in enumerate(ordered))


def mentions_in(lower: str) -> tuple[Mention, ...]:
    """Return the names in a folded sentence of small letters, in order; of two that overlap, the longer one."""
    names, both = _patterns()
    found = []
    for words in both:
        for match in words.found(lower):
            name, kind = names[int(str(match.lastgroup).rpartition("_")[2])]
            found.append(Mention(name=name, kind=kind, start=match.start(), end=match.end()))
    found.sort(key=lambda mention: (mention.start - mention.end, mention.start))
    kept: list[Mention] = []
    taken = bytearray(len(lower))
    for mention in found:
        if not any(taken[mention.start : mention.end]):
            taken[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
            kept.append(mention)
    return tuple(sorted(kept, key=lambda mention: mention.start))


@cache
def _cues() -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile(text) for name, text in table("audit_cues")["cues"].items()}


class Cues(Mapping[str, tuple[int, ...]]):
    """The places of every cue in a sentence, by its name; a cue is looked for when it is first asked for."""

    __slots__ = ("_found", "_text")

    def __init__(self, lower: str) -> None:
        self._text = lower
        self._found: dict[str, tuple[int, ...]] = {}

    def __getitem__(self, name: str) -> tuple[int, ...]:
        if name not in self._found:
            self._found[name] = tuple(match.start() for match in _cues()[name].finditer(self._text))
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_cues())

    def __len__(self) -> int:
        return len(_cues())
