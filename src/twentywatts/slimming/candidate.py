"""Candidate: a model on its way to a smaller one. A step takes one and returns another; nothing is changed in place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

__all__ = ["PREPARED", "UNTIED", "Candidate", "Step", "Value"]

Value = int | float | str | bool
UNTIED = "untied"  # setting of a training before which vectors that layers shared were given to each of them
PREPARED = "prepared"  # setting of a training of the graph that onnxruntime's quantiser made of the model
_ALONG = ("fold", "repair")  # before and after a cut
_TOLD = {"through_norms": "with the width", "weight_bits": "of 7-bit weights"}  # settings that a name must hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was done: the step's name, its settings, the seed of whatever it drew, and what a reader must know."""

    name: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    seed: int = 0
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The step in a few words, like ``prune(ratio=0.5, round_to=8)``."""
        inside = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name}({inside})" if inside else self.name

    @property
    def brief(self) -> str:
        """The step's name, with the share where it takes one: ``prune 50 %``, ``drop 1 of 3 blocks``, ``zeros 2:4``."""
        ratio = self.settings.get("ratio", self.settings.get("share_frac"))
        share = "" if ratio is None else (" by group" if isinstance(ratio, str) else f" {100 * ratio:.3g} %")
        if self.name == "depth" and "of" in self.settings:
            return f"drop {self.settings['dropped']} of {self.settings['of']} blocks"
        if self.settings.get("pattern", "any") != "any":
            return f"{self.name} {self.settings['pattern']}"
        told = [words for key, words in _TOLD.items() if self.settings.get(key)]
        return " ".join([self.name + share, *told])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A model and how it came about.

    content: the ONNX model, serialised, weights inside (at most 2 GiB, the format's own limit). steps: from the model
    as it was given to this one. parent: digest of what the last step began with, empty for the model as given.
    """

    content: bytes = field(repr=False)
    steps: tuple[Step, ...] = ()
    parent: str = ""
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.content).hexdigest())

    def then(self, step: Step, content: bytes) -> Candidate:
        """Return what ``step`` made of this candidate."""
        return Candidate(content=content, steps=(*self.steps, step), parent=self.digest)

    def saying(self, **settings: Value) -> Candidate:
        """Return this candidate, its last step with further settings."""
        *earlier, last = self.steps
        told = replace(last, settings={**last.settings, **settings})
        return Candidate(content=self.content, steps=(*earlier, told), parent=self.parent)

    @property
    def text(self) -> str:
        """The steps in a few words."""
        return " → ".join(step.text for step in self.steps) or "as given"

    @property
    def brief(self) -> str:
        """The steps by name alone; two candidates may share it. What any step brings along is not named."""
        telling = [step for step in self.steps if step.name not in _ALONG] or self.steps
        return " → ".join(step.brief for step in telling) or "as given"
