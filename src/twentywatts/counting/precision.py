"""Precision: bits of stored weights, of the operands of products, and of the cache; formats in data/precisions.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from twentywatts.architecture import Architecture, StoredBits
from twentywatts.errors import InputError, nearest

__all__ = ["Precision", "precision_names", "precision_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How numbers are held.

    weights: stored bits, with scales, by class. linear_operand_bits, expert_operand_bits: of the operands in products
    with these weights, which decides the arithmetic (a weight of 4 bits is often multiplied at 16). cache_bits: of a
    cached key or value. activation_bits: of what passes between products.
    """

    name: str
    weights: StoredBits
    linear_operand_bits: int = 16
    expert_operand_bits: int = 16
    cache_bits: float = 16.0
    activation_bits: float = 16.0


@cache
def _formats() -> Mapping[str, Mapping[str, Any]]:
    """Return format → its table, aliases resolved."""
    path = files("twentywatts") / "data" / "precisions.toml"
    tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["formats"]
    named = {name: table | {"name": name} for name, table in tables.items()}
    return named | {alias: table for table in named.values() for alias in table["aliases"]}


def precision_names() -> list[str]:
    """Return every name of a format."""
    return sorted(_formats())


def _format(name: str) -> Mapping[str, Any]:
    found = _formats().get(name.lower())
    if found is None:
        wanted = ", ".join(precision_names())
        raise InputError(f"unknown precision '{name}'{nearest(name, precision_names())}, wanted one of {wanted}")
    return found


def precision_of(architecture: Architecture, name: str = "", *, cache_name: str = "") -> Precision:
    """Return how a model's numbers are held; raises InputError for an unknown format.

    name: format of the weights, as published where empty. cache_name: format of keys and values, 16 bits where empty.
    Embedding, head, norms and routers keep 16 bits (or 32, where all weights do) in every format.
    """
    cache_bits = float(_format(cache_name)["cache_bits"]) if cache_name else 16.0
    asked = _format(name or architecture.precision)
    operands = int(asked["operand_bits"])
    stored = float(asked["stored_bits"])
    other = max(stored, 16.0)
    weights = StoredBits(linear=stored, experts=stored, other=other) if name else architecture.stored
    found = Precision(
        name=asked.get("name", name or architecture.precision),
        weights=weights,
        linear_operand_bits=operands if weights.linear < 16 else int(min(weights.linear, 32)),
        expert_operand_bits=operands if weights.experts < 16 else int(min(weights.experts, 32)),
        cache_bits=cache_bits,
    )
    return replace(found, activation_bits=32.0, cache_bits=32.0) if stored >= 32 and not cache_name else found
