"""How many earlier tokens a token sees, summed over a text; closed forms, so that arrays of lengths cost nothing."""

from __future__ import annotations

import numpy as np

from twentywatts.uncertain import Array

__all__ = ["prefill_pairs", "seen_per_step", "touched_frac"]


def prefill_pairs(tokens: Array, *, window_tokens: int = 0, causal: bool = True) -> Array:
    """Return pairs of a token and a token that it sees (itself among them), in one text of so many tokens.

    Causal: Σ min(j, w) for j = 1 … n, which is n (n + 1) / 2 without a window w. Both ways: n min(n, w).
    """
    window = float(window_tokens or np.inf)
    if not causal:
        return tokens * np.minimum(tokens, window)
    inside = np.minimum(tokens, window)
    pairs: Array = inside * (inside + 1.0) / 2.0
    return pairs + (tokens - inside) * window if window_tokens else pairs


def seen_per_step(prompt_tokens: Array, written_tokens: Array, *, window_tokens: int = 0) -> Array:
    """Return the mean number of tokens that a token sees while ``written_tokens`` are written after a prompt.

    The i-th of them sees min(prompt + i, w); the mean over i = 1 … n. Where nothing is written: as the first would.
    """
    count = np.maximum(written_tokens, 1.0)
    after = prefill_pairs(prompt_tokens + count, window_tokens=window_tokens)
    before: Array = prefill_pairs(prompt_tokens, window_tokens=window_tokens)
    return (after - before) / count


def touched_frac(tokens: Array, *, expert_count: int, per_token: int) -> Array:
    """Return the expected share of a layer's experts that so many tokens touch: 1 − (1 − k/E)^n.

    It holds for tokens that choose independently and without preference; real routers prefer some experts, so that
    fewer are touched.
    """
    untouched: Array = (1.0 - per_token / expert_count) ** tokens
    return 1.0 - untouched
