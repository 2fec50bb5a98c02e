"""Llama and the decoders that differ from it in a few words: Mistral, Qwen 2 and 3, Mixtral, Granite and their kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twentywatts.architecture import Experts
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import Style, layer_kinds, windows_by_kind

__all__ = ["STYLES"]


def _sliding(fields: Fields, layers: int) -> Sequence[int]:
    """One window for all layers, where the file gives one."""
    return [fields.size("sliding_window", 0, least=0)] * layers


def _qwen2_windows(fields: Fields, layers: int) -> Sequence[int]:
    """Layers from ``max_window_layers`` on have the window, and only where it is switched on."""
    if not fields.flag("use_sliding_window", False):
        return [0] * layers
    first, window = fields.size("max_window_layers", 28, least=0), fields.size("sliding_window", 4096)
    return [window if index >= first else 0 for index in range(layers)]


def _exaone4(fields: Fields, layers: int) -> Sequence[int]:
    """Layers by kind; the pattern may be a word such as LLLG, whose length counts."""
    pattern = fields.values.get("sliding_window_pattern")
    period = len(pattern) if isinstance(pattern, str) else fields.size("sliding_window_pattern", 4, least=0)
    window = fields.size("sliding_window", 0, least=0)
    return [0 if kind == "full_attention" else window for kind in layer_kinds(fields, layers, period)]


def _mixtral(fields: Fields, layers: int) -> Sequence[Experts | None]:
    count = fields.size("num_experts")
    size = fields.size("intermediate_size")
    return [Experts(count=count, per_token=_per_token(fields, count), size=size)] * layers


def _per_token(fields: Fields, count: int) -> int:
    return fields.size("num_experts_per_tok", most=count)


def _qwen_moe(fields: Fields, layers: int) -> Sequence[Experts | None]:
    """Every ``decoder_sparse_step``-th layer routes, not those in ``mlp_only_layers``; Qwen 2 adds a gated expert."""
    count = fields.size("num_experts", 0, least=0)
    step, dense = fields.size("decoder_sparse_step", 1), set(fields.items("mlp_only_layers", int))
    shared = fields.size("shared_expert_intermediate_size", 0, least=0)
    gate = fields.size("hidden_size") if shared else 0
    one = count and Experts(
        count=count,
        per_token=_per_token(fields, count),
        size=fields.size("moe_intermediate_size"),
        shared_size=shared,
        extra_parameter_count=gate,
        active_extra_parameter_count=gate,
    )
    return [one if one and index not in dense and (index + 1) % step == 0 else None for index in range(layers)]


STYLES: Mapping[str, Style] = {
    "llama": Style(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias"),
    "chameleon_text": Style(qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="model, biased"),
    "granite": Style(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias"),
    "olmo": Style(norm_values=0),
    "olmo2": Style(qk_norm="model"),
    "stablelm": Style(qkv_bias="use_qkv_bias", norm_values=2),
    "cohere": Style(norms=1, tied=True),
    "cohere2": Style(norms=1, tied=True, windows=windows_by_kind(4, 4096)),
    "ernie4_5": Style(qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias", head_dim=128, tied=True),
    "exaone4": Style(qk_norm="head", windows=_exaone4),
    "glm": Style(qkv_bias="attention_bias", head_dim=128),
    "glm4": Style(qkv_bias="attention_bias", head_dim=128, norms=4),
    "olmo3": Style(qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="model", windows=windows_by_kind(4)),
    "seed_oss": Style(qkv_bias="attention_bias:1", out_bias="attention_out_bias", mlp_bias="mlp_bias", head_dim=128),
    "smollm3": Style(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias", tied=True),
    "mistral": Style(windows=_sliding),
    "mixtral": Style(windows=_sliding, experts=_mixtral),
    "qwen2": Style(qkv_bias=True, windows=_qwen2_windows),
    "qwen2_moe": Style(qkv_bias=True, windows=_qwen2_windows, experts=_qwen_moe),
    "qwen3": Style(
        qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="head", head_dim=128, windows=_qwen2_windows
    ),
    "qwen3_moe": Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        qk_norm="head",
        head_dim=128,
        windows=_qwen2_windows,
        experts=_qwen_moe,
    ),
}
