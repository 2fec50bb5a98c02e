"""Gemma 1 to 3: wide heads, a tied head; from Gemma 2 on norms around each part and windows in most layers."""

from __future__ import annotations

from collections.abc import Mapping

from twentywatts.readers.decoder.style import Style, windows_by_kind

__all__ = ["STYLES"]

_BIAS = "attention_bias"

STYLES: Mapping[str, Style] = {
    "gemma": Style(qkv_bias=_BIAS, out_bias=_BIAS, head_dim=256, tied=True),
    "gemma2": Style(qkv_bias=_BIAS, out_bias=_BIAS, head_dim=256, tied=True, norms=4, windows=windows_by_kind(2, 4096)),
    "gemma3_text": Style(
        qkv_bias=_BIAS,
        out_bias=_BIAS,
        head_dim=256,
        tied=True,
        norms=4,
        qk_norm="head",
        windows=windows_by_kind(6, 4096),
    ),
}
