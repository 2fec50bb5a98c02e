"""config.json → Architecture. A family is a style of the common decoder, or a reader of its own (``families``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twentywatts.architecture import Architecture
from twentywatts.errors import ModelError
from twentywatts.readers.decoder.families import model_types, stacks_of
from twentywatts.readers.decoder.fields import Fields
from twentywatts.readers.decoder.quantization import stored

__all__ = ["model_types", "read_config"]


def read_config(config: Mapping[str, Any], *, name: str, where: str = "config.json") -> Architecture:
    """Return the Architecture that a config.json describes; raises ModelError that names what is missing or wrong.

    config: the parsed file. name: what messages and tables call the model. where: the file's name for messages.
    """
    if not isinstance(config, Mapping):
        raise ModelError(f"{where}: wanted a JSON object, the config.json of a model")
    fields = Fields(values=config, where=where)
    main, *towers = stacks_of(fields)
    precision, bits = stored(fields)
    text = fields.table("text_config") or fields
    return Architecture(
        name=name,
        title=name,
        model_type=fields.text("model_type"),
        main=main,
        towers=tuple(towers),
        stored=bits,
        precision=precision,
        max_tokens=text.size("max_position_embeddings", 0, least=0),
        origin=where,
    )
