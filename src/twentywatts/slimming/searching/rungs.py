"""Rungs: what is asked of the model as given, as plain values, so that a request can be stored and found again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from twentywatts.errors import RefusedError
from twentywatts.slimming.searching.recorded import of_record

__all__ = ["FLOAT", "INT4", "INT8", "NARROW", "PRECISIONS", "RepeatedError", "Rung"]

# how a float candidate is shipped: as it is; in eight bits; with weights of seven; with dense layers of four
FLOAT, INT8, NARROW, INT4 = "fp32", "int8", "int8-narrow", "int4"
PRECISIONS: Mapping[str, str] = {FLOAT: "fp32", INT8: "int8", NARROW: "int8", INT4: "int4"}

_WORDS = {  # what a key calls each field
    "is_folded": "folded",
    "blocks": "blocks",
    "cut": "cut",
    "cuts": "cuts",
    "through_norms": "norms",
    "rank_frac": "rank",
    "zeros": "zeros",
    "epochs": "epochs",
    "is_hardened": "hardened",
    "is_narrow": "narrow",
    "seed": "seed",
}


class RepeatedError(RefusedError):
    """A request that comes to what another came to: nothing is tried, and nothing is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A request for one float candidate.

    is_folded: BatchNorm folded. blocks: share of residual blocks to drop [0 to below 1]. cut: share of channels to
    take from every group [0 to 1]; cuts: the same by group, which then counts alone. through_norms: cut the width of a
    transformer too. rank_frac: share of each matrix to keep in two of low rank, 0 for none. zeros: pattern of zeros
    that half of the weights become, ``any`` or ``2:4``. epochs: of training with the model as given for a teacher.
    is_hardened: trained for int8 (QAT), is_narrow: for that of 7-bit weights. seed: of the training.
    """

    is_folded: bool = False
    blocks: float = 0.0
    cut: float = 0.0
    cuts: Mapping[str, float] = field(default_factory=dict)
    through_norms: bool = False
    rank_frac: float = 0.0
    zeros: str = ""
    epochs: int = 0
    is_hardened: bool = False
    is_narrow: bool = False
    seed: int = 0

    @classmethod
    def of(cls, key: str) -> Rung:
        """Return the request that has this key; raises ValueError or KeyError for anything else."""
        try:
            found = json.loads(key)
        except RecursionError:
            raise ValueError("a request is not nested") from None
        rung = of_record(cls, {name: found[word] for name, word in _WORDS.items()} if isinstance(found, dict) else None)
        shares = (rung.blocks, rung.cut, rung.rank_frac, *rung.cuts.values())
        if rung.epochs < 0 or not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"a request takes shares from 0 to 1, not {key[:80]}")
        return rung

    @property
    def is_cut(self) -> bool:
        """Whether channels are taken away."""
        return self.cut > 0 or any(share > 0 for share in self.cuts.values())

    @property
    def is_long(self) -> bool:
        """Whether making it takes long: weights are looked at, or learned."""
        return bool(self.is_cut or self.blocks or self.rank_frac or self.epochs or self.is_hardened)

    @property
    def key(self) -> str:
        """The request in one text: equal for equal requests."""
        found = {word: getattr(self, name) for name, word in _WORDS.items()}
        found |= {"blocks": round(self.blocks, 6), "cut": round(self.cut, 6)}
        found["cuts"] = {name: round(share, 6) for name, share in self.cuts.items()}
        return json.dumps(found, sort_keys=True)

    @property
    def text(self) -> str:
        """The request in a few words, for whoever waits."""
        parts = [
            "fold BatchNorm" if self.is_folded else "",
            f"drop {100 * self.blocks:.0f} % of the blocks" if self.blocks else "",
            f"prune {100 * self.cut:.0f} %" if self.is_cut and not self.cuts else "",
            "and the width" if self.through_norms else "",
            "prune by group" if self.is_cut and self.cuts else "",
            f"low rank {100 * self.rank_frac:.0f} %" if self.rank_frac else "",
            f"zeros ({self.zeros})" if self.zeros else "",
            f"distil {self.epochs} epochs" if self.epochs else "",
            "train for int8" if self.is_hardened else "",
        ]
        return ", ".join(part for part in parts if part) or "as given"
