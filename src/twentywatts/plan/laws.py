"""Scaling laws: loss from parameters and tokens, and the best split of a budget of operations."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from twentywatts.errors import InputError, nearest

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["Law", "inference_aware", "law", "laws", "loss", "optimum", "standard_error"]

_GRID = 600  # sizes of model that the inference-aware search looks at, evenly spaced in the logarithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """L(N, D) = E + A / N^alpha + B / D^beta, in nats per token; *_error are standard errors (0: not published)."""

    name: str
    title: str
    irreducible: float
    params_scale: float
    tokens_scale: float
    params_exponent: float
    tokens_exponent: float
    irreducible_error: float
    exponent_error: float
    source: str
    where: str
    note: str


@cache
def laws() -> Mapping[str, Law]:
    """Return the published laws of data/plan/scaling_laws.toml by name."""
    path = files("twentywatts") / "data" / "plan" / "scaling_laws.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["laws"]
    return MappingProxyType({name: Law(name=name, **table) for name, table in tables.items()})


def law(name: str) -> Law:
    """Return a law by name; raises InputError with the nearest name."""
    if name not in laws():
        raise InputError(f"unknown scaling law '{name}'{nearest(name, laws())}; there are {', '.join(laws())}")
    return laws()[name]


def loss(found: Law, params: Array, tokens: Array) -> Array:
    """Return the loss [nats per token] of models of these sizes. Source: hoffmann2022, equation 2."""
    size = found.params_scale / params**found.params_exponent
    return found.irreducible + size + found.tokens_scale / tokens**found.tokens_exponent


def optimum(found: Law, operations: Array) -> tuple[Array, Array]:
    """Return (parameters, tokens) of the least loss for 6 N D operations. Source: hoffmann2022, equation 4."""
    a, b = found.params_exponent, found.tokens_exponent
    ratio = (a * found.params_scale / (b * found.tokens_scale)) ** (1 / (a + b))
    params = ratio * (operations / 6.0) ** (b / (a + b))
    return params, operations / (6.0 * params)


def inference_aware(found: Law, operations: Array, served_tokens: float) -> tuple[Array, Array]:
    """Return (parameters, tokens) of the least loss where 6 N D + 2 N served_tokens operations are to be had.

    A model that is asked much is best smaller and trained longer. Source: sardana2024, section 2. Searched on a grid of
    600 sizes; limits: training and inference operations are taken to cost the same joules.
    """
    import numpy as np

    best, _ = optimum(found, operations)
    sizes = np.asarray(best)[..., None] * np.logspace(-4, 0, _GRID)
    tokens = (np.asarray(operations)[..., None] - 2.0 * sizes * served_tokens) / (6.0 * sizes)
    tokens = np.maximum(tokens, 1.0)
    chosen = np.argmin(loss(found, sizes, tokens), axis=-1)[..., None]
    pick = [np.take_along_axis(array, chosen, axis=-1)[..., 0] for array in (sizes, tokens)]
    return pick[0], pick[1]


def standard_error(found: Law, params: float, tokens: float) -> float:
    """Return how sure the law is of the loss at one size [nats], one standard error.

    The published errors of the exponents turn each term around the middle of the data (10^9 parameters, 5 × 10^10
    tokens), where a fit is surest; that of E is added. Limits: a reading of ours, for correlations are not published.
    """
    size = found.params_scale / params**found.params_exponent * abs(math.log(params / 1e9))
    data = found.tokens_scale / tokens**found.tokens_exponent * abs(math.log(tokens / 5e10))
    spread = found.exponent_error * math.hypot(size, data)
    return math.hypot(spread, found.irreducible_error)
