"""Mixtures of experts with rules of their own: DeepSeek V2 and V3, gpt-oss, Llama 4, DBRX, OLMoE, GLM-4, Ernie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from twentywatts.architecture import Experts, FeedForward, LatentAttention, Layers, Stack
from twentywatts.errors import ModelError
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import Style, decoder, text_stack, windows_by_kind

__all__ = ["READERS", "STYLES"]


def _per_token(fields: Fields, count: int) -> int:
    return fields.size("num_experts_per_tok", most=count)


def _after_dense(fields: Fields, layers: int) -> Sequence[Experts | None]:
    """Dense in the first ``first_k_dense_replace`` layers; shared experts add to one part that serves every token."""
    count = fields.size("num_experts", 0, least=0)
    if not count:
        return [None] * layers
    size = fields.size("moe_intermediate_size")
    bias = count if fields.has("topk_method") and fields.text("topk_method") == "noaux_tc" else 0
    bias = count if fields.text("model_type") in ("deepseek_v3", "deepseek_v32", "kimi_k2", "glm4_moe") else bias
    one = Experts(
        count=count,
        per_token=_per_token(fields, count),
        size=size,
        shared_size=size * fields.size("n_shared_experts", 0, least=0),
        extra_parameter_count=bias,
        active_extra_parameter_count=bias,
    )
    first, step = fields.size("first_k_dense_replace", 0, least=0), fields.size("moe_layer_freq", 1)
    return [one if index >= first and index % step == 0 else None for index in range(layers)]


def _latent(fields: Fields) -> LatentAttention:
    query, latent = fields.size("q_lora_rank", 0, least=0), fields.size("kv_lora_rank")
    index = fields.size("index_n_heads", 0, least=0)
    size = fields.size("index_head_dim", 0, least=0) if index else 0
    return LatentAttention(
        heads=fields.size("num_attention_heads"),
        query_rank=query,
        kv_rank=latent,
        nope_size=fields.size("qk_nope_head_dim"),
        rope_size=fields.size("qk_rope_head_dim"),
        value_size=fields.size("v_head_dim"),
        index_heads=index,
        index_size=size,
        index_tokens=fields.size("index_topk", 0, least=0) if index else 0,
        extra_parameter_count=query + latent + 2 * size,
    )


def _deepseek(fields: Fields) -> Stack:
    """DeepSeek V2 and V3 (and Kimi K2): latent attention; layers that predict further tokens are not counted."""
    hidden, count = fields.size("hidden_size"), fields.layers()
    mixer = _latent(fields)
    layers = [
        Layers(
            count=1,
            mixer=mixer,
            feed_forward=routed or FeedForward(size=fields.size("intermediate_size")),
            extra_parameter_count=2 * hidden,
        )
        for routed in _after_dense(fields, count)
    ]
    return text_stack(fields, layers, tied=False, extra=hidden)


def _gpt_oss(fields: Fields, layers: int) -> Sequence[Experts | None]:
    """Experts with biases, and a router with one."""
    count, size = fields.size("num_experts"), fields.size("intermediate_size")
    biases = 2 * size + fields.size("hidden_size")
    chosen = _per_token(fields, count)
    one = Experts(
        count=count,
        per_token=chosen,
        size=size,
        extra_parameter_count=count * (biases + 1),
        active_extra_parameter_count=chosen * biases + count,
    )
    return [one] * layers


def _plain(fields: Fields, layers: int) -> Sequence[Experts | None]:
    count = fields.size("num_experts")
    size = fields.size("moe_intermediate_size", fields.size("intermediate_size", 0, least=0))
    return [Experts(count=count, per_token=_per_token(fields, count), size=size)] * layers


STYLES: Mapping[str, Style] = {
    "gpt_oss": Style(
        qkv_bias="attention_bias:1",
        out_bias="attention_bias:1",
        head_dim=64,
        sinks=True,
        windows=windows_by_kind(2, 128),
        experts=_gpt_oss,
    ),
    "olmoe": Style(qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="model", experts=_plain),
    "glm4_moe": Style(qkv_bias="attention_bias", experts=_after_dense),
    "granitemoe": Style(qkv_bias="attention_bias", out_bias="attention_bias", experts=_plain),
}


def _glm4(fields: Fields) -> Stack:
    """GLM-4.5: norms of queries and keys only where the file says so."""
    style = STYLES["glm4_moe"]
    return decoder(fields, replace(style, qk_norm="head" if fields.flag("use_qk_norm", False) else ""))


def _llama4(fields: Fields) -> Stack:
    """Llama 4: every ``interleave_moe_layer_step``-th layer routes; three of four layers see their own chunk only.

    A chunk is counted as a window: a token sees up to a chunk back. On average it sees half of that.
    """
    hidden, count = fields.size("hidden_size"), fields.layers()
    experts, size = fields.size("num_experts"), fields.size("intermediate_size")
    every = fields.size("interleave_moe_layer_step", 1)
    routing = set(fields.items("moe_layers", int)) or set(range(every - 1, count, every))
    one = Experts(count=experts, per_token=_per_token(fields, experts), size=size, shared_size=size)
    chunk = fields.size("attention_chunk_size", 0, least=0)
    rope = fields.items("no_rope_layers", int) or tuple(int((index + 1) % 4 != 0) for index in range(count))
    if len(rope) != count:
        raise fields.refuse("no_rope_layers", f"a list of {count} layers", f"{len(rope)} entries")
    style = Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        windows=lambda _, __: [chunk if local else 0 for local in rope],
        experts=lambda _, layers: [one if index in routing else None for index in range(layers)],
    )
    dense = fields.size("intermediate_size_mlp", size)
    return decoder(replace(fields, values={**fields.values, "hidden_size": hidden, "intermediate_size": dense}), style)


def _dbrx(fields: Fields) -> Stack:
    """DBRX: attention and experts in tables of their own, norms without bias."""
    attention, ffn = fields.table("attn_config"), fields.table("ffn_config")
    if attention is None or ffn is None:
        raise ModelError(f"{fields.where}: 'attn_config' and 'ffn_config' are missing: they hold heads and experts")
    values = {**fields.values, "num_key_value_heads": attention.size("kv_n_heads")}
    values |= {"num_experts": ffn.size("moe_num_experts"), "num_experts_per_tok": ffn.size("moe_top_k")}
    values["moe_intermediate_size"] = ffn.size("ffn_hidden_size")
    return decoder(replace(fields, values=values), Style(experts=_plain))


def _ernie(fields: Fields) -> Stack:
    """Ernie 4.5: dense layers, then experts in every ``moe_layer_interval``-th from a first to a last one."""
    count, size = fields.size("num_experts"), fields.size("moe_intermediate_size")
    one = Experts(
        count=count,
        per_token=_per_token(fields, count),
        size=size,
        shared_size=size * fields.size("moe_num_shared_experts", 2, least=0),
        extra_parameter_count=count,
        active_extra_parameter_count=count,
    )
    first, every = fields.size("moe_layer_start_index", 1, least=0), fields.size("moe_layer_interval", 1)
    last = fields.size("moe_layer_end_index", -1, least=-1)
    last = fields.layers() - 1 if last < 0 else last

    def experts(_: Fields, layers: int) -> Sequence[Experts | None]:
        return [one if first <= index <= last and (index + 1) % every == 0 else None for index in range(layers)]

    return decoder(fields, Style(qkv_bias="use_bias", out_bias="use_bias", tied=True, experts=experts))


READERS = {
    "ernie4_5_moe": _ernie,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "deepseek_v32": _deepseek,
    "kimi_k2": _deepseek,
    "glm4_moe": _glm4,
    "llama4_text": _llama4,
    "dbrx": _dbrx,
}
