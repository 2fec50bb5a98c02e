"""Models of several parts: a language model with towers before it, and CLIP's two sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from twentywatts.architecture import Stack
from twentywatts.errors import ModelError
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.mllama import mllama_text
from twentywatts.readers.decoder.speech import audio_tower
from twentywatts.readers.decoder.towers import TOWERS, VISION, clip_text, siglip_text

__all__ = ["READERS"]

TextReader = Callable[[Fields], Stack]
Reader = Callable[[Fields, TextReader], tuple[Stack, ...]]


def _part(fields: Fields, name: str) -> Fields:
    found = fields.table(name)
    if found is None:
        raise ModelError(f"{fields.where}: '{fields.path}{name}' is missing: it describes a part of the model")
    return found


def _tower(fields: Fields, name: str = "vision_config", kind: str = "") -> Stack:
    part = _part(fields, name)
    found = kind or part.text("model_type")
    if found not in TOWERS:
        raise ModelError(f"{fields.where}: '{part.path}model_type' is '{found}', known: {', '.join(sorted(TOWERS))}")
    return TOWERS[found](replace(part, values={**part.values, "model_type": found}))


def _projected(tower: Stack, matrices: int, extra: int, *, share: float = 1.0) -> Stack:
    return replace(
        tower,
        output_parameter_count=tower.output_parameter_count + matrices,
        output_token_frac=share,
        extra_parameter_count=tower.extra_parameter_count + extra,
    )


def _llava(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """LLaVA: CLIP's tower to its last layer but one (all are stored), and two matrices to the text's width."""
    main, tower = text(_part(fields, "text_config")), _tower(fields)
    out = main.hidden_size
    newline = out if fields.text("model_type") in ("llava_next", "llava_onevision") else 0
    matrices = tower.hidden_size * out + out * out
    return main, _projected(tower, matrices, 2 * out + newline)


def _phi3_vision(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """Phi-3 vision: CLIP's tower, whose sizes its code holds; 2 × 2 tokens to one, two matrices and two separators."""
    main, tower = text(_as(fields, "phi3")), _tower(_with_tower(fields))
    out, wide = main.hidden_size, 4 * tower.hidden_size
    return main, _projected(tower, wide * out + out * out, 2 * out + 2 * wide, share=0.25)


def _with_tower(fields: Fields) -> Fields:
    return fields if fields.has("vision_config") else replace(fields, values={**fields.values, **_PHI3_TOWER})


_PHI3_TOWER = {"vision_config": {"model_type": "phi3_v_tower"}}


