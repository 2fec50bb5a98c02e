"""The GPT line: GPT-2, NeoX, GPT-J, OPT, BLOOM, Falcon, MPT, StarCoder; layer norms, biases, a plain feed-forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from twentywatts.architecture import Stack
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import Style, decoder

__all__ = ["READERS", "STYLES"]

_GPT2 = Style(
    qkv_bias=True, out_bias=True, mlp_bias=True, norm_values=2, gated=False, ffn_factor=4, tied=True, positions=0
)
_GPTJ = Style(mlp_bias=True, norms=1, norm_values=2, gated=False, ffn_factor=4, head_bias=True)
_FALCON = Style(qkv_bias="bias", out_bias="bias", mlp_bias="bias", norm_values=2, gated=False, ffn_factor=4, tied=True)

STYLES: Mapping[str, Style] = {
    "gpt2": _GPT2,
    "gpt_neo": replace(_GPT2, qkv_bias=False),
    "gpt_neox": replace(
        _GPT2, qkv_bias="attention_bias:1", out_bias="attention_bias:1", tied=False, positions=-1, ffn_factor=0
    ),
    "gptj": _GPTJ,
    "codegen": _GPTJ,
    "bloom": replace(_GPT2, positions=-1, embedding_norms=1),
    "mpt": Style(norm_values=1, gated=False, ffn_factor=4, tied=True),
    "starcoder2": Style(
        qkv_bias="use_bias:1",
        out_bias="use_bias:1",
        mlp_bias="use_bias:1",
        norm_values=2,
        gated=False,
        tied=True,
        windows=lambda fields, layers: [fields.size("sliding_window", 0, least=0)] * layers,
    ),
}


def _with(fields: Fields, **values: int) -> Fields:
    """Return the fields with some that their family gives under other names or by a flag."""
    return replace(fields, values={**fields.values, **values})


def _opt(fields: Fields) -> Stack:
    """OPT: two more positions than the longest text; the 350 million one embeds in fewer values and projects."""
    bias = "enable_bias:1"
    style = replace(_GPT2, qkv_bias=bias, out_bias=bias, mlp_bias=bias, positions=2, ffn_factor=0)
    style = replace(style, final_norm=fields.flag("do_layer_norm_before", True))
    hidden = fields.size("hidden_size")
    narrow = fields.size("word_embed_proj_dim", hidden)
    stack = decoder(fields, style)
    if narrow == hidden:
        return stack
    return replace(stack, embedding_size=narrow, output_parameter_count=2 * narrow * hidden)


def _falcon(fields: Fields) -> Stack:
    """Falcon: one key-value head or a few; its newer form has two norms before the parallel parts, the older one."""
    heads = fields.size("num_attention_heads")
    if fields.flag("new_decoder_architecture", False):
        norms = fields.size("num_ln_in_parallel_attn", 2)
        return decoder(_with(fields, num_key_value_heads=fields.size("num_key_value_heads", heads)), _norms(norms))
    kv_heads = 1 if fields.flag("multi_query", True) else heads
    known = {name: value for name, value in fields.values.items() if name not in ("num_kv_heads", "n_head_kv")}
    parallel = fields.flag("parallel_attn", True)
    plain = _with(replace(fields, values=known), num_key_value_heads=kv_heads)
    return decoder(plain, _norms(1 if parallel else 2))


def _refined_web(fields: Fields) -> Stack:
    """Falcon 40B under the name of its first release, whose files do not say that the architecture is the newer."""
    return _falcon(replace(fields, values={"new_decoder_architecture": True, **fields.values}))


def _norms(count: int) -> Style:
    return replace(_FALCON, norms=count)


def _bigcode(fields: Fields) -> Stack:
    """StarCoder: GPT-2 with one key-value head."""
    kv_heads = 1 if fields.flag("multi_query", True) else fields.size("num_attention_heads")
    return decoder(_with(fields, num_key_value_heads=kv_heads), _GPT2)


READERS = {
    "opt": _opt,
    "falcon": _falcon,
    "RefinedWeb": _refined_web,
    "RefinedWebModel": _falcon,
    "gpt_bigcode": _bigcode,
}
