"""config.json → Architecture. A table of families; a family is a style of the common decoder, or its own reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.architecture import Architecture
from twentywatts.errors import ModelError, nearest
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.llama import STYLES as LLAMA
from twentywatts.readers.decoder.style import decoder

__all__ = ["model_types", "read_config"]

_STYLES = {**LLAMA}


def model_types() -> list[str]:
    """Return every ``model_type`` that can be read."""
    return sorted(_STYLES)


def read_config(config: Mapping[str, Any], *, name: str, where: str = "config.json") -> Architecture:
    """Return the Architecture that a config.json describes; raises ModelError that names what is missing or wrong."""
    if not isinstance(config, Mapping):
        raise ModelError(f"{where}: wanted a JSON object, the config.json of a model")
    fields = Fields(values=config, where=where)
    kind = fields.text("model_type")
    if not kind:
        raise ModelError(f"{where}: 'model_type' is missing: it says how the other fields are to be read")
    if kind not in _STYLES:
        known = ", ".join(model_types())
        raise ModelError(f"{where}: model_type '{kind}' is not known{nearest(kind, model_types())}; known: {known}")
    return Architecture(
        name=name,
        title=name,
        model_type=kind,
        main=decoder(fields, _STYLES[kind]),
        max_tokens=fields.size("max_position_embeddings", 0, least=0),
        origin=where,
    )
