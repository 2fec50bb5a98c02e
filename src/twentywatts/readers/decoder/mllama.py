"""Llama 3.2 Vision: layers that attend to an image stand between those of the text model; the tower sees four tiles."""

from __future__ import annotations

from dataclasses import replace

from twentywatts.architecture import Attention, FeedForward, Layers, Stack
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import Style, attention, feed_forward, grouped, text_stack

__all__ = ["mllama_text", "mllama_tower"]

_STYLE = Style()
_OWN_WORDS = 8  # rows of the embedding beyond the vocabulary, for images
_RATIOS = 8  # ways to lay four tiles, where the file names none
_CROSSING = (3, 8, 13, 18, 23, 28, 33, 38)


def mllama_text(fields: Fields) -> Stack:
    """Return the text model; every layer of ``cross_attention_layers`` attends to the image and has two gates."""
    hidden, count = fields.size("hidden_size"), fields.layers()
    crossing = set(fields.items("cross_attention_layers", int) or _CROSSING)
    seen, part = attention(fields, _STYLE), feed_forward(fields, _STYLE)
    across = replace(seen, extra_parameter_count=2 * seen.head_size)
    layers = [
        Layers(count=1, cross=across, feed_forward=part, extra_parameter_count=2 * hidden + 2)
        if index in crossing
        else Layers(count=1, mixer=seen, feed_forward=part, extra_parameter_count=2 * hidden)
        for index in range(count)
    ]
    stack = text_stack(fields, layers, tied=False, extra=hidden)
    return replace(stack, lookup_parameter_count=_OWN_WORDS * hidden)


def mllama_tower(fields: Fields) -> Stack:
    """Return the tower: up to four tiles of patches with a class token, layers, then gated layers over all tiles."""
    hidden, heads, size = (
        fields.size("hidden_size"),
        fields.size("attention_heads", 16),
        fields.size("intermediate_size"),
    )
    heads = fields.size("num_attention_heads", heads)
    tiles, patch = fields.size("max_num_tiles", 4), fields.size("patch_size")
    rows = len(fields.items("supported_aspect_ratios", list)) or _RATIOS
    tokens = (fields.size("image_size") // patch) ** 2 + 1
    values = patch * patch * fields.size("num_channels", 3)
    plain = Layers(
        count=fields.layers(),
        mixer=Attention(heads=heads, kv_heads=heads, head_size=hidden // heads),
        feed_forward=FeedForward(size=size, gated=False, extra_parameter_count=size + hidden),
        extra_parameter_count=4 * hidden,
    )
    over_all = replace(
        plain, count=fields.size("num_global_layers", 8), extra_parameter_count=plain.extra_parameter_count + 2
    )
    by_ratio = (rows + 1) * tiles * hidden
    return Stack(
        kind="vision",
        causal=False,
        hidden_size=hidden,
        layers=grouped([plain, over_all]),
        lookup_parameter_count=tokens * hidden + by_ratio * tokens + 2 * by_ratio,
        input_parameter_count=values * hidden,
        input_mac_count=values * hidden,
        extra_parameter_count=5 * hidden + 3,
        token_count=tiles * tokens,
    )
