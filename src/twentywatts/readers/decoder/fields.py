"""Fields: the values of a config.json, checked one by one; the file comes from anywhere."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from twentywatts.errors import ModelError, clean

__all__ = ["Fields"]

_LARGEST = 10**8  # no vocabulary, width or length in use is above a tenth of it
_MOST_LAYERS = 10_000

# one idea, several names in use; the first is how messages call it
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_size", "n_embd", "n_embed", "d_model", "dim", "model_dim"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "depth"),
    "num_attention_heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"),
    "max_position_embeddings": (
        "max_position_embeddings",
        "n_positions",
        "max_sequence_length",
        "seq_length",
        "max_target_positions",
    ),
    "num_experts": ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    "num_experts_per_tok": ("num_experts_per_tok", "num_experts_per_token", "moe_top_k", "moe_topk", "moe_k"),
    "tie_word_embeddings": ("tie_word_embeddings", "tie_embedding_weights"),
}
_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The table of one (sub-)model. where: what messages call the file. path: how it is reached, ``text_config.``."""

    values: Mapping[str, Any]
    where: str = "config.json"
    path: str = ""

    def _find(self, name: str) -> Any:
        for known in _SYNONYMS.get(name, (name,)):
            if self.values.get(known) is not None:
                return self.values[known]
        return _ABSENT

    def has(self, name: str) -> bool:
        """Return whether the field is there and not null."""
        return self._find(name) is not _ABSENT

    def refuse(self, name: str, wanted: str, value: object) -> ModelError:
        """Return the error that names a field, what it should be, and what it is."""
        return ModelError(f"{self.where}: '{self.path}{name}' must be {wanted}, got {clean(repr(value))[:60]}")

    def size(self, name: str, default: int | None = None, *, least: int = 1, most: int = _LARGEST) -> int:
        """Return a whole number; raises ModelError where it is missing without a default, or makes no sense."""
        value = self._find(name)
        if value is _ABSENT:
            if default is not None:
                return default
            known = " or ".join(f"'{self.path}{other}'" for other in _SYNONYMS.get(name, (name,)))
            raise ModelError(f"{self.where}: {known} is missing: without it the model cannot be counted")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.refuse(name, f"a whole number from {least:,} to {most:,}", value)
        return value

    def layers(self) -> int:
        """Return the number of layers."""
        return self.size("num_hidden_layers", most=_MOST_LAYERS)

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self._find(name)
        if value is _ABSENT:
            return default
        if not isinstance(value, bool | int) or value not in (0, 1):
            raise self.refuse(name, "true or false", value)
        return bool(value)

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a finite number between bounds."""
        value = self._find(name)
        if value is _ABSENT:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.refuse(name, f"a number from {least:g} to {most:g}", value)
        return float(value)

    def text(self, name: str, default: str = "") -> str:
        """Return a text of printable letters."""
        value = self._find(name)
        if value is _ABSENT:
            return default
        if not isinstance(value, str):
            raise self.refuse(name, "a text", value)
        return clean(value)[:200]

    def items(self, name: str, kind: type = object, *, most: int = _MOST_LAYERS) -> tuple[Any, ...]:
        """Return a list of one kind as a tuple, empty where it is missing."""
        value = self._find(name)
        if value is _ABSENT:
            return ()
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > most:
            raise self.refuse(name, f"a list of at most {most:,} entries", value)
        for item in value:
            if isinstance(item, bool) or not isinstance(item, kind):
                raise self.refuse(name, f"a list of {kind.__name__}", item)
        return tuple(value)

    def table(self, name: str) -> Fields | None:
        """Return a sub-model's fields, None where there are none."""
        value = self._find(name)
        if value is _ABSENT:
            return None
        if not isinstance(value, Mapping):
            raise self.refuse(name, "a table", value)
        usual = _defaults().get(str(value.get("model_type")), {})
        return Fields(values={**usual, **value}, where=self.where, path=f"{self.path}{name}.")


@cache
def _defaults() -> Mapping[str, Mapping[str, Any]]:
    """Return what a part of a model means where it leaves a field out: data/config_defaults.toml."""
    path = files("twentywatts") / "data" / "config_defaults.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