def _gemma3(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """Gemma 3: SigLIP's tower, its tokens averaged to 256 and projected."""
    main, tower = text(_part(fields, "text_config")), _tower(fields)
    share = fields.size("mm_tokens_per_image", 256) / tower.token_count
    return main, _projected(tower, tower.hidden_size * main.hidden_size, tower.hidden_size, share=share)


def _qwen_vl(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """Qwen 2 to 3 VL: the language model's fields stand beside the tower's, or in a table of their own."""
    own = fields.table("text_config")
    kind = fields.text("model_type")
    main = text(own if own is not None else _as(fields, _TEXT_OF[kind]))
    return main, _tower(fields, kind=kind)


_TEXT_OF = {"qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2", "qwen3_vl": "qwen3", "qwen3_vl_moe": "qwen3_moe"}


def _as(fields: Fields, kind: str) -> Fields:
    return replace(fields, values={**fields.values, "model_type": kind})


def _omni(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """Qwen3-Omni's thinker, which reads text, sound and images and writes text; what speaks is not counted."""
    thinker = fields.table("thinker_config") or fields
    main = text(_as(_part(thinker, "text_config"), "qwen3_moe"))
    return main, _tower(thinker, kind="qwen3_omni_moe_vision_encoder"), audio_tower(_part(thinker, "audio_config"))


def _mistral3(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """Mistral 3: Pixtral's tower, 2 × 2 tokens to one, two matrices."""
    main, tower = text(_part(fields, "text_config")), _tower(fields)
    merge, width, out = fields.size("spatial_merge_size", 2) ** 2, tower.hidden_size, main.hidden_size
    bias = 2 * out if fields.flag("multimodal_projector_bias", False) else 0
    return main, _projected(tower, merge * width * width + width * out + out * out, width + bias, share=1.0 / merge)


def _llama4(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    main, tower = text(_part(fields, "text_config")), _tower(fields)
    out = _part(fields, "vision_config").size("vision_output_dim")
    return main, replace(tower, output_parameter_count=tower.output_parameter_count + out * main.hidden_size)


def _pali_gemma(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """PaliGemma: SigLIP's tower and one matrix with a bias."""
    main, tower = text(_part(fields, "text_config")), _tower(fields)
    return main, _projected(tower, tower.hidden_size * main.hidden_size, main.hidden_size)


def _idefics3(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """Idefics 3 and SmolVLM: SigLIP's tower, squares of ``scale_factor`` tokens a side to one, one matrix."""
    part = _part(fields, "text_config")
    tied = fields.flag("tie_word_embeddings", False)
    main = text(replace(part, values={**part.values, "tie_word_embeddings": tied}))
    tower, merge = _tower(fields, kind="siglip_vision_model"), fields.size("scale_factor", 2) ** 2
    return main, _projected(tower, merge * tower.hidden_size * main.hidden_size, 0, share=1.0 / merge)


def _intern(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """InternVL: 2 × 2 tokens to one, a norm, two matrices."""
    main, tower = text(_part(fields, "text_config")), _tower(fields, kind="internvl_vision")
    merge = round(1 / fields.number("downsample_ratio", 0.5, least=0.01, most=1.0)) ** 2
    wide, out = merge * tower.hidden_size, main.hidden_size
    return main, _projected(tower, wide * out + out * out, 2 * wide + 2 * out, share=1.0 / merge)


def _mllama(fields: Fields, _: TextReader) -> tuple[Stack, ...]:
    """Llama 3.2 Vision: outputs of several layers of the tower side by side, one matrix with a bias."""
    main, tower = mllama_text(_part(fields, "text_config")), _tower(fields)
    wide = _part(fields, "vision_config").size("vision_output_dim")
    return main, _projected(tower, wide * main.hidden_size, main.hidden_size)


def _siglip(fields: Fields, _: TextReader) -> tuple[Stack, ...]:
    """SigLIP: two sides that never meet but in one product."""
    return VISION["siglip_vision_model"](_part(fields, "vision_config")), siglip_text(_part(fields, "text_config"))


def _chameleon(fields: Fields, text: TextReader) -> tuple[Stack, ...]:
    """Chameleon: one decoder for text and the tokens of images; the network that makes these tokens is not counted."""
    return (text(_as(fields, "chameleon_text")),)


def _clip(fields: Fields, _: TextReader) -> tuple[Stack, ...]:
    """CLIP: two sides that never meet but in one product."""
    width = fields.size("projection_dim", 512)
    side = _part(fields, "text_config")
    words = clip_text(replace(side, values={**side.values, "projection_dim": width}))
    image = _tower(fields)
    return replace(image, output_parameter_count=width * image.hidden_size, output_token_frac=0.0), words


READERS: Mapping[str, Reader] = {
    "llava": _llava,
    "llava_next": _llava,
    "llava_onevision": _llava,
    "paligemma": _pali_gemma,
    "idefics3": _idefics3,
    "smolvlm": _idefics3,
    "internvl": _intern,
    "mllama": _mllama,
    "siglip": _siglip,
    "phi3_v": _phi3_vision,
    "gemma3": _gemma3,
    "qwen2_vl": _qwen_vl,
    "qwen2_5_vl": _qwen_vl,
    "qwen3_vl": _qwen_vl,
    "qwen3_vl_moe": _qwen_vl,
    "qwen3_omni_moe": _omni,
    "mistral3": _mistral3,
    "llama4": _llama4,
    "chameleon": _chameleon,
    "clip": _clip,
}
