"""Phi 1 to 4, with the block-sparse small one of the third generation and the mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from twentywatts.architecture import Experts, Stack
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import Style, decoder

__all__ = ["READERS", "STYLES"]


def _windows(fields: Fields, layers: int) -> Sequence[int]:
    return [fields.size("sliding_window", 0, least=0)] * layers


def _experts(fields: Fields, layers: int) -> Sequence[Experts | None]:
    count = fields.size("num_experts")
    one = Experts(
        count=count, per_token=fields.size("num_experts_per_tok", most=count), size=fields.size("intermediate_size")
    )
    return [one] * layers


STYLES: Mapping[str, Style] = {
    "phi": Style(
        qkv_bias=True, out_bias=True, mlp_bias=True, head_bias=True, norms=1, norm_values=2, gated=False, ffn_factor=4
    ),
    "phi3": Style(windows=_windows),
    "phimoe": Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        head_bias="lm_head_bias",
        norm_values=2,
        windows=_windows,
        experts=_experts,
    ),
}


def _phi3_small(fields: Fields) -> Stack:
    """Phi-3 small: biases and layer norms everywhere, a gated part, a tied head.

    Every ``dense_attention_every_n_layers``-th layer sees all; in the others a head sees its local blocks and every
    ``blocksparse_vert_stride``-th block before them. They are counted as if they saw all, which is an upper bound.
    """
    named = {"intermediate_size": fields.values.get("ff_intermediate_size")}
    known = replace(fields, values={**fields.values, **{k: v for k, v in named.items() if v is not None}})
    style = Style(qkv_bias=True, out_bias=True, mlp_bias=True, norm_values=2, tied=True)
    return decoder(known, style)


READERS = {"phi3small": _phi3_small}
