"""Which reader reads which ``model_type``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twentywatts.architecture import Stack
from twentywatts.errors import ModelError, nearest
from twentywatts.readers.decoder import encoders, gemma, gpt, llama, mixtures, multimodal, phi, plain, recurrent, speech
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.style import Style, decoder
from twentywatts.readers.decoder.towers import VISION

__all__ = ["model_types", "stacks_of"]

_STYLES: Mapping[str, Style] = {**llama.STYLES, **gpt.STYLES, **gemma.STYLES, **phi.STYLES, **mixtures.STYLES}
_TEXT: Mapping[str, Callable[[Fields], Stack]] = {
    **gpt.READERS,
    **phi.READERS,
    **mixtures.READERS,
    **recurrent.READERS,
    **encoders.READERS,
    **plain.READERS,
    **VISION,
}
_SAME = {
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
}


def model_types() -> list[str]:
    """Return every ``model_type`` that can be read."""
    return sorted({*_STYLES, *_TEXT, *multimodal.READERS, *speech.READERS})


def _text(fields: Fields) -> Stack:
    """Return the one stack of a text model; raises ModelError for a family that is not known."""
    given = fields.text("model_type")
    kind = _SAME.get(given, given)
    if kind in _TEXT:
        return _TEXT[kind](fields)
    if kind in _STYLES:
        return decoder(fields, _STYLES[kind])
    raise _unknown(fields, given)


def _unknown(fields: Fields, kind: str) -> ModelError:
    if not kind:
        return ModelError(
            f"{fields.where}: '{fields.path}model_type' is missing: it says how the fields are to be read"
        )
    hint = nearest(kind, model_types())
    sizes = "sizes under model_type 'transformer' (docs/how/add-an-architecture.md), or the model as ONNX"
    known = ", ".join(model_types())
    return ModelError(f"{fields.where}: model_type '{kind}' is not known{hint}; give its {sizes}; known: {known}")


def stacks_of(fields: Fields) -> tuple[Stack, ...]:
    """Return the main stack and its towers; raises ModelError that names what is missing, wrong or not known."""
    kind = fields.text("model_type")
    if kind in multimodal.READERS:
        return multimodal.READERS[kind](fields, _text)
    if kind in speech.READERS:
        return speech.READERS[kind](fields)
    return (_text(fields),)
