"""Recurrent and hybrid decoders: Mamba 1 and 2, Jamba, Nemotron-H, Qwen3-Next, Falcon-H1, Bamba, Granite 4, LFM2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twentywatts.architecture import Attention, Experts, FeedForward, Layers, Recurrence, Stack
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.llama import STYLES as LLAMA
from twentywatts.readers.decoder.style import Style, attention, feed_forward, layer_kinds, text_stack

__all__ = ["READERS", "mamba1", "mamba2"]

_UPDATE_AND_READ = 3  # products per state value and token: decay, input, output
_DELTA = 4  # one more: what the state already predicts is taken away first


def mamba1(fields: Fields, hidden: int, *, norms: bool = False) -> Recurrence:
    """Return a selective state space with one state per channel; ``norms`` on its three projections (Jamba)."""
    inner = fields.size("mamba_expand", fields.size("expand", 2)) * hidden
    inner = fields.size("intermediate_size", inner) if not norms else inner
    state = fields.size("mamba_d_state", fields.size("state_size", 16))
    kernel = fields.size("mamba_d_conv", fields.size("conv_kernel", 4))
    rank = -(-hidden // 16)
    if isinstance(fields.values.get("mamba_dt_rank", fields.values.get("time_step_rank")), int):
        rank = fields.size("mamba_dt_rank", fields.size("time_step_rank", rank))
    bias = fields.flag("mamba_proj_bias", fields.flag("use_bias", False))
    conv_bias = fields.flag("mamba_conv_bias", fields.flag("use_conv_bias", True))
    return Recurrence(
        kind="mamba",
        matrix_parameter_count=3 * hidden * inner + inner * (rank + 2 * state) + rank * inner,
        state_value_count=inner * state + inner * kernel,
        state_mac_count=_UPDATE_AND_READ * inner * state + inner * kernel,
        extra_parameter_count=inner * (kernel + conv_bias + 1 + state + 1)
        + (2 * inner + hidden) * bias
        + (rank + 2 * state) * norms,
    )


def mamba2(fields: Fields, hidden: int) -> Recurrence:
    """Return a state space with heads: a state of head size × state size per head."""
    heads = fields.size("mamba_num_heads", fields.size("mamba_n_heads", fields.size("num_heads", 0, least=0)))
    size = _head_size(fields, hidden, heads)
    state = fields.size("ssm_state_size", fields.size("mamba_d_state", fields.size("state_size", 128)))
    groups = fields.size("n_groups", fields.size("mamba_n_groups", 1))
    kernel = fields.size("conv_kernel", fields.size("mamba_d_conv", 4))
    if not heads:
        raise fields.refuse("num_heads", "a whole number of at least 1", 0)
    inner = heads * size
    mixed = inner + 2 * groups * state
    conv_bias = fields.flag("use_conv_bias", fields.flag("mamba_conv_bias", True))
    gated_norm = fields.flag("mamba_rms_norm", fields.text("model_type") != "falcon_h1")
    bias = fields.flag("mamba_proj_bias", fields.flag("use_bias", False))
    out_bias = fields.flag("projectors_bias", False) if fields.text("model_type") == "falcon_h1" else bias
    return Recurrence(
        kind="mamba2",
        matrix_parameter_count=hidden * (inner + mixed + heads) + inner * hidden,
        state_value_count=inner * state + mixed * kernel,
        state_mac_count=_UPDATE_AND_READ * inner * state + mixed * kernel,
        state_bits=32 if fields.text("mamba_ssm_cache_dtype") == "float32" else 16,
        extra_parameter_count=mixed * (kernel + conv_bias)
        + 3 * heads
        + inner * gated_norm
        + (inner + mixed + heads) * bias
        + hidden * out_bias,
    )


def _head_size(fields: Fields, hidden: int, heads: int) -> int:
    """Return values per head of a state space; ``auto`` is its width over its heads."""
    for name in ("mamba_head_dim", "mamba_d_head"):
        if fields.has(name) and fields.values.get(name) != "auto":
            return fields.size(name)
    if fields.has("mamba_n_heads") and heads:
        return max(fields.size("mamba_d_ssm", fields.size("mamba_expand", 2) * hidden) // heads, 1)
    return fields.size("head_dim", 64)


def _stack(fields: Fields, layers: Sequence[Layers], *, tied: bool) -> Stack:
    return text_stack(fields, layers, tied=tied, extra=fields.size("hidden_size"))


def _mamba(fields: Fields) -> Stack:
    hidden = fields.size("hidden_size")
    return _stack(
        fields, [Layers(count=fields.layers(), mixer=mamba1(fields, hidden), extra_parameter_count=hidden)], tied=True
    )


def _mamba2(fields: Fields) -> Stack:
    hidden = fields.size("hidden_size")
    layer = Layers(count=fields.layers(), mixer=mamba2(fields, hidden), extra_parameter_count=hidden)
    return _stack(fields, [layer], tied=False)


def _jamba(fields: Fields) -> Stack:
    """Jamba: attention in one layer of ``attn_layer_period``, experts in one of ``expert_layer_period``."""
    hidden, count = fields.size("hidden_size"), fields.layers()
    every, offset = fields.size("attn_layer_period"), fields.size("attn_layer_offset", 0, least=0)
    routed_every = fields.size("expert_layer_period", 1)
    routed_offset = fields.size("expert_layer_offset", 0, least=0)
    experts, size = fields.size("num_experts", 1), fields.size("intermediate_size")
    chosen = fields.size("num_experts_per_tok", 1, most=experts)
    routed = Experts(count=experts, per_token=chosen, size=size) if experts > 1 else FeedForward(size=size)
    state, seen = mamba1(fields, hidden, norms=True), attention(fields, Style())
    layers = [
        Layers(
            count=1,
            mixer=seen if index % every == offset else state,
            feed_forward=routed if index % routed_every == routed_offset else FeedForward(size=size),
            extra_parameter_count=2 * hidden,
        )
        for index in range(count)
    ]
    return _stack(fields, layers, tied=False)


def _nemotron_h(fields: Fields) -> Stack:
    """Nemotron-H: ``hybrid_override_pattern`` has a letter per layer: M state space, * attention, - feed-forward."""
    hidden, pattern = fields.size("hidden_size"), fields.text("hybrid_override_pattern")
    count = fields.size("num_hidden_layers", len(pattern) or None)
    if len(pattern) != count or set(pattern) - set("M*-"):
        raise fields.refuse("hybrid_override_pattern", f"{count} letters of M, * and -", pattern)
    bias = fields.flag("mlp_bias", False)
    size = fields.size("intermediate_size") if "-" in pattern else 0
    dense = FeedForward(size=size, gated=False, extra_parameter_count=(size + hidden) * bias)
    parts: dict[str, Layers] = {
        "M": Layers(count=1, mixer=mamba2(fields, hidden), extra_parameter_count=hidden) if "M" in pattern else _NONE,
        "*": Layers(count=1, mixer=_plain(fields), extra_parameter_count=hidden) if "*" in pattern else _NONE,
        "-": Layers(count=1, feed_forward=dense, extra_parameter_count=hidden),
    }
    return _stack(fields, [parts[letter] for letter in pattern], tied=False)


_NONE = Layers(count=0)


def _plain(fields: Fields) -> Attention:
    size = fields.values.get("attention_head_dim", fields.values.get("head_dim"))
    return attention(replace(fields, values={**fields.values, "head_dim": size}), Style(qkv_bias="attention_bias"))


def _gated_delta(fields: Fields, hidden: int) -> Recurrence:
    """Return the linear attention of Qwen3-Next: a state of key size × value size per value head."""
    key_heads, value_heads = fields.size("linear_num_key_heads"), fields.size("linear_num_value_heads")
    key_size, value_size = fields.size("linear_key_head_dim"), fields.size("linear_value_head_dim")
    keys, values = key_heads * key_size, value_heads * value_size
    mixed, kernel = 2 * keys + values, fields.size("linear_conv_kernel_dim", 4)
    state = value_heads * key_size * value_size
    return Recurrence(
        kind="gated delta",
        matrix_parameter_count=hidden * (mixed + values + 2 * value_heads) + values * hidden,
        state_value_count=state + mixed * kernel,
        state_mac_count=_DELTA * state + mixed * kernel,
        extra_parameter_count=mixed * kernel + 2 * value_heads + value_size,
    )


def _qwen3_next(fields: Fields) -> Stack:
    """Qwen3-Next: three layers of linear attention, then one of gated attention; all of them route."""
    hidden, count = fields.size("hidden_size"), fields.layers()
    style = LLAMA["qwen3_moe"]
    seen = replace(attention(fields, style), gated=True)
    linear = _gated_delta(fields, hidden)
    kinds = layer_kinds(fields, count, fields.size("full_attention_interval", 4))
    routed = style.experts(fields, count)
    layers = [
        Layers(
            count=1,
            mixer=seen if kind == "full_attention" else linear,
            feed_forward=experts or FeedForward(size=fields.size("intermediate_size")),
            extra_parameter_count=2 * hidden,
        )
        for kind, experts in zip(kinds, routed, strict=True)
    ]
    return _stack(fields, layers, tied=False)


_BIASED = Style(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias")


def _falcon_h1(fields: Fields) -> Stack:
    """Falcon-H1: attention and a state space side by side on the same input, then a feed-forward part.

    The two stand as two layers here, because each is launched on its own.
    """
    hidden, count = fields.size("hidden_size"), fields.layers()
    layers = [
        Layers(count=count, mixer=attention(fields, _BIASED)),
        Layers(
            count=count,
            mixer=mamba2(fields, hidden),
            feed_forward=feed_forward(fields, _BIASED),
            extra_parameter_count=2 * hidden,
        ),
    ]
    return _stack(fields, layers, tied=False)


def _bamba(fields: Fields) -> Stack:
    """Bamba: state spaces, and attention in the layers of ``attn_layer_indices``."""
    attending = set(fields.items("attn_layer_indices", int))
    kinds = ["attention" if index in attending else "mamba" for index in range(fields.layers())]
    return _mixed(fields, kinds, mamba2(fields, fields.size("hidden_size")), feed_forward(fields, _BIASED))


def _granite_hybrid(fields: Fields) -> Stack:
    """Granite 4: ``layer_types`` names state spaces and attention; one part serves every token, beside it experts."""
    hidden, count = fields.size("hidden_size"), fields.size("num_experts", 0, least=0)
    shared = fields.size("shared_intermediate_size", 1024)
    part: FeedForward | Experts = FeedForward(size=shared)
    if count:
        chosen = fields.size("num_experts_per_tok", most=count)
        part = Experts(count=count, per_token=chosen, size=fields.size("intermediate_size"), shared_size=shared)
    kinds = fields.items("layer_types", str) or fields.items("layers_block_type", str) or ("mamba",) * fields.layers()
    state = mamba2(fields, hidden) if "mamba" in kinds else None
    return _mixed(fields, kinds, state, part)


def _lfm2(fields: Fields) -> Stack:
    """LFM2: short gated convolutions, and attention in some layers; the feed-forward size may be adjusted."""
    hidden, kernel = fields.size("hidden_size"), fields.size("conv_L_cache", 3)
    bias = fields.flag("conv_bias", False)
    convolution = Recurrence(
        kind="short convolution",
        matrix_parameter_count=4 * hidden * hidden,
        state_value_count=hidden * kernel,
        state_mac_count=hidden * kernel,
        extra_parameter_count=hidden * kernel + 5 * hidden * bias,
    )
    attending = set(fields.items("full_attn_idxs", int)) or set(range(fields.layers()))
    kinds = fields.items("layer_types", str) or tuple(
        "full_attention" if index in attending else "conv" for index in range(fields.layers())
    )
    return _mixed(fields, kinds, convolution, FeedForward(size=_lfm2_size(fields)), Style(qk_norm="head"), tied=True)


def _lfm2_size(fields: Fields) -> int:
    size = fields.size("block_ff_dim", 0, least=0) or fields.size("intermediate_size")
    if not fields.flag("block_auto_adjust_ff_dim", True):
        return size
    each = fields.size("block_multiple_of", 256)
    size = int(fields.number("block_ffn_dim_multiplier", 1.0, least=0.01, most=100) * int(2 * size / 3))
    return -(-size // each) * each


def _mixed(
    fields: Fields,
    kinds: Sequence[str],
    state: Recurrence | None,
    part: FeedForward | Experts,
    style: Style = _BIASED,
    *,
    tied: bool = False,
) -> Stack:
    """Return layers of attention or of a state by their kinds, each with two norms and the same feed-forward part."""
    hidden = fields.size("hidden_size")
    if len(kinds) != fields.layers():
        raise fields.refuse("layer_types", f"a list of {fields.layers()} layers", f"{len(kinds)} entries")
    seen = attention(fields, style) if any("attention" in kind for kind in kinds) else None
    layers = [
        Layers(
            count=1,
            mixer=seen if "attention" in kind else state,
            feed_forward=part,
            extra_parameter_count=2 * hidden,
        )
        for kind in kinds
    ]
    return _stack(fields, layers, tied=tied)


READERS = {
    "bamba": _bamba,
    "falcon_h1": _falcon_h1,
    "granitemoehybrid": _granite_hybrid,
    "lfm2": _lfm2,
    "mamba": _mamba,
    "falcon_mamba": _mamba,
    "mamba2": _mamba2,
    "jamba": _jamba,
    "nemotron_h": _nemotron_h,
    "qwen3_next": _qwen3_next,
}
