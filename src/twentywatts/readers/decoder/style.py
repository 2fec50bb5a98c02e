"""The common decoder: attention and a feed-forward part in every layer, told apart by a family's style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from twentywatts.architecture import Attention, Experts, FeedForward, Layers, Stack
from twentywatts.readers.decoder.fields import Fields

__all__ = ["Style", "attention", "decoder", "feed_forward", "grouped", "layer_kinds", "text_stack", "windows_by_kind"]


def no_windows(_: Fields, layers: int) -> Sequence[int]:
    """Return that every layer looks all the way back."""
    return [0] * layers


def layer_kinds(fields: Fields, layers: int, period: int = 0) -> Sequence[str]:
    """Return what the file says that each layer is; else every ``period``-th is full and the others slide."""
    said = fields.items("layer_types", str)
    if said and len(said) != layers:
        raise fields.refuse("layer_types", f"a list of {layers} layers", f"{len(said)} entries")
    if said:
        return said
    if not period:
        return ["full_attention"] * layers
    return ["full_attention" if (index + 1) % period == 0 else "sliding_attention" for index in range(layers)]


def windows_by_kind(period: int, usual: int = 0) -> Callable[[Fields, int], Sequence[int]]:
    """Return a rule for windows: every ``period``-th layer looks all the way back, the others ``sliding_window``."""

    def windows(fields: Fields, layers: int) -> Sequence[int]:
        window = fields.size("sliding_window", usual, least=0)
        every = fields.size("sliding_window_pattern", period)
        return [0 if kind == "full_attention" else window for kind in layer_kinds(fields, layers, every)]

    return windows


def no_experts(_: Fields, layers: int) -> Sequence[Experts | None]:
    """Return that no layer routes."""
    return [None] * layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What a family does where its config.json says nothing, or names that say it.

    qkv_bias, out_bias, mlp_bias, head_bias: biases, or the field that says so (with its default behind a colon:
    ``bias:1``). norms: per layer, norm_values: parameters per value of a norm (1: weight, 2: weight and bias),
    final_norm: after the last layer. head_dim: where the file gives none, 0 for width over heads. qk_norm: "" none,
    head (one norm of a head's size for queries, one for keys), model (over all heads). gated: of the feed-forward
    part, ffn_factor: its size over the width where none is given. tied: head and embedding, where nothing is said.
    positions: rows of a learned table beyond the longest text, -1 for no table. embedding_norms: norms after the
    embedding. sinks: one parameter per head. windows, experts: layer by layer.
    """

    qkv_bias: bool | str = False
    out_bias: bool | str = False
    mlp_bias: bool | str = False
    head_bias: bool | str = False
    head_dim: int = 0
    norms: int = 2
    norm_values: int = 1
    final_norm: bool = True
    qk_norm: str = ""
    gated: bool = True
    ffn_factor: int = 0
    tied: bool = False
    positions: int = -1
    embedding_norms: int = 0
    sinks: bool = False
    windows: Callable[[Fields, int], Sequence[int]] = no_windows
    experts: Callable[[Fields, int], Sequence[Experts | None]] = no_experts


def _says(fields: Fields, said: bool | str) -> bool:
    if isinstance(said, bool):
        return said
    name, _, default = said.partition(":")
    return fields.flag(name, default == "1")


def attention(fields: Fields, style: Style, window_tokens: int = 0) -> Attention:
    """Return the attention of one layer, with its biases, norms and sinks."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads", most=65_536)
    kv_heads = fields.size("num_key_value_heads", heads, most=65_536)
    if heads % kv_heads:
        raise fields.refuse("num_key_value_heads", f"a divisor of the {heads} attention heads", kv_heads)
    if not fields.has("head_dim") and not style.head_dim and hidden % heads:
        raise fields.refuse("num_attention_heads", f"a divisor of hidden_size {hidden}", heads)
    size = fields.size("head_dim", style.head_dim or hidden // heads, most=65_536)
    extra = (heads + 2 * kv_heads) * size if _says(fields, style.qkv_bias) else 0
    extra += hidden if _says(fields, style.out_bias) else 0
    extra += {"": 0, "head": 2, "model": heads + kv_heads, "model, biased": 2 * (heads + kv_heads)}[
        style.qk_norm
    ] * size
    extra += heads if style.sinks else 0
    return Attention(
        heads=heads, kv_heads=kv_heads, head_size=size, window_tokens=window_tokens, extra_parameter_count=extra
    )


def feed_forward(fields: Fields, style: Style, size: int = 0) -> FeedForward:
    """Return the dense feed-forward part of one layer."""
    usual = style.ffn_factor * fields.size("hidden_size") if style.ffn_factor else None
    inner = size or fields.size("intermediate_size", usual)
    biases = inner * (2 if style.gated else 1) + fields.size("hidden_size") if _says(fields, style.mlp_bias) else 0
    return FeedForward(size=inner, gated=style.gated, extra_parameter_count=biases)


def grouped(layers: Sequence[Layers]) -> tuple[Layers, ...]:
    """Return layers with those that are alike counted together, in the order of their first."""
    counts: dict[Layers, int] = {}
    for layer in layers:
        counts[layer] = counts.get(layer, 0) + layer.count
    return tuple(replace(one, count=count) for one, count in counts.items())


def decoder(fields: Fields, style: Style) -> Stack:
    """Return the stack of a decoder of this style; raises ModelError for what is missing or makes no sense."""
    hidden, count = fields.size("hidden_size"), fields.layers()
    norm = hidden * style.norm_values
    windows, experts = style.windows(fields, count), style.experts(fields, count)
    layers = [
        Layers(
            count=1,
            mixer=attention(fields, style, window),
            feed_forward=routed or feed_forward(fields, style),
            extra_parameter_count=style.norms * norm,
        )
        for window, routed in zip(windows, experts, strict=True)
    ]
    positions = fields.size("max_position_embeddings") + style.positions if style.positions >= 0 else 0
    norms = style.embedding_norms + (1 if style.final_norm else 0)
    head_bias = fields.size("vocab_size") if _says(fields, style.head_bias) else 0
    stack = text_stack(fields, layers, tied=style.tied, extra=norms * norm + head_bias)
    return replace(stack, lookup_parameter_count=positions * hidden)


def text_stack(fields: Fields, layers: Sequence[Layers], *, tied: bool, extra: int) -> Stack:
    """Return layers between an embedding and a head over the same words; tied: where the file says nothing."""
    vocabulary = fields.size("vocab_size")
    return Stack(
        kind="text",
        hidden_size=fields.size("hidden_size"),
        layers=grouped(layers),
        vocabulary_size=vocabulary,
        head_size=vocabulary,
        tied=fields.flag("tie_word_embeddings", tied),
        extra_parameter_count=extra,
    )
