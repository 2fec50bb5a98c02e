"""Operations of a training run: 6 N D, and attention where the context is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from twentywatts.figures import load_figures

if TYPE_CHECKING:
    from twentywatts.uncertain import Array

__all__ = ["attention_operations", "training_operations"]

T = TypeVar("T", float, "Array")

_FORWARD_AND_BACKWARD = 6.0  # one multiply and one add forward, twice that backward, per parameter and token


def training_operations(active_params_count: T, tokens_count: T) -> T:
    """Return 6 N D, the floating-point operations of a run; N counts the parameters that one token uses.

    Limits: neither attention over the context nor recomputed activations. Source: hoffmann2022, appendix F.
    """
    return _FORWARD_AND_BACKWARD * active_params_count * tokens_count


def attention_operations(active_params_count: T, tokens_count: T, context_count: T) -> T:
    """Return the operations of causal attention over a context [tokens] in a whole run.

    6 L w s per token with L layers of width w (half of 12 L w s, because a token sees only those before it). The shape
    follows from N = 12 L w², w / L as bundled. Limits: a guess of the shape; grouped heads do not change it.
    Source: Chowdhery 2022 (PaLM), appendix B.
    """
    width_per_layer = load_figures("plan/training")["width_per_layer_ratio"].value
    layers_squared = (active_params_count / (12.0 * width_per_layer**2)) ** (2.0 / 3.0)
    per_token: T = 6.0 * width_per_layer * layers_squared * context_count
    return per_token * tokens_count
