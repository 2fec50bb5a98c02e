"""How a language model is used: batch, lengths, precision, and a draft that guesses ahead. Checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from twentywatts.errors import InputError

if TYPE_CHECKING:
    from twentywatts.architecture import Architecture
    from twentywatts.uncertain import Array

__all__ = ["DecoderUse", "Speculation", "checked_count"]

_MOST_TOKENS = 1e9  # a thousand times the longest context there is
_MOST_SEQUENCES = 1e9


def checked_count(what: str, value: ArrayLike, *, least: float, most: float) -> Array:
    """Return an array of finite numbers between ``least`` and ``most``; raises InputError with the first that is not.

    A mean need not be whole: batches that a server forms on its own average to any number.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers, got {str(value)[:40]!r}") from None
    wrong = array[~((array >= least) & (array <= most))]
    if wrong.size:
        raise InputError(f"{what} must be between {least:,.6g} and {most:,.6g}, got {wrong.flat[0]:,.6g}")
    return array


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """A draft writes ``draft_tokens`` ahead and the model checks them in one step.

    acceptance_frac: probability that the model accepts a token that the draft wrote, each alike and independent.
    draft: the draft's architecture, or draft_frac: its share of the model's work and bytes (a head on the model).
    """

    draft_tokens: int
    acceptance_frac: float
    draft: Architecture | None = None
    draft_frac: float = 0.0

    def __post_init__(self) -> None:
        checked_count("draft tokens", self.draft_tokens, least=1, most=1000)
        checked_count("the share of accepted tokens", self.acceptance_frac, least=0, most=1)
        checked_count("the draft's share of the model", self.draft_frac, least=0, most=1)
        if self.draft is None and self.draft_frac == 0:
            raise InputError("speculation needs a draft: an architecture, or its share of the model's work")

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens that one step writes: (1 − α^(γ + 1)) / (1 − α).

        Source: Leviathan et al. 2023, arXiv:2211.17192, equation 1.
        """
        alpha, count = self.acceptance_frac, self.draft_tokens + 1
        return float(count) if alpha == 1 else (1 - alpha**count) / (1 - alpha)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecoderUse:
    """Requests that are served together; numbers or arrays that broadcast.

    batch: sequences in the model at once, a mean where it varies. prompt_tokens: text and images together, per
    sequence. output_tokens: that the model writes; 0 for a model that only reads. inputs: images (or clips of sound)
    that each sequence brings to the towers. input_tokens: tokens that a tower sees of one, its own number where 0.
    cached_prompt_frac: share of the prompt whose keys and values are already in the cache.
    """

    batch: ArrayLike = 1
    prompt_tokens: ArrayLike
    output_tokens: ArrayLike
    inputs: ArrayLike = 0
    input_tokens: ArrayLike = 0
    cached_prompt_frac: ArrayLike = 0.0
    speculation: Speculation | None = None
    arrays: dict[str, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        arrays = {
            "batch": checked_count("the batch", self.batch, least=1, most=_MOST_SEQUENCES),
            "prompt": checked_count("prompt tokens", self.prompt_tokens, least=1, most=_MOST_TOKENS),
            "output": checked_count("output tokens", self.output_tokens, least=0, most=_MOST_TOKENS),
            "inputs": checked_count("images or clips", self.inputs, least=0, most=1e6),
            "input_tokens": checked_count("tokens of an image or clip", self.input_tokens, least=0, most=_MOST_TOKENS),
            "cached": checked_count("the cached share of the prompt", self.cached_prompt_frac, least=0, most=1),
        }
        try:
            np.broadcast_shapes(*(array.shape for array in arrays.values()))
        except ValueError:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items() if array.ndim)
            raise InputError(f"batch and lengths must have shapes that broadcast, got {shapes}") from None
        object.__setattr__(self, "arrays", arrays)

    def broadcast(self) -> dict[str, Array]:
        """Return every array in one shape; ``written`` is what the steps after the prefill write."""
        shapes = np.broadcast_arrays(*self.arrays.values())
        found = dict(zip(self.arrays, shapes, strict=True))
        return found | {"written": np.maximum(found["output"] - 1.0, 0.0)}
