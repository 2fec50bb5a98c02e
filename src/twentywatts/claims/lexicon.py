"""Names and cues: which entities and regions a sentence mentions, and which words turn a number into a claim."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
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


@cache
def _patterns() -> tuple[tuple[tuple[str, str], ...], re.Pattern[str], re.Pattern[str]]:
    """Return every (name, kind), and the patterns of their Latin and Chinese words; a group is named by its place."""
    entries = table("audit_entities")
    named = [(name, str(entry["kind"]), entry) for name, entry in entries["entities"].items()]
    named += [(name, "region", entry) for name, entry in entries["regions"].items()]
    latin = [(word, place) for place, (_, _, entry) in enumerate(named) for word in entry.get("latin", [])]
    han = [(re.escape(word), place) for place, (_, _, entry) in enumerate(named) for word in entry.get("han", [])]
    names = tuple((name, kind) for name, kind, _ in named)
    whole = re.compile(rf"(?<![{_EDGE}])(?:{_alternatives(latin)})(?![{_EDGE}])")
    return names, whole, re.compile(_alternatives(han))


def _alternatives(words: list[tuple[str, int]]) -> str:
    """Return one pattern of all words, the longest first."""
    ordered = sorted(words, key=lambda item: -len(item[0]))
    return "|".join(f"(?P<w{count}_{place}>{word})" for count, (word, place) in enumerate(ordered))


def mentions_in(lower: str) -> tuple[Mention, ...]:
    """Return the names in a folded sentence of small letters, in order; of two that overlap, the longer one."""
    names, latin, han = _patterns()
    found = []
    for pattern in (latin, han):
        for match in pattern.finditer(lower):
            name, kind = names[int(str(match.lastgroup).rpartition("_")[2])]
            found.append(Mention(name=name, kind=kind, start=match.start(), end=match.end()))
    found.sort(key=lambda mention: (mention.start - mention.end, mention.start))
    kept: list[Mention] = []
    for mention in found:
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
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
