"""Towers: what reads images and sound for a language model, and vision models on their own (ViT, CLIP, SigLIP)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from twentywatts.architecture import Attention, FeedForward, Layers, Stack
from twentywatts.readers.decoder.encoders import block
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.mllama import mllama_tower

__all__ = ["TOWERS", "VISION", "clip_text", "patches", "siglip_text"]


def patches(fields: Fields, *, class_token: bool) -> tuple[int, int]:
    """Return (tokens, values of one patch) of an image of the size that the file gives."""
    image, patch = fields.size("image_size"), fields.size("patch_size")
    if patch > image:
        raise fields.refuse("patch_size", f"at most the image's {image}", patch)
    return (image // patch) ** 2 + class_token, patch * patch * fields.size("num_channels", 3)


def _block_of(fields: Fields) -> Layers:
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    if hidden % heads:
        raise fields.refuse("num_attention_heads", f"a divisor of hidden_size {hidden}", heads)
    return block(hidden, heads, fields.size("intermediate_size"), count=fields.layers())


def _patched(fields: Fields, layer: Layers, *, class_token: bool, positions: bool = True, extra: int) -> Stack:
    """Return a tower over patches of an image; positions: a learned table. extra: values of norms and biases."""
    hidden = fields.size("hidden_size")
    tokens, values = patches(fields, class_token=class_token)
    return Stack(
        kind="vision",
        causal=False,
        hidden_size=hidden,
        layers=(layer,),
        lookup_parameter_count=tokens * hidden * positions,
        input_parameter_count=values * hidden,
        input_mac_count=values * hidden,
        extra_parameter_count=extra * hidden,
        token_count=tokens,
    )


def _vit(fields: Fields) -> Stack:
    """ViT and DeiT: a class token, patches with a bias, a last norm and a pooler with its bias."""
    hidden = fields.size("hidden_size")
    stack = _patched(fields, _block_of(fields), class_token=True, extra=5)
    return replace(stack, output_parameter_count=hidden * hidden, output_token_frac=0.0)


def _clip_vision(fields: Fields) -> Stack:
    """CLIP's image side: a class token, patches without a bias, norms before and after the layers."""
    return _patched(fields, _block_of(fields), class_token=True, extra=5)


def _siglip_vision(fields: Fields) -> Stack:
    """SigLIP's image side, without the head that pools by attention (language models take it off)."""
    return _patched(fields, _block_of(fields), class_token=False, extra=3)


def _siglip_alone(fields: Fields) -> Stack:
    """SigLIP's image side as it stands alone: a head in which one query attends to all patches, and a dense part."""
    stack, hidden = _siglip_vision(fields), fields.size("hidden_size")
    if not fields.flag("vision_use_head", True):
        return stack
    size = fields.size("intermediate_size")
    extra = hidden + 4 * hidden + 2 * hidden + size + hidden
    return replace(
        stack,
        output_parameter_count=4 * hidden * hidden + 2 * hidden * size,
        output_token_frac=0.0,
        extra_parameter_count=stack.extra_parameter_count + extra,
    )


def siglip_text(fields: Fields) -> Stack:
    """SigLIP's text side: every token sees every other, a head with a bias on one token."""
    stack, hidden = clip_text(fields), fields.size("hidden_size")
    out = fields.size("projection_size", hidden)
    return replace(
        stack,
        causal=False,
        output_parameter_count=out * hidden,
        extra_parameter_count=stack.extra_parameter_count + out,
    )


def clip_text(fields: Fields) -> Stack:
    """CLIP's text side: causal, no head; its projection is a matrix on one token."""
    hidden, projection = fields.size("hidden_size"), fields.size("projection_dim", 0, least=0)
    length = fields.size("max_position_embeddings")
    return Stack(
        kind="encoder",
        hidden_size=hidden,
        layers=(_block_of(fields),),
        vocabulary_size=fields.size("vocab_size"),
        lookup_parameter_count=length * hidden,
        output_parameter_count=projection * hidden,
        output_token_frac=1.0 / length,
        extra_parameter_count=2 * hidden,
        token_count=length,
    )


