"""The parts of a layer as matrices: what each multiplies, stores, caches, and does per pair of tokens.

Every number is per layer and per token unless its name says otherwise. A matrix with n inputs and m outputs has n·m
parameters and takes n·m multiply-accumulates per token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

from twentywatts.architecture import Attention, Experts, FeedForward, LatentAttention, Mixer, Recurrence

__all__ = ["Part", "cross_part", "ffn_part", "matrix_count", "mixer_part"]

Matrices = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One mixer or feed-forward part, counted.

    linear: (inputs, outputs) of every matrix that each token passes. source: of those that tokens of another stack
    pass, once, in attention to it. routed: of one expert. expert_count, per_token:
    how many there are, and how many a token meets (0: no experts). other: matrices that stay at full precision (a
    router). extra_parameter_count, active_extra_parameter_count: of what is no matrix.
    prefill_pair_macs, decode_pair_macs: per pair of query token and seen token. decode_scan_macs: per pair with *all*
    earlier tokens, whatever the window (a sparse index). token_macs: products without weights per token (a state).
    window_tokens: how many earlier tokens are seen; kept_tokens: how many are stored (0: all). cache_values: stored per
    token. cache_heads: t chips that share a layer store each value t ÷ this number of times, at least once.
    state_bits_count: bits of a state that does not grow.
    """

    linear: Matrices = ()
    source: Matrices = ()
    routed: Matrices = ()
    other: Matrices = ()
    expert_count: int = 0
    per_token: int = 0
    extra_parameter_count: int = 0
    active_extra_parameter_count: int = 0
    prefill_pair_macs: int = 0
    decode_pair_macs: int = 0
    decode_scan_macs: int = 0
    token_macs: int = 0
    window_tokens: int = 0
    kept_tokens: int = 0
    cache_values: int = 0
    cache_heads: int = 1
    state_bits_count: int = 0
    activation_values: int = 0


def matrix_count(matrices: Matrices) -> int:
    """Return the parameters of matrices, which are also their multiply-accumulates per token."""
    return sum(inputs * outputs for inputs, outputs in matrices)


def _passed(*matrices: Matrices) -> int:
    """Return values read and written by the products of one token."""
    return sum(inputs + outputs for group in matrices for inputs, outputs in group)


@singledispatch
def mixer_part(mixer: Mixer, hidden_size: int) -> Part:
    """Return the Part of what mixes tokens in a layer of this width."""
    raise TypeError(f"no rule counts a {type(mixer).__name__}")


@mixer_part.register
def _attention(mixer: Attention, hidden_size: int) -> Part:
    value_size = mixer.value_size or mixer.head_size
    queries = mixer.heads * mixer.head_size
    stored = mixer.kv_heads * (mixer.head_size + value_size)
    written = mixer.heads * value_size
    linear = (
        (hidden_size, queries + (written if mixer.gated else 0)),
        (hidden_size, stored),
        (written, hidden_size),
    )
    pair = mixer.heads * (mixer.head_size + value_size)
    return Part(
        linear=linear,
        extra_parameter_count=mixer.extra_parameter_count,
        active_extra_parameter_count=mixer.extra_parameter_count,
        prefill_pair_macs=pair,
        decode_pair_macs=pair,
        window_tokens=mixer.window_tokens,
        kept_tokens=mixer.window_tokens,
        cache_values=stored if mixer.cached else 0,
        cache_heads=mixer.kv_heads,
        activation_values=_passed(linear),
    )


def cross_part(mixer: Attention, hidden_size: int) -> Part:
    """Return the Part of attention to another stack: its keys and values are made once, of that stack's tokens."""
    part = _attention(mixer, hidden_size)
    query, stored, written = part.linear
    return replace(part, linear=(query, written), source=(stored,), activation_values=_passed((query, written)))


@mixer_part.register
def _latent(mixer: LatentAttention, hidden_size: int) -> Part:
    """Decode works on the latent itself: the projections that expand it move to the query and to the output.

    Scores then take kv_rank + rope_size products per head and token, values kv_rank. The matrices are the same.
    """
    query = mixer.heads * (mixer.nope_size + mixer.rope_size)
    latent = mixer.kv_rank + mixer.rope_size
    rank = mixer.query_rank
    linear: Matrices = ((hidden_size, rank), (rank, query)) if rank else ((hidden_size, query),)
    linear += (
        (hidden_size, latent),
        (mixer.kv_rank, mixer.heads * (mixer.nope_size + mixer.value_size)),
        (mixer.heads * mixer.value_size, hidden_size),
    )
    if mixer.index_heads:
        linear += ((rank, mixer.index_heads * mixer.index_size), (hidden_size, mixer.index_size + mixer.index_heads))
    return Part(
        linear=linear,
        extra_parameter_count=mixer.extra_parameter_count,
        active_extra_parameter_count=mixer.extra_parameter_count,
        prefill_pair_macs=mixer.heads * (mixer.nope_size + mixer.rope_size + mixer.value_size),
        decode_pair_macs=mixer.heads * (latent + mixer.kv_rank),
        decode_scan_macs=mixer.index_heads * mixer.index_size,
        window_tokens=mixer.index_tokens,
        cache_values=latent + mixer.index_size,
        activation_values=_passed(linear),
    )


@mixer_part.register
def _recurrence(mixer: Recurrence, hidden_size: int) -> Part:
    outputs = mixer.matrix_parameter_count // hidden_size
    return Part(
        linear=((mixer.matrix_parameter_count, 1),),  # one block: only its size is known
        extra_parameter_count=mixer.extra_parameter_count,
        active_extra_parameter_count=mixer.extra_parameter_count,
        token_macs=mixer.state_mac_count,
        state_bits_count=mixer.state_value_count * mixer.state_bits,
        activation_values=2 * hidden_size + outputs,
    )


def _mlp(hidden_size: int, size: int, gated: bool) -> Matrices:
    return ((hidden_size, size * (2 if gated else 1)), (size, hidden_size)) if size else ()


@singledispatch
def ffn_part(part: FeedForward | Experts, hidden_size: int) -> Part:
    """Return the Part of a feed-forward part in a layer of this width."""
    raise TypeError(f"no rule counts a {type(part).__name__}")


@ffn_part.register
def _dense(part: FeedForward, hidden_size: int) -> Part:
    linear = _mlp(hidden_size, part.size, part.gated)
    return Part(
        linear=linear,
        extra_parameter_count=part.extra_parameter_count,
        active_extra_parameter_count=part.extra_parameter_count,
        activation_values=_passed(linear),
    )


@ffn_part.register
def _experts(part: Experts, hidden_size: int) -> Part:
    routed = _mlp(hidden_size, part.size, part.gated)
    shared = _mlp(hidden_size, part.shared_size, part.gated)
    router = ((hidden_size, part.count),)
    return Part(
        linear=shared,
        routed=routed,
        other=router,
        expert_count=part.count,
        per_token=part.per_token,
        extra_parameter_count=part.extra_parameter_count,
        active_extra_parameter_count=part.active_extra_parameter_count,
        activation_values=_passed(shared, router) + part.per_token * _passed(routed),
    )