def _qwen_vision(fields: Fields) -> Stack:
    """Qwen 2, 2.5 and 3 VL: patches over two frames, layers, and a merger of 2 × 2 tokens to one.

    2.5 has norms without bias, a gated part and windows (``fullatt_block_indexes`` look at the whole image); 3 has a
    table of positions, and mergers at some layers whose results enter the language model's first layers.
    """
    kind = fields.text("model_type")
    newer, second = "qwen3" in kind, "qwen2_5" in kind
    hidden = fields.size("embed_dim", 0, least=0) or fields.size("hidden_size")
    out = fields.size("out_hidden_size", 0, least=0) or fields.size("hidden_size")
    heads, count = fields.size("num_attention_heads"), fields.layers()
    size = fields.size("intermediate_size", int(hidden * fields.number("mlp_ratio", 4.0, least=0.1, most=100)))
    merge = fields.size("spatial_merge_size", 2) ** 2
    values = fields.size("patch_size") ** 2 * fields.size("temporal_patch_size", 2) * fields.size("in_channels", 3)
    norm = hidden if second else 2 * hidden
    layers = _qwen_layers(fields, block(hidden, heads, size, count=count, gated=second), 2 * norm)
    inner = hidden * merge
    merger = inner * inner + inner * out
    deep = len(fields.items("deepstack_visual_indexes", int))
    positions = fields.size("num_position_embeddings", 0, least=0) * hidden
    side = 48  # patches along a side where no table says how many
    return Stack(
        kind="vision",
        causal=False,
        hidden_size=hidden,
        layers=layers,
        lookup_parameter_count=positions,
        input_parameter_count=values * hidden,
        input_mac_count=values * hidden,
        output_parameter_count=merger * (1 + deep),
        output_token_frac=1.0 / merge,
        extra_parameter_count=(hidden if newer else 0) + norm + inner + out + deep * (2 * inner + inner + out),
        token_count=positions // hidden or side * side,
    )


def _qwen_layers(fields: Fields, alike: Layers, norms: int) -> tuple[Layers, ...]:
    """Return the layers with their norms, parted into those that see the image and those that see a window."""
    alike = replace(alike, extra_parameter_count=norms)
    whole, window = fields.items("fullatt_block_indexes", int), fields.size("window_size", 0, least=0)
    if not whole or not window:
        return (alike,)
    mixer = alike.mixer
    assert isinstance(mixer, Attention)
    seen = (window // fields.size("patch_size")) ** 2
    narrow = replace(alike, count=max(alike.count - len(whole), 0), mixer=replace(mixer, window_tokens=seen))
    return (replace(alike, count=min(len(whole), alike.count)), narrow)


def _pixtral(fields: Fields) -> Stack:
    """Pixtral's tower: no biases, norms without bias, gated, no table of positions."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    layer = Layers(
        count=fields.layers(),
        mixer=Attention(heads=heads, kv_heads=heads, head_size=fields.size("head_dim", hidden // heads)),
        feed_forward=FeedForward(size=fields.size("intermediate_size")),
        extra_parameter_count=2 * hidden,
    )
    return _patched(fields, layer, class_token=False, positions=False, extra=1)


def _intern_vision(fields: Fields) -> Stack:
    """InternVL's tower: a class token, patches with a bias, a scale after each part; sizes may be given by side."""
    sides = {name: fields.values.get(name) for name in ("image_size", "patch_size")}
    whole = {name: side[0] for name, side in sides.items() if isinstance(side, list) and side}
    fields = replace(fields, values={**fields.values, **whole})
    hidden, layer = fields.size("hidden_size"), _block_of(fields)
    norm = hidden * (1 if fields.text("norm_type", "layer_norm") == "rms_norm" else 2)
    biases = hidden * (4 if fields.flag("attention_bias", False) else 1)
    biases += 2 * hidden if fields.flag("use_qk_norm", False) else 0
    mixer = layer.mixer
    assert isinstance(mixer, Attention)
    mixer = replace(mixer, extra_parameter_count=biases)
    layer = replace(layer, mixer=mixer, extra_parameter_count=2 * norm + 2 * hidden)
    last = 0 if fields.flag("use_mean_pooling", True) else 2
    return _patched(fields, layer, class_token=True, extra=2 + last)


def _llama4_vision(fields: Fields) -> Stack:
    """Llama 4's tower: a class token, biases, then 2 × 2 tokens to one through two matrices."""
    inner = fields.size("projector_input_dim", fields.size("vision_output_dim", fields.size("hidden_size")))
    out = fields.size("projector_output_dim", inner)
    ratio = fields.number("pixel_shuffle_ratio", 0.5, least=0.01, most=1.0)
    return replace(
        _patched(fields, _block_of(fields), class_token=True, extra=5),
        output_parameter_count=fields.size("intermediate_size") * inner + inner * out,
        output_token_frac=ratio**2,
    )


VISION: Mapping[str, Callable[[Fields], Stack]] = {
    "vit": _vit,
    "deit": _vit,
    "clip_vision_model": _clip_vision,
    "siglip_vision_model": _siglip_alone,
}
TOWERS: Mapping[str, Callable[[Fields], Stack]] = {
    **VISION,
    "mllama_vision_model": mllama_tower,
    "internvl_vision": _intern_vision,
    "phi3_v_tower": _clip_vision,
    "siglip_vision_model": _siglip_vision,
    "pixtral": _pixtral,
    "llama4_vision_model": _llama4_vision,
    "qwen2_vl": _qwen_vision,
    "qwen2_5_vl": _qwen_vision,
    "qwen3_vl": _qwen_vision,
    "qwen3_vl_moe": _qwen_vision,
    "qwen3_omni_moe_vision_encoder": _qwen_vision,
}
